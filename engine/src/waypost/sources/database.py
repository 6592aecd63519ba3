"""SQLite files of the cache: made when needed, thrown away when they are not what they should be."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_WAIT_SECONDS = 30.0


class Database:
    """A file with tables, shared by all processes; `version` changes with the tables.

    It holds only what can be found out again: a file that is damaged, or of another version, is
    begun anew.
    """

    def __init__(self, file: Path, version: int, tables: str) -> None:
        self._file = file
        self._version = version
        self._tables = tables
        self._connection: sqlite3.Connection | None = None

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        """Returns the rows of a query; none where there is no file yet."""
        if self._connection is None and not self._file.is_file():
            return []
        return self._do(query, values)

    def write(self, query: str, values: Iterable[Any] = ()) -> None:
        """Executes a statement and commits it."""
        self._do(query, values)

    def _do(self, query: str, values: Iterable[Any]) -> list[Any]:
        values = tuple(values)
        try:
            return self._open().execute(query, values).fetchall()
        except sqlite3.OperationalError:
            raise  # locked for too long, disk full: throwing away would not help
        except sqlite3.DatabaseError:
            self._begin_anew()
            return self._open().execute(query, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._file, timeout=_WAIT_SECONDS, isolation_level=None)
            # What is lost when the machine stops is computed again.
            connection.execute("PRAGMA synchronous = OFF")
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found != self._version:
                connection.execute("BEGIN IMMEDIATE")
                (found,) = connection.execute("PRAGMA user_version").fetchone()
                if found != self._version:
                    self._make(connection)
                connection.execute("COMMIT")
            self._connection = connection
        return self._connection

    def _make(self, connection: sqlite3.Connection) -> None:
        old = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in old:
            connection.execute(f'DROP TABLE "{name}"')
        for statement in self._tables.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {self._version}")

    def _begin_anew(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        with contextlib.suppress(OSError):
            self._file.unlink()
