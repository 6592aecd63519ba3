"""`waypost verify`: is everything still what the lock says?"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from waypost.commands.documents import VerdictDocument, VerifiedDocument
from waypost.commands.options import as_json_option, offline_option
from waypost.errors import WaypostError
from waypost.pins.verify import verify as check
from waypost.pins.workspace import open_workspace
from waypost.report.common import sayer, write_document
from waypost.report.console import Console
from waypost.report.pins import show_several_verdicts, show_verdict


@click.command()
@click.argument(
    "folders",
    nargs=-1,
    metavar="[PIPELINE]…",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@offline_option
@click.option("--remotes-only", is_flag=True, hidden=True, help="What `run` asks while it works.")
@click.option("--within", type=int, hidden=True, help="End after so many seconds, whatever is answered.")
@as_json_option
def verify(
    folders: tuple[Path, ...], offline: bool, remotes_only: bool, within: int | None, as_json: bool
) -> int:
    """Check the tags on the remotes, the cache and local folders against the lock.

    Lists every finding with its category: tag-moved, tag-deleted, commit-gone, commit-unreached (on no branch
    and no tag), tree-differs, lock-stale, lock-edited, lock-newer, interface-differs, environment-differs,
    yanked, record-changed, record-differs, record-missing (the tag is not what the default branch records),
    tag-unsigned, signature-wrong (where signers are configured). Fetches what the cache lacks. Exit code 4 on
    any finding, 3 if something could not be checked and nothing else is wrong. Several pipelines are shown in
    one table.

    \b
    Examples:
      waypost verify pipeline
      waypost verify pipeline --offline     what can be checked without network
      waypost verify pipeline --json        machine-readable
      waypost verify teams/*/pipeline       all of them, in one table
    """
    if within:
        signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
        signal.alarm(within)
    console = Console(stderr=as_json)
    if len(folders) > 1:
        return _verify_all(folders, console, offline=offline, as_json=as_json)
    folder = folders[0] if folders else Path()
    verdict = check(open_workspace(folder, sayer(console), offline=offline), here=not remotes_only)
    if as_json:
        document = VerdictDocument(tuple(verdict.findings), tuple(verdict.asked), tuple(verdict.unchecked))
        write_document(sys.stdout, document)
    else:
        show_verdict(console, verdict)
    return verdict.exit_code


def _verify_all(folders: Sequence[Path], console: Console, *, offline: bool, as_json: bool) -> int:
    """Checks several pipelines; one that cannot be looked at does not keep the others from it."""
    found, code = [], 0
    for folder in folders:
        try:
            verdict = check(open_workspace(folder, sayer(console), offline=offline))
        except WaypostError as error:
            found.append(VerifiedDocument(str(folder), problem=str(error)))
            code = max(code, error.exit_code)
        else:
            findings, unchecked = tuple(verdict.findings), tuple(verdict.unchecked)
            found.append(VerifiedDocument(str(folder), findings, unchecked))
            code = max(code, verdict.exit_code)
    if as_json:
        write_document(sys.stdout, found)
    else:
        show_several_verdicts(console, {one.pipeline: one.problem or one.findings for one in found})
    return code
