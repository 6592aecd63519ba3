"""SQLite files of the cache: created when needed, discarded if damaged.

The cache is never a reason to stop. A file that is locked for too long or cannot be written to returns
nothing and stores nothing; `problem` has the reason.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_WAIT_SECONDS = 3.0
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
# The header of a SQLite file: its magic, offsets of user_version and application_id, and our id.
_MAGIC, _VERSION_AT, _OWNER_AT = b"SQLite format 3\0", 60, 68
_OWNER = int.from_bytes(b"wayp", "big")
# The first versions set no application_id.
_FIRST_VERSIONS = (1, 2)


def is_ours(file: Path) -> bool:
    """Returns whether a file is a cache database of ours or empty, so that it can be discarded."""
    try:
        with file.open("rb") as opened:
            header = opened.read(100)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    owner, version = (int.from_bytes(header[at : at + 4], "big") for at in (_OWNER_AT, _VERSION_AT))
    is_known = owner == _OWNER or (owner == 0 and version in _FIRST_VERSIONS)
    return not header or (header.startswith(_MAGIC) and is_known)


class Database:
    """A file with tables, shared by all processes; `version` changes with the tables.

    It holds only data that can be computed again: a file that is damaged, or has another version, is
    recreated. Another program's file of that name is renamed first.
    """

    def __init__(self, file: Path, version: int, tables: str) -> None:
        self._file = file
        self._version = version
        self._tables = tables
        self._connection: sqlite3.Connection | None = None
        self.problem = ""

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        """Returns the rows of a query; none if there is no file yet."""
        if self._connection is None and not self._file.is_file():
            return []
        return self._do(query, values)

    def write(self, query: str, values: Iterable[Any] = ()) -> None:
        """Executes a statement and commits it."""
        self._do(query, values)

    def _do(self, query: str, values: Iterable[Any]) -> list[Any]:
        values = tuple(values)
        for is_last in (False, True):
            if self.problem:
                break
            try:
                return self._open().execute(query, values).fetchall()
            except (sqlite3.Error, OSError) as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                self._forget(is_damaged=code in _DAMAGED)
                if is_last or code not in _DAMAGED:
                    self.problem = f"{self._file}: {error}"
        return []

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            if not is_ours(self._file):
                self._put_aside()
            self._connection = connection = sqlite3.connect(
                self._file, timeout=_WAIT_SECONDS, isolation_level=None
            )
            # Data lost in a crash of the machine is computed again.
            connection.execute("PRAGMA synchronous = OFF")
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found != self._version:
                connection.execute("BEGIN IMMEDIATE")
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found != self._version:
                    self._make(connection)
                connection.execute("COMMIT")
        return self._connection

    def _put_aside(self) -> None:
        try:
            self._file.rename(self._file.with_name(f"{self._file.name}.aside-{time.time_ns()}"))
        except OSError as error:
            raise sqlite3.OperationalError(f"{self._file} belongs to another program: {error}") from error

    def _make(self, connection: sqlite3.Connection) -> None:
        old = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in old:
            connection.execute(f'DROP TABLE "{name}"')
        for statement in self._tables.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {self._version}")
        connection.execute(f"PRAGMA application_id = {_OWNER}")

    def _forget(self, *, is_damaged: bool) -> None:
        """Closes the file; a damaged one is removed, with SQLite's companion files."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for suffix in ("", "-journal", "-wal", "-shm") if is_damaged else ():
            with contextlib.suppress(OSError):
                self._file.with_name(self._file.name + suffix).unlink()
