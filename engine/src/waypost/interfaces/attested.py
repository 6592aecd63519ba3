"""The target of a release's tag, compared with evidence that moving the tag does not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from waypost.errors import Finding
from waypost.interfaces.record import FOLDER, Record, RunRecord

DIFFERS = "record-differs"
MOVED = "tag-moved"
_TREES = "trees"
# The fields of a record that do not affect the content that runs.
_WORDS = {"notes", "date", "engine", "made_with"}


@dataclass(frozen=True)
class Tagged:
    """What a tag names: its commit, git's ids of what lies at the top there, the record in it."""

    version: str
    tag: str
    commit: str
    trees: Mapping[str, str]
    record: Record | None = None


@dataclass(frozen=True)
class Attested:
    """What is known of a version besides: the default branch's record, and that of the production run; the
    commit that this machine saw behind the tag.
    """

    record: Record | None = None
    run: RunRecord | None = None
    known: str = ""


def contradictions(tagged: Tagged, attested: Attested) -> list[Finding]:
    """Returns where a tag does not name what is known of its version."""
    place = f"{FOLDER}/{tagged.version}.json"
    found = list(_commit_findings(tagged, attested))
    if own := tagged.record:
        found += unlisted(own, tagged, "the record")
    if there := attested.record:
        found += unlisted(there, tagged, "the default branch's record")
        if fields := _differing(tagged.record, there):
            problem = f"the tag's own record is not the default branch's: {', '.join(fields)}"
            found.append(Finding(place, problem, "", DIFFERS))
    return list(dict.fromkeys(found))


def unlisted(record: Record, tagged: Tagged, whose: str) -> Iterator[Finding]:
    """Yields where a record does not list what a tag names; `whose` record it is, in words."""
    place = f"{FOLDER}/{tagged.version}.json"
    for name in sorted((set(tagged.trees) | set(record.trees)) - {FOLDER}):
        if tagged.trees.get(name) != record.trees.get(name):
            yield Finding(place, f"{name} is not what {whose} lists", "", DIFFERS)
    if record.version != tagged.version:
        yield Finding(place, f"it says version {record.version}", "", DIFFERS)


def _commit_findings(tagged: Tagged, attested: Attested) -> Iterator[Finding]:
    """Yields which commits others know for the version, where the tag names another one."""
    known = {
        f"{FOLDER}/{tagged.version}.json": ("its record is of", attested.record and attested.record.commit),
        f"{FOLDER}/{tagged.version}.run.json": (
            "its production run was of",
            attested.run and attested.run.commit,
        ),
        tagged.tag: ("this machine knows it as", attested.known),
    }
    for place, (words, commit) in known.items():
        if commit and commit != tagged.commit:
            problem = f"the tag was moved: {words} commit {commit[:12]}, it is {tagged.commit[:12]} now"
            hint = f"previously @{commit}, now @{tagged.commit}"
            yield Finding(place, problem, hint, MOVED)


def _differing(own: Record | None, there: Record) -> list[str]:
    """Returns the fields that decide what runs, and that differ between two records of a version."""
    if own is None:
        return []
    fields = set(Record.model_fields) - _WORDS - {_TREES}
    return sorted(name for name in fields if getattr(own, name) != getattr(there, name))
