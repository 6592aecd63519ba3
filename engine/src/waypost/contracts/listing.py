"""Everything in folders of a repository, by path: how much is allowed, and what can be unpacked."""

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
    SUBMODULE_PROBLEM,
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
_TOO_MANY = TreeError(f"there are more than {MOST_ENTRIES_AT_ONCE:,} files and folders")

Read = Callable[[Sequence[str]], Iterator[bytes]]


@dataclass
class Listing:
    """The contents of folders: entries by path, each folder before its contents.

    `problems` says why folders cannot be unpacked, by name; their entries may be incomplete.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, other: Listing) -> None:
        """Adds the entries and problems of another listing."""
        self.entries |= other.entries
        self.problems |= other.problems

    def part(self, names: Collection[str]) -> Listing:
        """Returns the contents of some of the folders."""
        entries = {path: entry for path, entry in self.entries.items() if top_of(path) in names}
        return Listing(entries, {name: self.problems[name] for name in self.problems if name in names})

    def of_kind(self, kind: str) -> dict[str, str]:
        """Returns the ids of all entries of a kind, by path, except in folders with problems."""
        return {
            path: entry.oid
            for path, entry in self.entries.items()
            if entry.kind == kind and top_of(path) not in self.problems
        }

    def links(self) -> dict[str, str]:
        """Returns the ids of the links' targets, by path."""
        return {path: oid for path, oid in self.of_kind("blob").items() if self.entries[path].mode == LINK}

    def note_sizes(self, sizes: Mapping[str, int]) -> None:
        """Records the folders that exceed the size limits; `sizes` are those of files in bytes, by id."""
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
    return f"the limit is {count >> 20} MiB"


def top_of(path: str) -> str:
    """Returns the first name in a path."""
    return path.partition("/")[0]


def walk(folders: Mapping[str, str], read: Read) -> Listing:
    """Returns everything in folders (name to tree), every name checked.

    Args: `read` returns the bodies of tree objects for ids, in order. It is called once per level and never
    twice for one tree, so a tree that occurs a million times costs no more than the limit.
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
    """Reads the trees that are not known yet, until the limit on entries is exceeded."""
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
        return f"it has more files and folders than the limit of {most:,}"
    if path.count("/") > MOST_DEPTH:
        return f"it has more levels of folders than the limit of {MOST_DEPTH}"
    for name, entry in entries.items():
        if len(path.encode()) + 1 + len(name.encode()) > MOST_PATH_BYTES:
            return f"the path of {shown(name)} is longer than {MOST_PATH_BYTES} bytes"
        if entry.mode == SUBMODULE:
            return f"{shown(f'{path}/{name}')} {SUBMODULE_PROBLEM}"
        if entry.mode not in _UNPACKED:
            return f"{shown(f'{path}/{name}')} has the mode {entry.mode}, which git does not write"
    return ""
