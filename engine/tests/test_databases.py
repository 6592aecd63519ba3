"""SQLite files that are held or damaged: MLflow's is waited for, the cache's never stop a run."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waypost.contracts.keys import FinishedStep
from waypost.errors import WaypostError
from waypost.runs.index import Index
from waypost.sources.memo import Memo
from waypost.system import database
from waypost.system.database import Database
from waypost.tracking import databases
from waypost.tracking.connection import tracking_errors
from waypost.tracking.databases import (
    DatabaseLockedError,
    Turn,
    code_of,
    file_of,
    is_server,
    listening,
    refusal,
    trouble,
)

TABLES = "CREATE TABLE t (k TEXT)"


@contextlib.contextmanager
def held(file: Path, how: str = "EXCLUSIVE") -> Iterator[threading.Event]:
    """Holds a database as another process would, until the given event is set or the block ends."""
    holding, over = threading.Event(), threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(f"BEGIN {how}")
            holding.set()
            over.wait(60)
            connection.execute("ROLLBACK")

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()
    try:
        yield over
    finally:
        over.set()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with a table."""
    found = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(found)) as connection:
        connection.execute(TABLES)
    return found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Waits tenths of seconds instead of a minute; gives what is said meanwhile."""
    monkeypatch.setattr(databases, "_QUIET_SECONDS", 0.05)
    token = databases.WAIT_SECONDS.set(0.6)
    said: list[str] = []
    with listening(said.append):
        yield said
    databases.WAIT_SECONDS.reset(token)


def test_which_file() -> None:
    """A SQLite URI names a file; a server, a folder and a database in memory are none."""
    assert file_of("sqlite:////a/b%20c.db?timeout=9") == Path("/a/b c.db")
    assert file_of("sqlite:///b.db") == Path("b.db")
    assert [file_of(uri) for uri in ("sqlite:///:memory:", "sqlite://", "http://x", "file:///a", "/a")] == [
        None
    ] * 5


@pytest.mark.parametrize("how", ["EXCLUSIVE", "IMMEDIATE"])
def test_held_database_is_waited_for(file: Path, hasty: list[str], how: str) -> None:
    """A call is made once nobody else holds the database; that it waits is said once."""
    databases.WAIT_SECONDS.set(60.0)

    def hear(text: str) -> None:
        hasty.append(text)
        over.set()

    with held(file, how) as over, listening(hear):
        assert Turn(f"sqlite:///{file}")(lambda: "done") == "done"
    assert hasty == [f"tracking database {file}: locked by another process; waiting"]


def test_one_that_stays_held_is_given_up(file: Path, hasty: list[str]) -> None:
    """After a while that is one line with what mends it; the next calls are not kept waiting again."""
    turn = Turn(f"sqlite:///{file}")
    with held(file):
        with pytest.raises(
            DatabaseLockedError, match="locked by another process for more than 1 s"
        ) as caught:
            turn(lambda: pytest.fail("it is held"))
        began = time.monotonic()
        with pytest.raises(DatabaseLockedError):
            turn(lambda: pytest.fail("it is held"))
        assert time.monotonic() - began < 0.3
    assert caught.value.hint == f"see which: fuser {file}; once it is free, run the same command to continue"
    assert len(hasty) == 1


def test_call_that_came_too_late_is_made_again(file: Path, hasty: list[str]) -> None:
    """Somebody may take the database between our look and MLflow's: SQLite's code tells."""
    calls = []

    def call() -> str:
        calls.append(1)
        if len(calls) < 3:
            try:
                with held(file), contextlib.closing(sqlite3.connect(file, timeout=0)) as connection:
                    connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise RuntimeError("as MLflow wraps it") from error
        return "done"

    assert Turn(f"sqlite:///{file}")(call) == "done"
    assert len(calls) == 3


def test_other_errors_are_passed_on(file: Path) -> None:
    """What is not about a held database is nobody's business here."""
    with pytest.raises(ValueError, match="other"):
        Turn(f"sqlite:///{file}")(lambda: (_ for _ in ()).throw(ValueError("other")))
    assert Turn("http://127.0.0.1:1")(lambda: 1) == 1


def test_a_silent_database_server_is_told(hasty: list[str]) -> None:
    """What is waited for is said once, without the password; of an answer that comes at once, nothing."""
    turn = Turn("postgresql+psycopg2://u:secret@127.0.0.1:1/runs")
    assert turn(lambda: "done") == "done"
    assert hasty == []
    for _ in range(2):
        turn(lambda: time.sleep(0.2))
    [said] = hasty
    address = "postgresql+psycopg2://127.0.0.1:1/runs"
    assert said == f"tracking database {address} does not answer yet; waiting"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [("postgresql://h/d", True), ("mysql+pymysql://h/d", True), ("mssql+pyodbc://h/d", True)]
    + [(uri, False) for uri in ("sqlite:///a.db", "http://h", "https://h", "databricks", "/a", "file:///a")],
)
def test_which_stores_are_database_servers(uri: str, expected: bool) -> None:
    """The databases that MLflow knows, whatever their driver."""
    assert is_server(uri) == expected


