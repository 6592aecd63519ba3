"""The fork servers that a worker of a cluster keeps between steps."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waypost.contracts.command import PythonCommand
from waypost.runs import forks, warm
from waypost.runs.environments import Environment
from waypost.runs.forks import OF_EVERY_STEP, ForkServerLostError, Process, Task
from waypost.runs.warm import Warm, polled

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are Linux's")
HERE = Environment("digest", Path(sys.prefix))


@pytest.fixture
def servers() -> Iterator[Warm]:
    found = Warm()
    yield found
    found.close()


def start(servers: Warm, folder: Path, code: str, **variables: str) -> tuple[Process, Path]:
    """Starts a program that is nothing but some code; returns it with its log."""
    folder.mkdir(exist_ok=True)
    program = folder / f"run{len([*folder.iterdir()])}.py"
    program.write_text(code)
    log = program.with_suffix(".log")
    python = PythonCommand((), file=program.name, variables=variables)
    own = {**os.environ, **OF_EVERY_STEP}
    task = Task("one", "", python, folder, own, log, ["tarfile"] if "import tarfile" in code else [])
    return servers.start(HERE, task, os.environ), log


def said(servers: Warm, folder: Path, code: str, **variables: str) -> str:
    """Returns what a program says that ends well."""
    process, log = start(servers, folder, code, **variables)
    until = time.monotonic() + 30
    while (found := polled(process)) is None and time.monotonic() < until:
        time.sleep(0.005)
    assert found == 0
    return log.read_text()


PARENT = "import os; print(os.getppid())"


def test_a_server_stays_for_the_steps_that_follow(servers: Warm, tmp_path: Path) -> None:
    """Steps are forks of one process, and what was imported for one is there for the next; a command that
    sets a variable has its own server, which has the variable before it imports anything.
    """
    first = said(servers, tmp_path, f"import tarfile; {PARENT}")
    assert said(servers, tmp_path, PARENT) == first
    assert said(servers, tmp_path, "import sys; print('tarfile' in sys.modules)") == "True\n"
    assert said(servers, tmp_path, PARENT, COLOR="blue") != first
    assert said(servers, tmp_path, "import os; print(os.environ['COLOR'])", COLOR="red") == "red\n"
    assert said(servers, tmp_path, PARENT) == first


def test_servers_that_nobody_asks_end(servers: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many servers those stay that were asked last, and those that have a step; after some minutes without
    a step a server ends.
    """
    monkeypatch.setattr(warm, "MOST", 2)
    first = said(servers, tmp_path, PARENT)
    busy, log = start(
        servers, tmp_path, f"import time; print(1, flush=True); time.sleep(60); {PARENT}", A="1"
    )
    assert said(servers, tmp_path, PARENT, A="2") != first  # there is room for it instead of the first
    assert said(servers, tmp_path, PARENT) != first
    assert polled(busy) is None
    monkeypatch.setattr(warm, "IDLE_SECONDS", -1.0)
    again = said(servers, tmp_path, PARENT)
    assert said(servers, tmp_path, PARENT) != again
    assert polled(busy) is None
    busy.end()
    assert log.read_text() == "1\n"


def test_a_server_that_dies_takes_its_steps_along(servers: Warm, tmp_path: Path) -> None:
    """A step in the middle is lost, and is told so; another one gets a new server."""
    first = said(servers, tmp_path, PARENT)
    process, log = start(servers, tmp_path, "import time; print(1, flush=True); time.sleep(60)")
    while not log.exists() or not log.read_text():
        polled(process)
        time.sleep(0.005)
    os.kill(int(first), 9)
    with pytest.raises(ForkServerLostError, match="its worker is gone") as caught:
        while polled(process) is None:
            time.sleep(0.005)
    assert caught.value.has_begun
    with pytest.raises(ProcessLookupError):
        os.kill(process.number, 0)
    assert said(servers, tmp_path, PARENT) != first


def test_what_cannot_be_forked_has_not_begun(servers: Warm, tmp_path: Path) -> None:
    """A module of the step's own has the name of a loaded one: the step is refused before it begins."""
    (tmp_path / "tarfile.py").write_text("")
    said(servers, tmp_path / "other", "import tarfile")
    process, log = start(servers, tmp_path, PARENT)
    with pytest.raises(ForkServerLostError, match="has the same name as a loaded one") as caught:
        while polled(process) is None:
            time.sleep(0.005)
    assert not caught.value.has_begun
    assert not log.exists()


def test_a_step_that_is_cancelled_before_it_begins(
    servers: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may import for minutes before it forks: the end of a step that it has not begun does not wait
    for that, and the step never begins; others of the same server do.
    """
    monkeypatch.setattr(forks, "GRACE_SECONDS", 0.2)
    server = int(said(servers, tmp_path, PARENT))
    os.kill(server, signal.SIGSTOP)
    try:
        cancelled, log = start(servers, tmp_path, "print(1, flush=True)")
        cancelled.end()
        other, others_log = start(servers, tmp_path, "print(2, flush=True)")
    finally:
        os.kill(server, signal.SIGCONT)
    until = time.monotonic() + 30
    while polled(other) is None and time.monotonic() < until:
        time.sleep(0.005)
    assert others_log.read_text() == "2\n"
    assert polled(cancelled) == -signal.SIGTERM
    assert not log.exists()
