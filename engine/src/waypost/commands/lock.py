"""`waypost lock`: resolve versions into content."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.documents import LockDocument
from waypost.commands.options import as_json_option, pipeline_argument
from waypost.contracts.lock import FILE
from waypost.pins import locking
from waypost.pins.reachability import refuse_unreached
from waypost.pins.workspace import fresh_lock, open_workspace
from waypost.report.common import counted, line, notifier, write_document
from waypost.report.console import Console, escape
from waypost.report.pins import show_pins


@click.command()
@pipeline_argument
@click.option("--check", is_flag=True, help="Write nothing; exit with 4 if the lock is stale.")
@as_json_option
def lock(folder: Path, check: bool, as_json: bool) -> int:
    """Resolve the requirements in pipeline.yaml, and write components.lock.json.

    Pins that still satisfy pipeline.yaml are kept; `waypost update` moves them. Nothing is written unless
    every component exists at its version and its interface fits `with:`.

    \b
    Examples:
      waypost lock pipeline
      waypost lock pipeline --check     for CI: is the lock fresh, are its commits on the remote?
    """
    console = Console(stderr=as_json)
    workspace = open_workspace(folder, notifier(console))
    if check:
        found = fresh_lock(workspace)
        changed = False
        refuse_unreached(workspace, found)
    else:
        found, changed = locking.relock(workspace)
    pins = found.components if found else {}
    if as_json:
        write_document(sys.stdout, LockDocument(changed, pins))
    else:
        show_pins(console, pins)
        verb = "written" if changed else "fresh" if check else "unchanged"
        line(console, escape(f"{folder / FILE} {verb}: {counted(len(pins), 'component')}"))
    return 0