def test_an_error_of_a_database_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's words, without SQLAlchemy's around them."""
    from sqlalchemy.exc import OperationalError

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://u:secret@127.0.0.1:1/runs")
    with pytest.raises(WaypostError) as told, tracking_errors():
        raise OperationalError("SELECT", {}, ValueError("refused\n\tIs it running?"))
    assert str(told.value) == "tracking database postgresql://127.0.0.1:1/runs: refused Is it running?"
    assert "MLFLOW_TRACKING_URI" in told.value.hint


def test_an_address_with_a_wrong_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form of an address is told, without the password; any other wrong value is a bug."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://u:secret@h:port/runs")
    with pytest.raises(WaypostError, match="that is no address of a database") as told, tracking_errors():
        raise ValueError("invalid literal for int() with base 10: 'port'")
    assert "secret" not in str(told.value)
    assert "host:5432" in told.value.hint
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://u:secret@h:5432/runs")
    with pytest.raises(ValueError, match="a bug"), tracking_errors():
        raise ValueError("a bug")


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is named with what to do, without a stack trace; any other missing module is a bug."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql+nobody://u:secret@127.0.0.1:1/runs")
    with pytest.raises(WaypostError) as told, tracking_errors():
        raise ModuleNotFoundError("No module named 'nobody'")
    there = "tracking database mysql+nobody://127.0.0.1:1/runs"
    assert str(told.value) == f"{there}: its driver is not installed: No module named 'nobody'"
    assert "pymysql for mysql" in told.value.hint
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(ModuleNotFoundError), tracking_errors():
        raise ModuleNotFoundError("No module named 'x'")


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("INVALID_PARAMETER_VALUE", "it answers, but refuses this request: a value is not one that it takes"),
        ("RESOURCE_DOES_NOT_EXIST", "is it recorded on another server (MLFLOW_TRACKING_URI)?"),
        (
            "INVALID_STATE",
            "it answers, but refuses this request. Finished steps are recorded; once it is fixed",
        ),
    ],
)
def test_what_mends_a_refusal(monkeypatch: pytest.MonkeyPatch, code: str, hint: str) -> None:
    """A wrong alias, or a run that is not there, is no reason to run the same command again."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(WaypostError) as told, tracking_errors():
        raise MlflowException("Invalid alias name: 'a b'", ErrorCode.Value(code))
    assert str(told.value) == "tracking server http://127.0.0.1:1: Invalid alias name: 'a b'"
    assert told.value.hint.startswith(hint)


def test_score_tells_what_it_waits_for(tmp_path: Path) -> None:
    """What the process says that brings the model is heard within seconds, too."""
    (tmp_path / "x.csv").write_text("a\n1\n")
    env = {**os.environ, "MLFLOW_TRACKING_URI": "postgresql://u:secret@127.0.0.1:1/runs"}
    command = [sys.executable, "-m", "waypost", "score", "models:/a@b", "x.csv", "out"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            said = [process.stderr.readline() for _ in range(2)]
            assert said[1] == "tracking database postgresql://127.0.0.1:1/runs does not answer yet; waiting\n"
        finally:
            process.kill()


def test_damaged_database_is_told_before_mlflow_tries_for_minutes(tmp_path: Path) -> None:
    """A damaged file, one that is a folder: one line, at once. One that is not there yet is made."""
    (tmp_path / "damaged.db").write_bytes(b"no database" * 1000)
    with pytest.raises(WaypostError, match=r"damaged\.db: it is damaged, or not a SQLite file") as caught:
        Turn(f"sqlite:///{tmp_path / 'damaged.db'}")(lambda: pytest.fail("it is damaged"))
    assert "move it away" in caught.value.hint
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(WaypostError, match="it cannot be opened"):
        Turn(f"sqlite:///{tmp_path / 'folder.db'}")(lambda: pytest.fail("it is a folder"))
    assert trouble(tmp_path / "new.db", 0) == 0
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (sqlite3.SQLITE_BUSY, "locked by another process for more than 60 s"),
        (sqlite3.SQLITE_CORRUPT, "it is damaged"),
        (sqlite3.SQLITE_NOTADB, "it is damaged"),
        (sqlite3.SQLITE_READONLY_DBMOVED, "it cannot be written to"),
        (sqlite3.SQLITE_CANTOPEN, "it cannot be opened"),
        (sqlite3.SQLITE_FULL, "its disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, "its disk cannot be read or written"),
    ],
)
def test_sqlites_codes_in_words(file: Path, code: int, problem: str) -> None:
    """The words come from SQLite's result code, extended ones too, however deep MLflow has wrapped it."""
    cause = sqlite3.OperationalError("whatever it says")
    cause.sqlite_errorcode = code
    outer = RuntimeError("outer")
    outer.__cause__ = wrapped = ValueError("inner")
    wrapped.orig = cause  # type: ignore[attr-defined]  # as SQLAlchemy keeps it
    assert code_of(outer) == code & 0xFF
    told = refusal(f"sqlite:///{file}", outer)
    assert told
    assert str(told).startswith(f"tracking database {file}: {problem}")
    assert refusal("http://127.0.0.1:1", outer) is None
    assert code_of(ValueError("none")) is None


