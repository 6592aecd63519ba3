"""Provenance of files: GitHub stores signed attestations by the digest of their subject.

No asset is downloaded. The record in a release's tag equals the attested asset byte for byte and lists the
git trees of everything else, so verifying it and those trees proves the origin of the whole release.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from waypost.ci.hosting import Host, has_gh, is_slug, slug_of
from waypost.errors import Finding, IntegrityError, RemoteError, UsageError, redacted
from waypost.interfaces.record import FOLDER
from waypost.pins.verdict import UNREACHABLE
from waypost.release.fetched import Seen
from waypost.sources.files import content_digest

MISSING, WRONG = "attestation-missing", "attestation-wrong"
_INSTALL = "install GitHub's CLI, gh 2.60 or newer, and log in: gh auth login"
_RELEASE = "releases that CI publishes have one: docs/ci.md"


@dataclass(frozen=True)
class Asked:
    """Expected origin: `repository` of the release, and `signer`, the repository of the workflow that signed;
    OWNER/NAME on GitHub, empty for that of the release's URL.
    """

    repository: str = ""
    signer: str = ""


@dataclass(frozen=True)
class Provenance:
    """Provenance of a file: the `repository` that attests it, or the problems."""

    repository: str
    findings: tuple[Finding, ...] = ()


def provenance_of_release(seen: Seen, url: str, asked: Asked) -> Provenance:
    """Returns the provenance of the record in a release's tag."""
    name = f"{FOLDER}/{seen.tagged.version}.json"
    file = seen.root / seen.inside / name
    if not seen.tagged.version or not file.is_file():
        return Provenance("", (Finding(name, "without a record nothing can be attested", _RELEASE, MISSING),))
    return provenance_of(file, name, url, asked)


def provenance_of(file: Path, place: str, url: str, asked: Asked) -> Provenance:
    """Returns the provenance of a file: `place` is its name in messages, `url` that of its repository."""
    for given in filter(None, (asked.repository, asked.signer)):
        if not is_slug(given):
            raise UsageError(f"{given!r} is not of the form OWNER/NAME")
    repository = asked.repository or slug_of(url)
    if not repository:
        problem = f"{redacted(url)} is not on GitHub, which keeps attestations"
        return _unknown(place, problem, "name the repository that attests it: --repo OWNER/NAME")
    if not has_gh():
        return _unknown(place, "gh is not installed, so its provenance was not looked at", _INSTALL)
    host = Host(repository)
    problem = host.attestation_problem(file, asked.signer)
    if not problem:
        return Provenance(repository)
    try:
        is_there = host.has_attestation(content_digest(file))
    except RemoteError as error:
        return _unknown(place, str(error), error.hint)
    if not is_there:
        missing = Finding(place, f"{repository} has no attestation of it", _RELEASE, MISSING)
        return Provenance(repository, (missing,))
    hint = "signed by a workflow of another repository? --signer-repo OWNER/NAME"
    return Provenance(
        repository, (Finding(place, f"its attestation does not count: {problem}", hint, WRONG),)
    )


def require_proved(found: Provenance) -> None:
    """Raises IntegrityError if the provenance is missing or wrong, RemoteError if it is unknown."""
    if wrong := [finding for finding in found.findings if finding.category != UNREACHABLE]:
        raise IntegrityError(wrong)
    for finding in found.findings:
        raise RemoteError(f"{finding.place}: {finding.problem}", hint=finding.hint)


def _unknown(place: str, problem: str, hint: str) -> Provenance:
    return Provenance("", (Finding(place, problem, hint, UNREACHABLE),))
