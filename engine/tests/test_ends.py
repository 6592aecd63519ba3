"""What a step leaves behind ends with it, wherever it went; what another one left does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.daemons import FAMILY, alive, ids, left
from waypost.contracts.command import PythonCommand
from waypost.runs import environments
from waypost.runs.forks import OF_EVERY_STEP, ForkServerLostError, Process, Task
from waypost.runs.processes import Processes
from waypost.system.children import Background
from waypost.system.process import ProcessError, output_of

FORK = pytest.mark.parametrize("fork", [True, False], ids=["fork", "process"])
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part in it is Linux's")
Start = Callable[[str, str], tuple[Process, dict[str, int]]]


@contextmanager
def workers(folder: Path, *, fork: bool) -> Iterator[tuple[Processes, Start]]:
    """Gives workers, and a function that starts a task that leaves a family and then does something."""
    with closing(Processes(folder, fork=fork)) as found:

        def start(name: str, then: str) -> tuple[Process, dict[str, int]]:
            home = folder / name
            (home / "family").mkdir(parents=True, exist_ok=True)
            (home / "run.py").write_text(f"{FAMILY}\nimport sys\nleave_family(sys.argv[1])\n{then}\n")
            place = str(home / "family")
            variables = {**os.environ, **OF_EVERY_STEP}
            command = PythonCommand((place,), file="run.py")
            shell = f"exec {sys.executable} run.py {place}"
            task = Task(name, shell, command, home, variables, home / "log")
            return found.start(environments.local(), task), ids(home / "family")

        yield found, start


def ended(found: Processes, running: Process) -> int:
    """Waits for the end of a task; returns its exit code."""
    for _ in range(300):
        if (code := running.poll()) is not None:
            return code
        found.wait(0.1)
    raise AssertionError("it goes on")


@FORK
@pytest.mark.parametrize(
    ("then", "code"),
    [("pass", 0), ("sys.exit('error: no')", 1), ("os.kill(os.getpid(), 9)", -9), ("os._exit(3)", 3)],
)
def test_a_family_ends_with_its_step(tmp_path: Path, *, fork: bool, then: str, code: int) -> None:
    """However a step ends: as soon as its end is told, there is nobody left, not even as a zombie."""
    with workers(tmp_path, fork=fork) as (found, start):
        running, family = start("one", then)
        assert ended(found, running) == code
        assert alive(family) == []


@FORK
def test_only_its_own_family_ends(tmp_path: Path, *, fork: bool) -> None:
    """Of two steps at once the one that ends takes its family along, and nobody of the other's."""
    with workers(tmp_path, fork=fork) as (found, start):
        first, ours = start("one", "time.sleep(600)")
        second, theirs = start("two", "pass")
        assert ended(found, second) == 0
        assert alive(theirs) == []
        assert alive(ours) == sorted(ours)
        first.end()
        assert alive(ours) == []


@FORK
def test_a_step_that_is_deaf(tmp_path: Path, *, fork: bool) -> None:
    """A step that ignores SIGTERM is ended after a while, with all of its family."""
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
    with workers(tmp_path, fork=fork) as (_, start):
        running, family = start("one", deaf)
        while "deaf" not in (tmp_path / "one" / "log").read_text():
            time.sleep(0.02)
        begun = time.monotonic()
        running.end()
        assert alive(family) == []
        assert time.monotonic() - begun < 9


def test_families_of_a_lost_worker(tmp_path: Path) -> None:
    """A worker that is killed with -9 takes its steps along, and their families."""
    with workers(tmp_path, fork=True) as (found, start):
        running, family = start("one", "os.kill(os.getppid(), 9)\ntime.sleep(600)")
        with pytest.raises(ForkServerLostError):
            ended(found, running)
        assert alive(family) == []


@FORK
def test_a_killed_engine(tmp_path: Path, *, fork: bool) -> None:
    """The engine is killed with -9: nobody of the family is left soon after."""
    script = f"""
        import time
        from pathlib import Path
        from tests.test_ends import workers
        with workers(Path({str(tmp_path)!r}), fork={fork}) as (_, start):
            start("one", "time.sleep(600)")
            time.sleep(600)
    """
    (tmp_path / "one" / "family").mkdir(parents=True)
    engine = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=Path(__file__).parents[1])
    family = ids(tmp_path / "one" / "family")
    engine.kill()
    engine.wait()
    assert left(family) == []


