"""The cache as a whole: its items, their integrity, and what may be removed."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

from waypost.errors import Finding
from waypost.sources import git
from waypost.sources.store import is_intact
from waypost.system.database import is_ours
from waypost.system.process import ProcessError
from waypost.system.scratch import remove

_NEW = (".new-", ".building-")
_DATABASES = ("index.db", "memo.db", "current.db")
# The names of each kind of item: the home may be a folder that other programs use, too.
_NAMES = {
    "mirrors": re.compile(r"[\w.-]*-[0-9a-f]{16}\.git"),
    "trees": re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?"),
    "envs": re.compile(r"[0-9a-f]{64}"),
    "artifacts": re.compile(r"[0-9a-f]{32}|wandb"),
    "compiled": re.compile(r"[0-9a-f]{32}"),
    "bundles": re.compile(r"[0-9a-f]{64}"),
}
_LOOK = re.compile(r"[0-9a-f]{32}\.(json|asking)")
_SUFFIXES = {"mirrors": ".git"}  # that a lock's name has not
KINDS = {
    "mirrors": "mirror of a component repository",
    "trees": "unpacked component",
    "envs": "environment",
    "artifacts": "outputs of a run",
    "compiled": "compiled model",
    "bundles": "data and wheels of a bundle",
}


@dataclass(frozen=True)
class Item:
    """One thing in the cache: `kind` as in KINDS, size in bytes, age of the last use in days.

    `holds` names the folders of an unpacked component.
    """

    kind: str
    name: str
    path: Path
    size: int
    age: float
    holds: tuple[str, ...] = ()


def items(home: Path) -> Iterator[Item]:
    """Yields everything that is whole."""
    for kind in KINDS:
        for path in sorted((home / kind).glob("*")):
            if _NAMES[kind].fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                age = (time.time() - path.stat().st_mtime) / 86400
                holds = tuple(sorted(p.name for p in path.iterdir())) if kind == "trees" else ()
                yield Item(kind, path.name, path, _size(path), age, holds)


def left_over(home: Path) -> list[Path]:
    """Returns what killed processes left half-done."""
    return [p for kind in KINDS for p in (home / kind).glob(".*") if p.name.startswith(_NEW)]


def collect(home: Path, days: float) -> list[Item]:
    """Removes what was not used for some days, and what killed processes left; returns what went."""
    gone = []
    for item in list(items(home)):
        if item.age >= days:
            # A mirror or an environment that is in use right now is locked: it stays.
            with filelock.FileLock(_lock_of(item)):
                _drop(item.path)
            gone.append(item)
    for path in left_over(home):
        with filelock.FileLock(path.parent / ".lock"):
            if path.exists() and (path.parent.name == "trees" or _is_old(path)):
                remove(path)
    return gone


def unsound(home: Path) -> list[Finding]:
    """Returns the damaged items of the cache: hashes every tree, checks every mirror."""
    found = []
    for item in items(home):
        if item.kind == "trees" and not is_intact(item.path):
            problem = "its content does not match its name"
            found.append(
                Finding(f"trees/{item.name}", problem, "the next run makes it again", "tree-differs")
            )
        if item.kind == "mirrors":
            try:
                git.git(item.path, "fsck", "--no-progress", "--connectivity-only")
            except ProcessError as error:
                hint = "waypost cache clear removes it; the next run fetches it again"
                found.append(Finding(f"mirrors/{item.name}", " ".join(error.stderr.split()), hint, "damaged"))
        if item.kind == "envs" and not (item.path / "bin" / "python").exists():
            found.append(Finding(f"envs/{item.name}", "it has no Python", "waypost cache clear", "damaged"))
    found += [
        Finding(
            f"{path.parent.name}/{path.name}", "left half-done", "waypost cache gc removes it", "left-over"
        )
        for path in left_over(home)
        if path.parent.name == "trees" or _is_old(path)
    ]
    return found


def _lock_of(item: Item) -> Path:
    return item.path.parent / ".lock" if item.kind == "trees" else item.path.with_suffix(".lock")


def _drop(path: Path) -> None:
    gone = path.with_name(f".new-gone-{path.name}")
    path.rename(gone)
    remove(gone)


def _is_old(path: Path) -> bool:
    """Tells whether this is too old to be still under construction."""
    return time.time() - path.stat().st_mtime > 3600


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def clear(home: Path) -> None:
    """Removes everything that belongs to this cache, and nothing else from its folder."""
    for path in [*(item.path for item in items(home)), *left_over(home)]:
        remove(path)
    for kind in KINDS:
        for lock in (home / kind).glob("*.lock"):
            if lock.name == ".lock" or _NAMES[kind].fullmatch(lock.with_suffix(_SUFFIXES.get(kind, "")).name):
                lock.unlink()
        with contextlib.suppress(OSError):  # there is something else in it, or it is not there
            (home / kind).rmdir()
    for look in (home / "looks").glob("*"):
        if _LOOK.fullmatch(look.name):
            look.unlink()
    with contextlib.suppress(OSError):
        (home / "looks").rmdir()
    for name in _DATABASES:
        if is_ours(home / name):
            (home / name).unlink(missing_ok=True)
