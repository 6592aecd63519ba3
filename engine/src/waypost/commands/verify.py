"""`waypost verify`: is everything still what the lock says? Is a release what it was?"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from waypost.ci.provenance import Asked, provenance_of_release
from waypost.commands.documents import VerdictDocument, VerifiedDocument
from waypost.commands.options import as_json_option, attestation_options, offline_option
from waypost.contracts.target import Target, parse_target
from waypost.errors import UsageError, WaypostError
from waypost.pins.verdict import Verdict
from waypost.pins.verify import verify as check
from waypost.pins.workspace import open_workspace
from waypost.release.verifying import verify_release
from waypost.report.common import notifier, write_document
from waypost.report.console import Console
from waypost.report.pins import show_release, show_several_verdicts, show_verdict
from waypost.sources.store import Store
from waypost.system.places import home


@click.command()
@click.argument("places", nargs=-1, metavar="[PIPELINE]…|URL[#FOLDER]@VERSION")
@offline_option
@click.option(
    "--signature",
    is_flag=True,
    help="Ask for a signed tag, whoever else asks for none; git's own allowed signers count, too.",
)
@attestation_options
@click.option("--remotes-only", is_flag=True, hidden=True, help="What `run` asks while it works.")
@click.option("--within", type=int, hidden=True, help="End after so many seconds, whatever is answered.")
@as_json_option
def verify(
    places: tuple[str, ...],
    offline: bool,
    signature: bool,
    attestation: bool,
    repository: str,
    signer_repo: str,
    remotes_only: bool,
    within: int | None,
    as_json: bool,
) -> int:
    """Check the tags on the remotes, the cache and local folders against the lock; or a release.

    Lists every finding with its category: tag-moved, tag-deleted, commit-gone, commit-unreached (on no branch
    and no tag), tree-differs, lock-stale, lock-edited, lock-newer, interface-differs, environment-differs,
    yanked, record-changed, record-differs, record-missing (the tag is not what the default branch records),
    tag-unsigned, signature-wrong (where signers are configured, or with --signature), attestation-missing,
    attestation-wrong (with --attestation). Fetches what the cache lacks. Exit code 4 on any finding, 3 if
    something could not be checked and nothing else is wrong. Several pipelines are shown in one table.

    Of a release: its tag against the default branch's record and what this machine knows, its content against
    the record, its signature, and the pins of its pipeline.

    \b
    Examples:
      waypost verify pipeline
      waypost verify pipeline --offline     what can be checked without network
      waypost verify pipeline --json        machine-readable
      waypost verify teams/*/pipeline       all of them, in one table
      waypost verify https://github.com/org/grades@1.4.13 --attestation --signature
    """
    if within:
        signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGTERM))
        signal.alarm(within)
    console = Console(stderr=as_json)
    asked = Asked(repository, signer_repo) if attestation else None
    if asked and offline:
        raise UsageError("--attestation asks GitHub, --offline does not: one of them")
    targets = [_target(place) for place in places]
    if len(places) == 1 and targets[0]:
        verdict = _release(targets[0], console, asked, offline=offline, signature=signature)
    elif any(targets) or asked or signature:
        hint = "one, as URL[#FOLDER]@VERSION"
        raise UsageError(
            "--attestation and --signature belong to a release, which is verified alone", hint=hint
        )
    elif len(places) > 1:
        return _verify_all([Path(place) for place in places], console, offline=offline, as_json=as_json)
    else:
        folder = Path(places[0]) if places else Path()
        verdict = check(open_workspace(folder, notifier(console), offline=offline), here=not remotes_only)
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
            verdict = check(open_workspace(folder, notifier(console), offline=offline))
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


def _target(place: str) -> Target | None:
    """Returns the release that is named, None for a folder. Raises UsageError where it is neither."""
    if Path(place).is_dir():
        return None
    target = parse_target(place, str(Path.cwd()))
    if target is None:
        raise UsageError(f"{place}: no such folder, and not of the form URL[#FOLDER]@VERSION")
    return target


def _release(
    target: Target, console: Console, asked: Asked | None, *, offline: bool, signature: bool
) -> Verdict:
    say = notifier(console)
    seen, verdict = verify_release(Store(home(), say), target, say, offline=offline, must_be_signed=signature)
    attested_by = ""
    if asked:
        found = provenance_of_release(seen, target.url, asked)
        verdict.findings += found.findings
        attested_by = "" if found.findings else found.repository
    if not verdict.findings:
        show_release(console, target.at(seen.tagged.version or target.version), seen, attested_by)
    return verdict
