"""`waypost reproduce`: is a release real?"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from waypost.commands.documents import ReproductionDocument
from waypost.commands.options import as_json_option, released
from waypost.errors import UsageError
from waypost.interfaces.record import RunRecord, parse_record
from waypost.release.reproduce import reproduce as execute
from waypost.release.reproduce import reproduce_run
from waypost.release.rerun import run_named
from waypost.report import runs
from waypost.report.common import write_document
from waypost.report.console import Console
from waypost.report.release import show_reproduction
from waypost.sources.files import read_text
from waypost.system.scratch import scratch


def _empty(folder: Path) -> Path:
    """Returns a folder for what a reproduction leaves, where nothing else is. Raises UsageError."""
    place = folder.resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
        if found := next(place.iterdir(), None):
            raise UsageError(f"{folder}: not empty, it has {found.name}", hint="give an empty folder")
    except OSError as error:
        raise UsageError(f"{folder}: results cannot be kept there: {error}") from error
    return place


@click.command()
@click.argument("target", metavar="URL[#FOLDER]@VERSION|runs:/ID")
@click.option(
    "--against",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Compare with this record instead of the one on the repository's default branch.",
)
@click.option(
    "--env",
    type=click.Choice(["uv", "local"]),
    help="uv: build fresh environments; local: use Waypost's own. [default: uv; for runs:/ID "
    "what that run used]",
)
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep runs and outputs in DIR, which must be empty.",
)
@as_json_option
def reproduce(target: str, against: Path | None, env: str | None, keep: Path | None, as_json: bool) -> int:
    """Execute a release or a run again in a clean place, and compare the results.

    A release is executed from its tag and compared with its record. runs:/ID is a pipeline run on this
    tracking server: its commit, uncommitted changes, lock and parameters are restored from what the run kept.
    A component whose content is gone is named.

    Data, splits, metrics, predictions and the model's signature are compared one by one: equal, different, or
    not comparable, with the reason. Exit code 1 if anything differs.

    \b
    Examples:
      waypost reproduce https://github.com/org/grades@1.4.13
      waypost reproduce runs:/0123456789abcdef0123456789abcdef
    """
    run_id = run_named(target)
    if run_id and against:
        raise UsageError("--against belongs to a release: a run is compared with itself")
    parsed = None if run_id else released(target)
    record = parse_record(RunRecord, read_text(against), str(against)) if against else None
    console = Console(stderr=as_json)
    with scratch() as temp:
        place = _empty(keep) if keep else temp
        here = Path.cwd()
        try:
            reporter = runs.reporter_for(console)
            if parsed:
                found = execute(parsed, place, reporter, record=record, env=env or "uv")
            else:
                found = reproduce_run(run_id or "", place, reporter, env=env)
        finally:
            os.chdir(here)
    if as_json:
        write_document(sys.stdout, ReproductionDocument(found.is_equal, found.comparisons))
    else:
        show_reproduction(console, found)
    return 0 if found.is_equal else 1
