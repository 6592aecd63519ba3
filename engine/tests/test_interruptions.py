"""Whatever a run is at when a signal arrives: it ends, its runs have a status, and nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from tests.forks import Forks
from tests.pipelines import write_pipeline
from tests.team import tracking_server
from waypost.errors import Interrupted
from waypost.system import signals

ENGINE = Path(__file__).parents[1]
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
RUN = ["run", "small", "--env", "local", "--no-cache"]


@pytest.fixture
def small(workplace: Path) -> Path:
    """A pipeline of two steps, one after the other, of which each is a command without Python."""
    for name in ("one", "two"):
        component(workplace / "small" / "parts" / name, "sleep 0.05")
    write_pipeline(
        workplace / "small",
        {"a": {"uses": "parts/one"}, "b": {"uses": "parts/two", "after": ["a"]}},
    )
    return workplace / "small"


def component(folder: Path, command: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    contract = {"name": folder.name, "entry_points": {"main": {"command": command}}}
    (folder / "MLproject").write_text(yaml.safe_dump(contract))


@contextlib.contextmanager
def store(kind: str, workplace: Path, forks: Forks) -> Iterator[str]:
    """Gives the tracking URI of a SQLite file, or of a server."""
    file = f"sqlite:///{workplace}/mlflow.db"
    if kind == "sqlite":
        yield file
        return
    with tracking_server(workplace / "server", file, forks=forks) as server:
        yield server.url


def all_runs(uri: str) -> list[Any]:
    client = mlflow.MlflowClient(uri)
    ids = [each.experiment_id for each in client.search_experiments()]
    return list(client.search_runs(ids, max_results=1000))


def processes_in(folder: Path) -> list[str]:
    """Returns the commands of the processes that work in a folder, of those that we may ask."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.journey
@pytest.mark.timeout(900)  # sixty attempts: half a minute, and on a busy machine some
@pytest.mark.parametrize(("kind", "each"), [("sqlite", 2), ("http", 1)])
def test_signals_at_twenty_points(small: Path, workplace: Path, forks: Forks, kind: str, each: int) -> None:
    """INT, TERM, HUP and QUIT at twenty points of a run, from its first line to its last: the exit code is
    128 and the signal's number, every run has a terminal status, and no process is left. The signals take
    turns, since all become one exception: two at each point against a file, one against a server, which
    stands behind the same calls.
    """
    with store(kind, workplace, forks) as uri:
        command = [sys.executable, "-m", "tests.interrupted", "20", str(each), *RUN]
        env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ENGINE)}
        told = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
        lines = [json.loads(line) for line in told.splitlines()]
        assert lines[0]["code"] == 0
        assert len(lines) == 1 + 20 * each
        assert [line for line in lines[1:] if line["code"] != 128 + line["signal"]] == []
        found = all_runs(uri)
    assert {run.info.status for run in found} == {"KILLED", "FINISHED"}
    assert "Traceback" not in (workplace / "interrupted.log").read_text()
    assert [name for name in processes_in(small) if "sleep" in name] == []


def waiting(workplace: Path, said: Path) -> list[str]:
    """Returns a command for a pipeline with one step, which says something and then waits."""
    component(workplace / "slow" / "parts" / "one", f"echo said; touch {said}; sleep 60")
    write_pipeline(workplace / "slow", {"a": {"uses": "parts/one"}})
    return [sys.executable, "-m", "waypost", "run", "slow", "--env", "local"]


def wait_for(file: Path) -> None:
    for _ in range(2400):
        if file.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"no {file}")


@pytest.mark.journey
def test_a_terminal_that_is_closed(workplace: Path) -> None:
    """The terminal of a run is closed: exit code 129, both runs are KILLED, and the step's log is kept,
    though there is nothing to write on any more.
    """
    ours, theirs = pty.openpty()
    command = waiting(workplace, workplace / "said")
    lead = "import fcntl, os, sys, termios as t; fcntl.ioctl(0, t.TIOCSCTTY, 0)"
    lead += "; os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", lead, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    wait_for(workplace / "said")
    os.close(ours)
    assert process.wait(60) == 129
    found = all_runs(f"sqlite:///{workplace}/mlflow.db")
    assert [run.info.status for run in found] == ["KILLED", "KILLED"]
    [log] = list(workplace.glob("mlruns/**/a.log"))
    assert log.read_text() == "said\n"


@pytest.mark.journey
def test_nohup(workplace: Path) -> None:
    """A run that was started with SIGHUP ignored goes on after one; SIGTERM ends it."""
    command = waiting(workplace, workplace / "said")
    process = subprocess.Popen(["nohup", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(workplace / "said")
    process.send_signal(signal.SIGHUP)
    time.sleep(1)
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 143
    assert [run.info.status for run in all_runs(f"sqlite:///{workplace}/mlflow.db")] == ["KILLED", "KILLED"]


@pytest.mark.journey
def test_mlflow_run_with_our_backend(workplace: Path, forks: Forks) -> None:
    """`mlflow run --backend waypost` is interrupted: exit code 143, the run is KILLED, its log is kept."""
    waiting(workplace, workplace / "said")
    project = workplace / "slow" / "parts" / "one"
    command = ["mlflow", "run", str(project), "--backend", "waypost", "--env-manager", "local"]
    env = dict(os.environ)
    process = forks.start(command, workplace, env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(workplace / "said")
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert "interrupted by SIGTERM" in output
    assert "Traceback" not in output
    [run] = all_runs(f"sqlite:///{workplace}/mlflow.db")
    assert run.info.status == "KILLED"
    client = mlflow.MlflowClient(f"sqlite:///{workplace}/mlflow.db")
    log = Path(client.download_artifacts(run.info.run_id, f"logs/{run.info.run_id}.log"))
    assert log.read_text() == "said\n"
    assert [name for name in processes_in(workplace) if "sleep" in name] == []


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_raised_once(number: signal.Signals) -> None:
    """The first signal becomes an exception with its exit code; others do not disturb the clean-up."""
    before = [signal.getsignal(each) for each in ENDING]
    with pytest.raises(Interrupted) as raised, signals.heeded():
        try:
            signal.raise_signal(number)
        finally:
            for other in ENDING:
                signal.raise_signal(other)
    assert raised.value.exit_code == 128 + number
    assert str(raised.value) == f"interrupted by {number.name}"
    assert [signal.getsignal(each) for each in ENDING] == before


def test_a_held_signal_waits_for_a_check() -> None:
    """Held, a signal comes at the next check, and only there; else at the end of the outermost block."""
    seen = []
    with pytest.raises(Interrupted), signals.held():
        with signals.held():
            signal.raise_signal(signal.SIGTERM)
            seen.append("inner")
        seen.append("outer")
        try:
            signals.check()
        finally:
            signals.check()
            seen.append("cleaned up")
    with pytest.raises(Interrupted, match="SIGHUP"), signals.held():
        signal.raise_signal(signal.SIGHUP)
        seen.append("again")
    assert seen == ["inner", "outer", "cleaned up", "again"]


def test_a_signal_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that asks for no signal is interrupted in the middle, some seconds later."""
    monkeypatch.setattr(signals, "_MOST_HELD_SECONDS", 0.05)
    began = time.monotonic()
    with pytest.raises(Interrupted), signals.held():
        signal.raise_signal(signal.SIGTERM)
        time.sleep(20)
    assert time.monotonic() - began < 10


def test_what_nohup_ignores_stays_ignored() -> None:
    """SIGHUP that is ignored when we start stays so; SIGINT is heard, also in the background of a script."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT)}
    try:
        with pytest.raises(Interrupted, match="SIGINT"), signals.heeded():
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
