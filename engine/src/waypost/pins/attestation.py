"""Comparison of a release's tag with the record on the default branch, and with what this machine saw."""

from __future__ import annotations

from collections.abc import Collection

from waypost.errors import Finding
from waypost.interfaces.attested import Attested, Tagged, contradictions
from waypost.interfaces.record import FOLDER, Record, RunRecord, is_record_of, parse_record, run_record_of
from waypost.sources import objects, remotes
from waypost.sources.known import Known
from waypost.sources.mirror import Mirror

UNRECORDED = "record-missing"
CHANGED = "record-changed"


def findings_of(
    mirror: Mirror, tagged: Tagged, memory: Mirror, *, offline: bool = False
) -> tuple[Attested, list[Finding]]:
    """Returns what is known of a version besides its tag, and where the tag contradicts it.

    The mirror has what the default branch has now; offline it is not looked at, since nothing is remembered
    that was not verified. Args: `memory` is the mirror that has what this machine knows. Raises RemoteError,
    FindingsError for a record that is none.
    """
    known = memory.seen_version(tagged.version)
    if offline or not tagged.version:
        attested = Attested(known=known)
        return attested, contradictions(tagged, attested)
    attested = Attested(record_of(mirror, tagged.version), run_record(mirror, tagged.version), known)
    changed = lost_records(mirror, memory.known, {tagged.version})
    return attested, contradictions(tagged, attested) + changed + _unrecorded(mirror, tagged, attested)


def recorded_findings(mirror: Mirror, tag: str, version: str, commit: str) -> list[Finding]:
    """Returns where the tag of a library's release contradicts what the default branch records, or recorded.

    The mirror has what the default branch has now. Raises RemoteError, FindingsError for a record that is
    none.
    """
    if not (mirror.recorded() or mirror.known.records):
        return []
    mirror.ensure(commit, tag=tag)
    tree = mirror.tree_of(commit)
    trees = {name: e.oid for name, e in objects.entries(mirror.folder, tree).items()} if tree else {}
    return findings_of(mirror, Tagged(version, tag, commit, trees), mirror)[1]


def known_here(memory: Mirror, version: str) -> Attested:
    """Returns what this machine knows of a version, without asking the remote; nothing where it never did."""
    if not version:
        return Attested()
    record, run = record_of(memory, version, fetch=False), run_record(memory, version, fetch=False)
    return Attested(record, run, memory.seen_version(version))


def record_of(mirror: Mirror, version: str, *, fetch: bool = True) -> Record | None:
    """Returns the record of a version, as the default branch has it."""
    path = mirror.path(f"{FOLDER}/{version}.json")
    text = mirror.text(path, fetch=fetch)
    return None if text is None else parse_record(Record, text, path)


def run_record(mirror: Mirror, version: str, *, fetch: bool = True) -> RunRecord | None:
    """Returns what the production run of a release gave, as the default branch has it."""
    name = run_record_of(version, mirror.records())
    path = mirror.path(f"{FOLDER}/{name}")
    text = mirror.text(path, fetch=fetch) if name else None
    return None if text is None else parse_record(RunRecord, text, path)


def lost_records(mirror: Mirror, known: Known, versions: Collection[str]) -> list[Finding]:
    """Returns which records of versions the default branch had, and has not, or not as they were."""
    hint = "records are only ever added: ask who rewrote the branch"
    return [
        Finding(f"{FOLDER}/{name}", f"the default branch had this record; it was {what} since", hint, CHANGED)
        for name, what in known.lost(mirror.records()).items()
        if any(is_record_of(version, name) for version in versions)
    ]


def _unrecorded(mirror: Mirror, tagged: Tagged, attested: Attested) -> list[Finding]:
    """Returns that nothing but the tag makes a release, in a repository whose default branch records them.

    A release that was cut on another branch is one that a branch has.
    """
    if attested.record or not mirror.recorded():
        return []
    if remotes.is_reached(mirror.url, tagged.commit, by_tags=False):
        return []
    problem = (
        f"the default branch records releases, but not {tagged.version}, and no branch has its commit"
        f" {tagged.commit[:12]}: only the tag says that it is one"
    )
    hint = f"to run it all the same: @{tagged.commit}"
    return [Finding(f"{FOLDER}/{tagged.version}.json", problem, hint, UNRECORDED)]
