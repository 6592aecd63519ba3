"""The releases of a library: dates, records, yanks and changelog sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from packaging.version import Version

from waypost.catalogue.facts import Recorded, Release
from waypost.catalogue.opening import Opened, entries_at
from waypost.catalogue.texts import Texts
from waypost.contracts.versions import Release as Tag
from waypost.errors import FindingsError
from waypost.interfaces.attested import Tagged, unlisted
from waypost.interfaces.changelog import lines_between
from waypost.interfaces.record import (
    FOLDER,
    CheckedComponent,
    CheckRecord,
    Record,
    Yank,
    check_record_of,
    parse_record,
    version_of_record,
)
from waypost.sources import git

_CHANGELOG = "CHANGELOG.md"
_YANKED = ".yanked.json"
_BEFORE_ALL = Version("0.dev0")


def read_releases(texts: Texts) -> list[Release]:
    """Returns the releases, the newest first."""
    opened = texts.opened
    changelog, files = _at_head(texts)
    dates = days(opened, [tag.commit for tag in opened.releases])
    yanked = {**opened.yanked, **_yanked(files)}
    found = []
    for tag, before in zip(opened.releases, _before(opened.releases), strict=True):
        version = str(tag.version)
        record = files.get(f"{version}.json", "")
        found.append(
            Release(
                version=version,
                tag=tag.tag,
                commit=tag.commit,
                date=dates.get(tag.commit, ""),
                record=_recorded(opened, tag, record),
                yanked=yanked.get(version, ""),
                notes=_without_heading(lines_between(changelog, before, tag.version)),
                checked=_checked(files.get(check_record_of(version), "")),
            )
        )
    return found


def _before(tags: Sequence[Tag]) -> list[Version]:
    return [*(tag.version for tag in tags[1:]), _BEFORE_ALL][: len(tags)]


def _without_heading(section: str) -> str:
    return "\n".join(line for line in section.splitlines() if not line.startswith("## ")).strip()


def _at_head(texts: Texts) -> tuple[str, Mapping[str, str]]:
    """Returns the changelog and the files in releases/ (by name), as the default branch has them."""
    opened = texts.opened
    tree = opened.tree_of(opened.head) if opened.head else None
    if tree is None:
        return "", {}
    texts.look([tree])
    changelog = texts.file(tree, _CHANGELOG)
    folder = texts.entries(tree).get(FOLDER)
    trees = [tree, *([folder.oid] if folder and folder.kind == "tree" else [])]
    texts.look(trees)
    there = texts.entries(trees[-1]) if len(trees) > 1 else {}
    records = {name: e.oid for name, e in there.items() if e.kind == "blob" and name.endswith(".json")}
    found = texts.read(trees, [changelog, *records.values()])
    return found.get(changelog, ""), {name: found[oid] for name, oid in records.items() if oid in found}


def _yanked(files: Mapping[str, str]) -> dict[str, str]:
    """Returns why versions were yanked, by version."""
    found = {}
    for name, text in files.items():
        if name.endswith(_YANKED):
            version = name.removesuffix(_YANKED)
            try:
                found[version] = parse_record(Yank, text, name).reason or "no reason given"
            except FindingsError:
                found[version] = "its record cannot be read"
    return found


def _checked(text: str) -> Mapping[str, CheckedComponent]:
    """Returns the results of executed components in a record, {} for one that cannot be read."""
    try:
        return parse_record(CheckRecord, text, "check.json").components if text else {}
    except FindingsError:
        return {}


def _recorded(opened: Opened, tag: Tag, text: str) -> Recorded:
    """Returns whether a tag has the content in the default branch's record of its version."""
    version = str(tag.version)
    if not text or version_of_record(f"{FOLDER}/{version}.json") is None:
        return "none"
    try:
        record = parse_record(Record, text, f"{version}.json")
    except FindingsError:
        return "differs"
    # A record that names its commit is of a time when the library lay at the top of another repository.
    tree = git.object_at(opened.repository, f"{tag.commit}:{'' if record.commit else opened.prefix}")
    trees = entries_at(opened, tree) if tree else {}
    tagged = Tagged(version, tag.tag, tag.commit, trees, record)
    return "differs" if any(unlisted(record, tagged, "the record")) else "verified"


def days(opened: Opened, commits: Iterable[str]) -> dict[str, str]:
    """Returns the days (UTC) of commits, empty for a date out of range."""
    asked = list(dict.fromkeys(commits))
    if not asked:
        return {}
    form = ["log", "--no-walk=unsorted", "--format=%H %ct", "--end-of-options", *asked]
    found = {}
    for line in git.git(opened.repository, *form).splitlines():
        commit, _, seconds = line.partition(" ")
        try:
            found[commit] = datetime.fromtimestamp(int(seconds), UTC).date().isoformat()
        except (ValueError, OverflowError, OSError):
            found[commit] = ""
    return found
