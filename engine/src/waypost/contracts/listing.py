"""Everything in folders of a repository, by path: how much there may be, and what can be unpacked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from waypost.contracts.trees import (
    FILE,
    FOLDER,
    LINK,
    MOST_PATH_BYTES,
    PROGRAM,
    SUBMODULE,
    Entry,
    TreeError,
    read_tree,
    shown,
)

MOST_ENTRIES = 100_000  # of one folder
MOST_ENTRIES_AT_ONCE = 500_000
MOST_DEPTH = 64
MOST_FILE_BYTES = 256 << 20
MOST_BYTES = 1 << 30
_UNPACKED = (FILE, PROGRAM, LINK, FOLDER)
_TOO_MANY = TreeError(
    f"there are more than the {MOST_ENTRIES_AT_ONCE:,} files and folders that are looked at"
)

Read = Callable[[Sequence[str]], Iterator[bytes]]


@dataclass
class Listing:
    """What is in folders: entries by path, each folder before what is in it.

    `problems` says why folders cannot be unpacked, by their names; of these, not all entries are here.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, other: Listing) -> None:
        """Takes over what another one has."""
        self.entries |= other.entries
        self.problems |= other.problems

    def part(self, names: Collection[str]) -> Listing:
        """Returns what is in some of the folders."""
        entries = {path: entry for path, entry in self.entries.items() if top_of(path) in names}
        return Listing(entries, {name: self.problems[name] for name in self.problems if name in names})

    def of_kind(self, kind: str) -> dict[str, str]:
        """Returns the ids of all entries of a kind, by path; those of folders with problems left out."""
        return {
            path: entry.oid
            for path, entry in self.entries.items()
            if entry.kind == kind and top_of(path) not in self.problems
        }

    def links(self) -> dict[str, str]:
        """Returns the ids of the links' targets, by path."""
        return {path: oid for path, oid in self.of_kind("blob").items() if self.entries[path].mode == LINK}

    def note_sizes(self, sizes: Mapping[str, int]) -> None:
        """Notes the folders with more content than is sane; `sizes` are those of files in bytes, by id."""
        totals: dict[str, int] = {}
        for path, oid in self.of_kind("blob").items():
            top, size = top_of(path), sizes[oid]
            totals[top] = totals.get(top, 0) + size
            if size > MOST_FILE_BYTES:
                self.problems.setdefault(
                    top, f"{shown(path)} has {size >> 20} MiB, {_limit(MOST_FILE_BYTES)}"
                )
        for top, total in totals.items():
            if total > MOST_BYTES:
                self.problems.setdefault(top, f"its files have {total >> 20} MiB, {_limit(MOST_BYTES)}")


def _limit(count: int) -> str:
    return f"more than the {count >> 20} MiB that are unpacked"


def top_of(path: str) -> str:
    """Returns the first name in a path."""
    return path.partition("/")[0]


def walk(folders: Mapping[str, str], read: Read) -> Listing:
    """Returns everything in folders (name to tree), every name checked.

    Args: `read` gives the bodies of tree objects by their ids, in this order. It is asked once for each level
    and never twice for one tree, so that a tree which is there a million times costs no more than the limit.
    """
    found = Listing()
    known: dict[str, dict[str, Entry] | TreeError] = {}
    counts, count = dict.fromkeys(folders, 0), 0
    waiting = dict(folders)
    while waiting:
        _read_more(known, waiting.values(), read)
        following: dict[str, str] = {}
        for path, oid in waiting.items():
            top = top_of(path)
            if top in found.problems:
                continue
            entries = known.get(oid, _TOO_MANY)
            more = len(entries) if isinstance(entries, dict) else 0
            counts[top], count = counts[top] + more, count + more
            if problem := _problem(path, entries, counts[top], count):
                found.problems[top] = problem
            elif isinstance(entries, dict):
                inner = {f"{path}/{name}": entry for name, entry in entries.items()}
                found.entries |= inner
                following |= {p: entry.oid for p, entry in inner.items() if entry.kind == "tree"}
        waiting = following
    return found


def _read_more(known: dict[str, dict[str, Entry] | TreeError], oids: Iterable[str], read: Read) -> None:
    """Reads the trees that are not known yet, until there are more entries than can be taken at once."""
    new = [oid for oid in dict.fromkeys(oids) if oid not in known]
    count = 0
    for oid, body in zip(new, read(new), strict=True):
        known[oid] = entries = _parsed(body, len(oid))
        count += len(entries) if isinstance(entries, dict) else 0
        if count > MOST_ENTRIES_AT_ONCE:
            return


def _parsed(body: bytes, digits: int) -> dict[str, Entry] | TreeError:
    try:
        return read_tree(body, digits=digits)
    except TreeError as error:
        return error


def _problem(path: str, entries: dict[str, Entry] | TreeError, count: int, count_of_all: int) -> str:
    """Returns why a folder at a path, with these entries, cannot be unpacked; empty if it can."""
    if isinstance(entries, TreeError):
        return f"in {shown(path)}, {entries}"
    if count > MOST_ENTRIES or count_of_all > MOST_ENTRIES_AT_ONCE:
        most = MOST_ENTRIES if count > MOST_ENTRIES else MOST_ENTRIES_AT_ONCE
        return f"it has more than the {most:,} files and folders that are unpacked"
    if path.count("/") > MOST_DEPTH:
        return f"it has more than the {MOST_DEPTH} levels of folders that are unpacked"
    for name, entry in entries.items():
        if len(path.encode()) + 1 + len(name.encode()) > MOST_PATH_BYTES:
            return f"the path of {shown(name)} is longer than {MOST_PATH_BYTES} bytes"
        if entry.mode == SUBMODULE:
            return f"{shown(f'{path}/{name}')} is a submodule, whose content is in another repository"
        if entry.mode not in _UNPACKED:
            return f"{shown(f'{path}/{name}')} has the mode {entry.mode}, which git does not write"
    return ""
