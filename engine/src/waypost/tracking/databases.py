"""MLflow's database: waits for a SQLite file that another process has locked, explains its errors from
SQLite's codes, and reports waits for a silent database server.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from waypost.compat.mlflow import table_versions
from waypost.errors import WaypostError, redacted

T = TypeVar("T")
Notify = Callable[[str], None]

WAIT_SECONDS: ContextVar[float] = ContextVar("wait_seconds", default=60.0)
"""How long to wait for a database that another process has locked."""
LISTENER: ContextVar[Notify] = ContextVar("listener", default=lambda _: None)
"""Receives a message when a wait begins."""
_QUIET_SECONDS = 2.0  # writers take turns all the time: such short waits are not reported
_SERVERS = ("postgresql", "mysql", "mssql")
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (
    "it is damaged, or not a SQLite file",
    "restore a backup, or move it away: MLflow creates a new one",
)
_REFUSALS = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_READONLY: (
        "it cannot be written to",
        "make file and folder writable, or set another one: MLFLOW_TRACKING_URI",
    ),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "does its folder exist, and can you write to it?"),
    sqlite3.SQLITE_FULL: ("its disk is full", "free disk space, and run the same command again"),
    sqlite3.SQLITE_IOERR: ("its disk cannot be read or written", "check the disk and its quota"),
}


class DatabaseLockedError(WaypostError):
    """Another process has locked the database for longer than the time limit."""


@contextlib.contextmanager
def listening(notify: Notify) -> Iterator[None]:
    """Has `notify` called when a wait for a database begins."""
    token = LISTENER.set(notify)
    try:
        yield
    finally:
        LISTENER.reset(token)


def file_of(uri: str) -> Path | None:
    """Returns the file of a SQLite database, None for any other tracking store."""
    path = unquote(uri.removeprefix("sqlite:///").partition("?")[0])
    return Path(path) if uri.startswith("sqlite:///") and path not in ("", ":memory:") else None


def is_server(uri: str) -> bool:
    """Returns whether a tracking store is a database server."""
    return uri.partition(":")[0].partition("+")[0] in _SERVERS


def is_address(uri: str) -> bool:
    """Returns whether SQLAlchemy can read the address of a database."""
    from sqlalchemy.engine import make_url

    try:
        make_url(uri)
    except ValueError:  # of a port that is no number; all else is a SQLAlchemyError
        return False
    return True


class Turn:
    """Calls a function that uses a database once no other process has locked it; reports a silent database
    server.

    SQLite's code distinguishes a lock from all other errors: nothing was changed, so the same call can be
    repeated.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._file = file_of(uri)
        self._is_given_up = False
        self._is_reported = False

    def __call__(self, call: Callable[[], T]) -> T:
        """Returns the result of `call`. Raises DatabaseLockedError, and at once if it was raised before."""
        if self._file is None:
            return self._with_notice(call) if is_server(self._uri) else call()
        began = time.monotonic()
        while True:
            self._wait(self._file, began)
            try:
                return call()
            except Exception as error:
                # Another process locked it in between.
                if code_of(error) not in _LOCKED or self._is_over(began):
                    raise

    def _with_notice(self, call: Callable[[], T]) -> T:
        """Returns the result of a call; reports once that the server does not answer yet.

        MLflow tries for two minutes to reach a server, and a driver may wait longer for each attempt.
        """
        if self._is_reported:
            return call()
        notify = LISTENER.get()  # each thread has its own listener

        def report() -> None:
            self._is_reported = True
            notify(f"tracking database {redacted(self._uri)} does not answer yet; waiting")

        timer = threading.Timer(_QUIET_SECONDS, report)
        timer.daemon = True
        timer.start()
        try:
            return call()
        finally:
            timer.cancel()

    def _wait(self, file: Path, began: float) -> None:
        is_reported = False
        while code := trouble(file, min(_QUIET_SECONDS, self._seconds)):
            if code not in _LOCKED:
                raise _refused(file, code)
            if self._is_over(began):
                self._is_given_up = True
                raise _locked_error(file, time.monotonic() - began)
            if not is_reported:
                is_reported = True
                LISTENER.get()(f"tracking database {file}: locked by another process; waiting")

    @property
    def _seconds(self) -> float:
        return 0.0 if self._is_given_up else WAIT_SECONDS.get()

    def _is_over(self, began: float) -> bool:
        return time.monotonic() - began >= self._seconds


def trouble(file: Path, seconds: float) -> int:
    """Returns SQLite's code for why MLflow should not use a database, 0 if it may.

    Args: `seconds` to wait for another process's lock.
    """
    try:
        with contextlib.closing(_opened(file, "rw", timeout=seconds)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        code = code_of(error) or 0
        if code == sqlite3.SQLITE_CANTOPEN and not file.exists():
            # MLflow creates it and its folder; if it cannot, it retries for minutes.
            folder = file.absolute().parent
            return code if folder.is_dir() and not os.access(folder, os.W_OK) else 0
        # Read access may be enough.
        return 0 if code == sqlite3.SQLITE_READONLY else code
    return 0


def _opened(file: Path, mode: str, timeout: float = 5.0) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode={mode}", uri=True, timeout=timeout)


def database_errors() -> tuple[type[Exception], ...]:
    """Returns the database errors that MLflow lets through; a module that is not imported raised none."""
    found: list[type[Exception]] = [sqlite3.Error]
    for module, name in (("sqlalchemy.exc", "SQLAlchemyError"), ("alembic.util.exc", "CommandError")):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)


def code_of(error: BaseException) -> int | None:
    """Returns SQLite's primary result code behind an exception, None if there is none.

    https://www.sqlite.org/rescode.html
    """
    seen: set[int] = set()
    found: Any = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, sqlite3.Error) and hasattr(found, "sqlite_errorcode"):
            return int(found.sqlite_errorcode) & 0xFF
        found = getattr(found, "orig", None) or found.__cause__ or found.__context__
    return None


def refusal(uri: str, error: BaseException) -> WaypostError | None:
    """Returns a description of a database error, None if the error has another cause."""
    file = file_of(uri)
    if file is None:
        return None
    code = code_of(error)
    if code in _LOCKED:
        return _locked_error(file, WAIT_SECONDS.get())
    if code in _REFUSALS:
        return _refused(file, code)
    problem, hint = _schema(uri, file)
    return WaypostError(f"tracking database {file}: {problem}", hint=hint) if problem else None


def _refused(file: Path, code: int) -> WaypostError:
    problem, hint = _REFUSALS.get(
        code, (f"SQLite cannot use it (code {code})", "https://www.sqlite.org/rescode.html")
    )
    return WaypostError(f"tracking database {file}: {problem}", hint=hint)


def _locked_error(file: Path, seconds: float) -> DatabaseLockedError:
    message = f"tracking database {file}: locked by another process for more than {seconds:.0f} s"
    return DatabaseLockedError(
        message, hint=f"see which: fuser {file}; once it is free, run the same command to continue"
    )


def _schema(uri: str, file: Path) -> tuple[str, str]:
    """Returns (problem, remedy) if a database has the tables of another version of MLflow."""
    try:
        with contextlib.closing(_opened(file, "ro")) as connection:
            found = [str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")]
    except sqlite3.Error:
        return "", ""
    newest, known = table_versions()
    if found == newest:
        return "", ""
    if set(found) <= known:
        hint = f"keep a copy of it, then: mlflow db upgrade {uri}"
        return "its tables are those of an older MLflow", hint
    return "its tables are those of a newer MLflow", "pip install --upgrade mlflow"
