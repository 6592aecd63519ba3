"""compat: each private or undocumented thing is still there, and still does what it is used for."""

from __future__ import annotations

import ast
import asyncio
import http.server
import inspect
import logging
import logging.handlers
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow as mlflow_package
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

import waypost
from waypost.compat import git, mlflow, mlflow_pages, urllib3, uvicorn, uvicorn_replies
from waypost.compat.git import Refusal
from waypost.sources.git_settings import git_environment

SOURCE = Path(waypost.__file__).parent


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Gives the URL of a server that answers everything with one status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/c.git"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked(url: str, *more: str) -> str:
    """Returns what git says when it cannot have what it asks for."""
    command = ["git", "-C", "/", "ls-remote", url] if not more else ["git", *more]
    done = subprocess.run(command, env=git_environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, Refusal.CREDENTIALS),
        (403, Refusal.ACCESS),
        (404, Refusal.ABSENT),
        (429, Refusal.CUT_OFF),
        (503, Refusal.CUT_OFF),
    ],
)
def test_git_says_what_http_said(status: int, why: Refusal) -> None:
    """The words of this machine's git tell the statuses of a server apart."""
    with answering(status) as url:
        said = asked(url)
    assert git.refusal(said) == why, said
    assert git.is_cut_off(said) == (why == Refusal.CUT_OFF)


def test_git_says_where_nobody_is(tmp_path: Path) -> None:
    """A port where nobody listens, a folder that is not there, a commit that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert git.refusal(asked(f"http://127.0.0.1:{free.getsockname()[1]}/c.git")) == Refusal.NETWORK
    said = asked(str(tmp_path / "none"))
    assert git.refusal(said) == Refusal.ABSENT
    assert git.gist(said) == f"'{tmp_path}/none' does not appear to be a git repository"
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "a.git"], check=True)
    here = ["-C", str(tmp_path / "a.git"), "fetch", "-q", f"file://{tmp_path}/a.git"]
    assert git.refusal(asked("", *here, "1" * 40)) == Refusal.GONE
    assert git.refusal(asked("", *here, "refs/tags/v1")) == Refusal.GONE


def test_git_says_that_a_push_would_overwrite(tmp_path: Path) -> None:
    """Two repositories with a commit each, and one wants to be the other."""
    as_somebody = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    for name in ("one", "other"):
        subprocess.run(["git", *as_somebody, "init", "-q", tmp_path / name], check=True)
        commit = ["git", "-C", tmp_path / name, *as_somebody, "commit", "-q", "--allow-empty", "-m", name]
        subprocess.run(commit, check=True)
    said = asked("", "-C", str(tmp_path / "one"), "push", str(tmp_path / "other"), "main:main")
    assert git.refusal(said) == Refusal.REJECTED, said


def test_git_names_a_bad_object(tmp_path: Path) -> None:
    """`git fsck` names object, kind and words in a form that is read."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path], check=True)
    write = ["git", "-C", str(tmp_path), "hash-object", "-w", "-t", "commit", "--literally", "--stdin"]
    body = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a\ncommitter a\n\nx\n"
    oid = subprocess.run(write, input=body, capture_output=True, check=True).stdout.decode().strip()
    found = git.bad_object(asked("", "-C", str(tmp_path), "fsck"))
    assert found is not None
    assert (found.oid, found.kind) == (oid, "missingEmail")


def test_words_that_nobody_knows() -> None:
    """What is not known is no refusal of a kind: git's own words are shown then."""
    assert git.refusal("fatal: the moon is full") is None
    assert git.bad_object("fatal: the moon is full") is None
    for said in ("", "Could not verify signature.\n", "the moon is full"):
        assert git.signature_words(said)  # a refusal stays one


def test_urllib3_says_how_many_attempts_are_left() -> None:
    """Before each new attempt urllib3 logs a word whose first argument knows what is left."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    heard: list[int | None] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(urllib3.attempts_left(record))  # type: ignore[method-assign]
    logger = logging.getLogger(urllib3.LOGGER)
    logger.addHandler(handler)
    try:
        with socket.socket() as free, requests.Session() as session:
            free.bind(("127.0.0.1", 0))
            session.mount("http://", HTTPAdapter(max_retries=Retry(total=2, backoff_factor=0)))
            with pytest.raises(requests.ConnectionError):
                session.get(f"http://127.0.0.1:{free.getsockname()[1]}", timeout=5)
    finally:
        logger.removeHandler(handler)
    assert [left for left in heard if left is not None] == [1, 0]


def test_other_words_of_urllib3() -> None:
    """Another record, with other arguments or none, is none of these."""
    for args in ((), ("a", 1), ({"total": 1},)):
        record = logging.LogRecord("urllib3.connectionpool", 30, "", 1, "%s", args, None)
        assert urllib3.attempts_left(record) is None


def test_wandb_publishes_artifacts() -> None:
    """The interface of a run takes an artifact with what is passed to it; a run has it by this name."""
    from wandb import Run
    from wandb.sdk.interface.interface import InterfaceBase

    asked = set(inspect.signature(InterfaceBase.publish_artifact).parameters)
    assert {"run", "artifact", "aliases", "is_user_created", "use_after_commit"} <= asked
    assert "self._interface" in inspect.getsource(Run)


def test_mlflow_tables(empty_store: Path) -> None:
    """The SQL store has the table and the columns that are asked for, with MLflow's words in them."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{empty_store}")
    run = client.create_run("0")
    store = str(empty_store)
    assert not mlflow.are_finished_in(store, [run.info.run_id])
    client.set_terminated(run.info.run_id)
    assert mlflow.are_finished_in(store, [run.info.run_id, run.info.run_id])
    store = str(empty_store)
    assert not mlflow.are_finished_in(store, [run.info.run_id, "other"])
    client.delete_run(run.info.run_id)
    store = str(empty_store)
    assert not mlflow.are_finished_in(store, [run.info.run_id])