def test_what_answers_ends_with_a_killed_engine(tmp_path: Path) -> None:
    """git that waits for a question ends with who asks, though that is killed with -9."""
    git = ["git", "-C", str(tmp_path), "cat-file", "--batch"]
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    script = f"""
        from waypost.system.coprocess import Coprocess
        answering = Coprocess({git}, env={{}})
        assert b"missing" in answering.ask(b"nothing\\n").readline()
        print(answering._process.pid, flush=True)
        answering.ask(b"nothing\\n")
        input()
    """
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as engine:
        assert engine.stdout
        asked = int(engine.stdout.readline())
        assert alive({"git": asked}) == ["git"]
        engine.kill()
        engine.wait()
    assert left({"git": asked}) == []


@pytest.mark.parametrize("change", ["", "process._tie = tuple"], ids=["setpriv", "without setpriv"])
def test_what_is_fetched_ends_with_a_killed_engine(tmp_path: Path, change: str) -> None:
    """A process that must not go on without the engine ends with it, though that is killed with -9."""
    started = tmp_path / "started"
    script = f"""
        from waypost.system import process
        {change}
        process.bytes_of(["sh", "-c", "echo $$ >{started}; exec sleep 600"], tied=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)]) as engine:
        while not (started.is_file() and started.read_text().endswith("\n")):
            time.sleep(0.02)
        fetching = int(started.read_text())
        assert alive({"fetching": fetching}) == ["fetching"]
        engine.kill()
        engine.wait()
    assert left({"fetching": fetching}) == []


@FORK
def test_the_dead_are_buried(tmp_path: Path, *, fork: bool) -> None:
    """An orphan that ends while its step goes on does not stay as a zombie."""
    with workers(tmp_path, fork=fork) as (_, start):
        running, family = start("one", "time.sleep(600)")
        for process in family.values():
            os.kill(process, signal.SIGKILL)
        mine = {"child", "plain"}  # their parent is the step itself, which does not ask for them
        assert left({name: process for name, process in family.items() if name not in mine}) == []
        running.end()
        assert alive(family) == []


def test_output_does_not_wait_for_a_daemon() -> None:
    """What a process wrote is there when it has ended, though a daemon of it holds stdout; that lives on."""
    begun = time.monotonic()
    daemon = int(output_of(["bash", "-c", "setsid sleep 600 & echo $!"]))
    assert time.monotonic() - begun < 5
    os.kill(daemon, signal.SIGKILL)
    with pytest.raises(ProcessError, match="exit code 3: no") as raised:
        output_of(["bash", "-c", "sleep 2 & echo no >&2; exit 3"])
    assert raised.value.stderr == "no\n"


def test_what_goes_on_beside_us_leaves_nothing(tmp_path: Path) -> None:
    """A process in the background, which may load somebody's model, is complete when it has ended; what ended
    it is known.
    """
    code = f"{FAMILY}\nimport sys\nleave_family(sys.argv[1])\nprint('loaded', flush=True)\n"
    for name, then, number in (("done", "", None), ("fallen", "os.abort()", signal.SIGABRT)):
        (tmp_path / name).mkdir()
        command = [sys.executable, "-c", code + then, str(tmp_path / name)]
        process = Background(command, tmp_path / f"{name}.out")
        family = ids(tmp_path / name)
        while process.result() is None:
            time.sleep(0.02)
        assert (process.result(), process.ended_by()) == ("loaded\n", number)
        assert alive(family) == []


def test_what_builds_leaves_nothing(tmp_path: Path) -> None:
    """A supervised command, as a build of an environment is one, is complete when it has ended."""
    code = f"{FAMILY}\nimport sys\nleave_family(sys.argv[1])\nprint('built')\n"
    assert output_of([sys.executable, "-c", code, str(tmp_path)], supervised=True) == "built\n"
    assert alive(ids(tmp_path)) == []
    with pytest.raises(ProcessError, match="no-such-program: No such file or directory"):
        output_of(["no-such-program"], supervised=True)