@pytest.mark.parametrize(
    ("revision", "said"),
    [("728d730b5ebd", "of an older MLflow"), ("ffffffffffff", "of a newer MLflow")],
)
def test_tables_of_another_mlflow(
    empty_store: Path, tmp_path: Path, revision: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of another schema is told with which way to go: upgrade the database, or MLflow."""
    from waypost.tracking.tracker import Tracker

    file = tmp_path / "mlflow.db"
    file.write_bytes(empty_store.read_bytes())
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{file}")
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))
    with pytest.raises(WaypostError, match=said) as caught:
        Tracker("p")
    expected = f"mlflow db upgrade sqlite:///{file}" if "older" in said else "pip install --upgrade mlflow"
    assert expected in caught.value.hint


def test_cache_that_is_held_knows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for once and briefly, then the cache is left alone; why is there to be told."""
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.1)
    first = Database(tmp_path / "memo.db", 1, TABLES)
    first.write("INSERT INTO t VALUES ('a')")
    second = Database(tmp_path / "memo.db", 1, TABLES)
    with held(tmp_path / "memo.db"):
        began = time.monotonic()
        for _ in range(20):
            assert second.rows("SELECT k FROM t") == []
            second.write("INSERT INTO t VALUES ('b')")
        assert time.monotonic() - began < 2
    assert second.problem == f"{tmp_path / 'memo.db'}: database is locked"
    assert first.rows("SELECT k FROM t") == [("a",)]


def test_cache_that_cannot_be_made(tmp_path: Path) -> None:
    """A file where the cache's folder should be: what is asked for is found out, and not kept."""
    (tmp_path / "file").write_text("text")
    memo, index = Memo(tmp_path / "file"), Index(tmp_path / "file", "scope")
    assert memo.by_content("kind", "name", lambda: [1]) == [1]
    assert memo.digest(tmp_path / "file") == memo.digest(tmp_path / "file")
    assert index.step("key") is None
    index.add_run("key", "run")
    assert index.run("key") is None
    assert memo.problem
    assert index.problem


@pytest.mark.parametrize("damage", ["noise", "no table", "journal"])
def test_damaged_cache_begins_anew(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with the content, the file is made again, without what was left beside it."""
    file = tmp_path / "index.db"
    Database(file, 1, TABLES).write("INSERT INTO t VALUES ('a')")
    if damage == "no table":
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP TABLE t")
    else:
        file.write_bytes(b"no database" * 1000)
    if damage == "journal":
        (tmp_path / "index.db-journal").write_bytes(b"no journal" * 100)
    found = Database(file, 1, TABLES)
    assert found.rows("SELECT k FROM t") == []
    found.write("INSERT INTO t VALUES ('b')")
    assert found.rows("SELECT k FROM t") == [("b",)]
    assert found.problem == ""


def test_rows_that_sqlite_takes_for_good(tmp_path: Path) -> None:
    """A value that was changed within its row is no JSON any more: it counts for nothing."""
    memo, index = Memo(tmp_path), Index(tmp_path, "scope")
    assert memo.by_content("kind", "name", lambda: "first") == "first"
    index.add_step("key", "p", "s", FinishedStep("run", {"out": "1"}))
    for name, column, table in (("memo", "value", "memo"), ("index", "inputs", "step")):
        with contextlib.closing(sqlite3.connect(tmp_path / f"{name}.db")) as connection:
            connection.execute(f"UPDATE {table} SET {column} = '{{broken'")
            connection.commit()
    assert memo.by_content("kind", "name", lambda: "second") == "second"
    assert index.step("key") is None
