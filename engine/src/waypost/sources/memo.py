"""A memo of facts about files, valid while their size, times and inode stay the same."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from waypost.sources import snapshots
from waypost.sources.files import content_digest
from waypost.sources.fingerprints import TICK_SECONDS, fingerprint
from waypost.system.database import Database

_AT_ONCE = 200  # rows in one statement: SQLite takes 999 values since ever
_TABLES = "CREATE TABLE memo (kind TEXT, name TEXT, stamp TEXT, value TEXT, PRIMARY KEY (kind, name))"


class Memo:
    """Answers about files and folders, kept in a file of the cache's folder."""

    def __init__(self, home: Path) -> None:
        self._database = Database(home / "memo.db", 1, _TABLES)

    @property
    def problem(self) -> str:
        """Why nothing can be stored, empty where it can."""
        return self._database.problem

    def digest(self, path: Path) -> str:
        """Returns `content_digest` of a file or folder."""
        return str(self._cached("content", str(path), [path], lambda: content_digest(path)))

    def trees(self, root: Path, names: Sequence[str]) -> dict[str, str]:
        """Returns `trees_of` of folders: git is asked only where a file or what git ignores changed."""
        root = root.resolve()
        files = git_files(root)
        if files is None:
            return snapshots.trees_of(root, names)
        names = sorted(set(names))
        asked = json.dumps([str(root), *names])
        paths = [*(root / name for name in names), *files]
        return dict(self._cached("trees", asked, paths, lambda: snapshots.trees_of(root, names)))

    def by_content(self, kind: str, name: str, find_out: Callable[[], Any]) -> Any:
        """Returns what `find_out` says of something whose name is its content."""
        return self._known(kind, name, "", find_out, lambda: True)

    def many_by_content(
        self, kind: str, names: Sequence[str], find_out: Callable[[Sequence[str]], dict[str, str]]
    ) -> dict[str, str]:
        """Returns texts about things whose names are their contents; `find_out` is asked for all that are not
        known, at once.
        """
        found: dict[str, str] = {}
        for start in range(0, len(names), _AT_ONCE):
            some = names[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(some))
            query = f"SELECT name, value FROM memo WHERE kind = ? AND name IN ({marks})"  # noqa: S608 (marks)
            with contextlib.suppress(ValueError):  # damaged in a way that SQLite does not see
                rows = self._database.rows(query, (kind, *some))
                found |= {name: str(json.loads(value)) for name, value in rows}
        if missing := [name for name in names if name not in found]:
            new = find_out(missing)
            self._keep_all(kind, new)
            found |= new
        return found

    def _keep_all(self, kind: str, values: dict[str, str]) -> None:
        rows = [(kind, name, "", json.dumps(value)) for name, value in values.items()]
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            marks = ", ".join(["(?, ?, ?, ?)"] * len(some))
            statement = f"INSERT OR REPLACE INTO memo VALUES {marks}"  # noqa: S608 (marks)
            self._database.write(statement, [value for row in some for value in row])

    def last(self, kind: str, name: str, find_out: Callable[[], str] | None) -> str:
        """Returns what `find_out` says now, and keeps it; without it, what it said last (else empty)."""
        if find_out is None:
            query = "SELECT value FROM memo WHERE kind = ? AND name = ?"
            values = [value for (value,) in self._database.rows(query, (kind, name))]
            with contextlib.suppress(ValueError):  # damaged in a way that SQLite does not see
                return str(json.loads(values[0])) if values else ""
            return ""
        found = find_out()
        self._keep(kind, name, "", found)
        return found

    def _cached(self, kind: str, name: str, paths: Iterable[Path], find_out: Callable[[], Any]) -> Any:
        paths = list(paths)
        before = time.time()
        state, newest = fingerprint(paths)

        def is_sure() -> bool:
            return newest < before - TICK_SECONDS and fingerprint(paths)[0] == state

        return self._known(kind, name, state, find_out, is_sure)

    def _known(
        self, kind: str, name: str, state: str, find_out: Callable[[], Any], is_sure: Callable[[], bool]
    ) -> Any:
        query = "SELECT value FROM memo WHERE kind = ? AND name = ? AND stamp = ?"
        for (value,) in self._database.rows(query, (kind, name, state)):
            with contextlib.suppress(ValueError):  # damaged in a way that SQLite does not see
                return json.loads(value)
        found = find_out()
        if is_sure():
            self._keep(kind, name, state, found)
        return found

    def _keep(self, kind: str, name: str, state: str, value: Any) -> None:
        values = (kind, name, state, json.dumps(value))
        self._database.write("INSERT OR REPLACE INTO memo VALUES (?, ?, ?, ?)", values)


def git_files(folder: Path) -> list[Path] | None:
    """Returns the files that decide what git takes for content below a folder, None where that is not
    known: in a linked work tree, or with settings by environment variables.
    """
    if any(name.startswith("GIT_CONFIG_KEY") for name in os.environ):
        return None
    user = Path.home()
    files = [user / ".gitconfig", user / ".config/git/config", user / ".config/git/ignore"]
    files += [Path(os.environ[name]) for name in ("GIT_CONFIG_GLOBAL",) if os.environ.get(name)]
    for parent in (folder, *folder.parents):
        files.append(parent / ".gitignore")
        repository = parent / ".git"
        if repository.is_file():
            return None
        if repository.is_dir():
            return [*files, *(repository / name for name in ("index", "config", "info/exclude"))]
    return files
