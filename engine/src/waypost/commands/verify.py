"""`waypost verify`: is everything still what the lock says?"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from waypost.commands.documents import VerdictDocument
from waypost.commands.options import as_json_option, offline_option, pipeline_argument
from waypost.pins.verify import verify as check
from waypost.pins.workspace import open_workspace
from waypost.report.common import sayer, write_document
from waypost.report.console import Console
from waypost.report.pins import show_verdict


@click.command()
@pipeline_argument
@offline_option
@click.option("--remotes-only", is_flag=True, hidden=True, help="What `run` asks while it works.")
@click.option("--within", type=int, hidden=True, help="End after so many seconds, whatever is answered.")
@as_json_option
def verify(folder: Path, offline: bool, remotes_only: bool, within: int | None, as_json: bool) -> int:
    """Check the tags on the remotes, the cache and local folders against the lock.

    Lists every finding with its category: tag-moved, tag-deleted, commit-gone, commit-unreached (on no branch
    and no tag), tree-differs, lock-stale, lock-edited, lock-newer, interface-differs, environment-differs,
    yanked, record-changed, record-differs, record-missing (the tag is not what the default branch records),
    tag-unsigned, signature-wrong (where signers are configured). Fetches what the cache lacks. Exit code 4 on
    any finding, 3 if something could not be checked and nothing else is wrong.

    \b
    Examples:
      waypost verify pipeline
      waypost verify pipeline --offline     what can be checked without network
      waypost verify pipeline --json        machine-readable
    """
    if within:
        signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
        signal.alarm(within)
    console = Console(stderr=as_json)
    verdict = check(open_workspace(folder, sayer(console), offline=offline), here=not remotes_only)
    if as_json:
        document = VerdictDocument(tuple(verdict.findings), tuple(verdict.asked), tuple(verdict.unchecked))
        write_document(sys.stdout, document)
    else:
        show_verdict(console, verdict)
    return verdict.exit_code