def test_mlflow_numbers_its_tables(empty_store: Path) -> None:
    """MLflow's versions of its tables are known, the newest among them is that of a store that it made."""
    newest, known = mlflow.table_versions()
    with sqlite3.connect(empty_store) as connection:
        assert [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")] == newest
    connection.close()
    assert set(newest) < known


def test_mlflow_has_pages_with_these_addresses() -> None:
    """MLflow's pages know the part of an address that shows a run among trainings, the tab of an artifact,
    and the place of an artifact's bytes.
    """
    server = Path(mlflow_package.__file__).parent / "server"
    scripts = "".join(file.read_text(encoding="utf-8") for file in server.glob("js/build/static/js/*.js"))
    assert '"workflowType"' in scripts
    assert 'MACHINE_LEARNING="machine_learning"' in scripts
    assert "/experiments/:experimentId/runs/:runUuid/*" in scripts
    assert '"/get-artifact"' in (server / "__init__.py").read_text(encoding="utf-8")
    assert mlflow_pages.run_address("1", "ab").startswith("#/experiments/1/runs/ab?")
    assert mlflow_pages.run_address("", "ab") == ""


def test_mlflow_tables_of_others(tmp_path: Path) -> None:
    """A file that is no store, and one with other tables, have no finished run."""
    assert not mlflow.are_finished_in(str(tmp_path / "none.db"), ["a"])
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE runs (id TEXT)")
    connection.close()
    assert not mlflow.are_finished_in(str(tmp_path / "other.db"), ["a"])


def test_uvicorn_takes_a_reply_in_one_write() -> None:
    """A reply that is written at once has the bytes of uvicorn's own, and leaves its cycle as that does."""
    assert written(at_once=True) == written(at_once=False)
    reply, state = written(at_once=True)
    assert reply.startswith(b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 2\r\n")
    assert (state["response_complete"], state["expected_content_length"]) == (True, 0)


def written(*, at_once: bool) -> tuple[bytes, dict[str, Any]]:
    """Returns the bytes of a reply, and what its cycle says of itself after it."""
    out: list[bytes] = []
    cycle: Any = a_cycle(out)
    headers = [(b"content-length", b"2"), (b"x-request-id", b"a")]

    async def reply() -> None:
        if at_once:
            assert uvicorn_replies.sent_at_once(cycle.send, 200, headers, b"{}")
            return
        await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
        await cycle.send({"type": "http.response.body", "body": b"{}"})

    asyncio.run(reply())
    kept = {name: value for name, value in vars(cycle).items() if isinstance(value, (bool, int))}
    return b"".join(out), {**kept, "told": cycle.on_response.calls, "is_set": cycle.message_event.is_set()}


class Heard:
    """Counts its calls."""

    calls = 0

    def __call__(self) -> None:
        self.calls += 1


def a_cycle(out: list[bytes]) -> Any:
    """Returns uvicorn's half of a request, whose replies are added to `out`."""
    transport = SimpleNamespace(write=out.append, is_closing=lambda: False, close=lambda: None)
    flow = SimpleNamespace(write_paused=False)
    logger = logging.getLogger("none")
    return RequestResponseCycle(
        scope={"method": "POST"},  # type: ignore[typeddict-item]  # all that is asked of it
        transport=transport,  # type: ignore[arg-type]
        flow=flow,  # type: ignore[arg-type]
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[(b"date", b"now")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=Heard(),
    )


@pytest.mark.parametrize(
    "odd",
    [
        "disconnected",
        "response_started",
        "access_log",
        "keep_alive",
        "write_paused",
        "line break",
        "stranger",
    ],
)
def test_odd_replies_are_left_to_uvicorn(odd: str) -> None:
    """Nothing is written at once where the connection ends, a client is slow or gone, or a header would be
    two; nor to a server that is not uvicorn.
    """
    out: list[bytes] = []
    cycle = a_cycle(out)
    headers = [(b"x-model", b"a\r\nb: c" if odd == "line break" else b"a")]
    if odd == "write_paused":
        cycle.flow.write_paused = True
    elif odd in ("disconnected", "response_started", "access_log", "keep_alive"):
        setattr(cycle, odd, odd != "keep_alive")
    send: Any = asyncio.sleep if odd == "stranger" else cycle.send
    assert uvicorn_replies.takes_at_once(send) == (odd == "line break")
    assert not uvicorn_replies.sent_at_once(send, 200, headers, b"{}")
    assert out == []


def test_a_slower_loop_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uvloop a server says at start that it is slower, and what to type."""
    from waypost.serving.workers import slower_without

    assert slower_without() == ""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert slower_without().endswith("pip install 'waypost[serve]'")


def test_mlflow_knows_the_user() -> None:
    """MLflow says by a tag who made a run."""
    assert mlflow.user_tag()["mlflow.user"]


def test_mlflow_reads_projects(tmp_path: Path) -> None:
    """What a backend needs of MLflow's own reading of a project is there."""
    from waypost.compat import mlflow_projects

    (tmp_path / "MLproject").write_text("name: a\nentry_points: {main: {command: 'python run.py'}}\n")
    project: Any = mlflow_projects.load_project(str(tmp_path))
    assert (project.name, project.docker_env) == ("a", None)
    assert project.get_entry_point("main").command == "python run.py"
    assert mlflow_projects.PROJECT_ENV_MANAGER == "ENV_MANAGER"
    joins = mlflow_projects.get_run_env_vars("r", "e")
    assert joins["MLFLOW_RUN_ID"] == "r"


def test_mlflow_serves_by_functions_of_its_own(tmp_path: Path) -> None:
    """MLflow's server reads a parsed body, asks the model and writes the reply; what it refuses has a reason;
    a scikit-learn estimator that was loaded elsewhere becomes a pyfunc, asked by any of its functions.
    """
    import mlflow.sklearn
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from waypost.compat import mlflow_serving as serving

    rows = np.array([[0.0], [1.0], [2.0], [3.0]])
    estimator = LogisticRegression().fit(rows, [0, 0, 1, 1])
    mlflow.sklearn.save_model(
        estimator, tmp_path / "m", serialization_format="cloudpickle", pip_requirements=[]
    )
    model = serving.sklearn_model(tmp_path / "m", estimator, "predict")
    assert serving.raw(model) is estimator
    assert (
        serving.invoked(model, "application/json", {"inputs": [[0.0], [3.0]]}) == b'{"predictions": [0, 1]}'
    )
    assert serving.invoked(model, "text/csv", b"a\n3\n") == b'{"predictions": [1]}'
    with pytest.raises(serving.RefusedError, match="ValueError: X has 2 features"):
        serving.invoked(model, "application/json", {"inputs": [[0.0, 1.0]]})
    assert serving.frame(model, ["a"], [[1], [None]])["a"].isna().tolist() == [False, True]
    chances = serving.asked_by(model, "predict_proba")
    np.testing.assert_array_equal(serving.refused_by(chances, rows), estimator.predict_proba(rows))
    assert serving.asked_by(model, "predict_log_odds") is None
    assert serving.jsonable(estimator.predict(rows)) == [0, 0, 1, 1]


def test_uvicorn_binds_before_it_runs() -> None:
    """A socket is bound first, an address that is taken is an OSError with the reason, which nothing else
    tells, and both ways of running are there.
    """
    from uvicorn import Config, Server
    from uvicorn.supervisors import Multiprocess

    with uvicorn.bound(Config("a:b", port=0, log_level="critical")) as listening:
        port = listening.getsockname()[1]
        listening.listen()
        taken = Config("a:b", port=port, log_level="info")
        logging.getLogger("uvicorn").addHandler(heard := logging.handlers.BufferingHandler(9))
        with pytest.raises(OSError, match="is not available: Address already in use"):
            uvicorn.bound(taken)
        logging.getLogger("uvicorn").removeHandler(heard)
        assert heard.buffer == []
    assert "sockets" in inspect.signature(Server.run).parameters
    assert "sockets" in inspect.signature(Multiprocess).parameters


def test_python_runs_what_was_registered() -> None:
    """Leaving runs the functions of `atexit`, flushes, and has the exit code."""
    script = (
        "import atexit, sys; from waypost.compat import python\n"
        "atexit.register(print, 'registered'); sys.stdout.write('said '); python.leave(7)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "said registered\n")


def test_a_worker_ends_as_python_does() -> None:
    """What the worker, which runs where Waypost is not, takes from the standard library."""
    import atexit

    assert callable(atexit._run_exitfuncs)
    assert callable(threading._shutdown)  # type: ignore[attr-defined]


PRIVATE_ELSEWHERE = {"runs/fork_server.py", "inference/arrays.py"}


def test_private_names_stand_in_compat() -> None:
    """No other module imports a private module or name, or asks another object for one."""
    for file in SOURCE.rglob("*.py"):
        name = file.relative_to(SOURCE).as_posix()
        if not name.startswith("compat/") and name not in PRIVATE_ELSEWHERE:
            text = file.read_text()
            assert "SLF001" not in text, f"{name} asks another object for what is its own"
            assert list(private_imports(ast.parse(text))) == [], name


def private_imports(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        parts = [part for name in names for part in name.split(".")]
        yield from (part for part in parts if part.startswith("_") and not part.startswith("__"))
