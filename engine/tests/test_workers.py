"""Workers: forks that behave like new processes, plain processes where a fork is not safe, limits, order."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import LIBRARY, Call
from tests.daemons import FAMILY, alive, ids
from tests.forks import ALONE
from tests.pipelines import write_component, write_pipeline
from tests.test_run import RUN, WORKERS, by_step, runs
from waypost.contracts.command import PythonCommand, python_command
from waypost.runs.imports import reached
from waypost.sources.files import read_component
from waypost.system.gpus import Gpus
from waypost.system.machine import cores
from waypost.system.places import home

STATE = """
import json, os, signal, sys, tempfile, threading
numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE)
signals = {str(n): str(signal.getsignal(n)) for n in numbers}
other = ("_", "SHLVL", "OLDPWD", "MLFLOW_RUN_ID")
print(json.dumps({
    "environment": {k: v for k, v in os.environ.items() if k not in other},
    "folder": os.getcwd(),
    "arguments": sys.argv,
    "path": sys.path,
    "name": __name__,
    "file": __file__,
    "main": sys.modules["__main__"].__dict__ is globals(),
    "signals": signals,
    "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "files": sorted(set(os.listdir("/proc/self/fd")) & set(map(str, range(3, 1000))))[1:],
    "input": sys.stdin.read(),
    "temp": os.path.dirname(tempfile.mkdtemp()),
    "threads": threading.active_count(),
    "executable": sys.executable,
    "leads": os.getpgid(0) == os.getpid(),
    "child": bool(os.environ["MLFLOW_RUN_ID"]),
}))
"""


def log_of(step: str) -> str:
    run = by_step(step)[0]
    return Path(run.info.artifact_uri.removeprefix("file://"), "logs", f"{step}.log").read_text()


def one_step(root: Path, code: str, **step: Any) -> Path:
    """Writes a pipeline of one step."""
    write_component(root / "parts", "part", textwrap.dedent(code))
    write_pipeline(root, {"one": {"uses": "parts/part", **step}})
    return root


def test_fork_sees_what_a_process_sees(workplace: Path, call: Call) -> None:
    """Variables, folder, arguments, import path, signals, open files, input: the same in a fork."""
    root = workplace / "small"
    write_component(root / "parts", "part", STATE, word={})
    project = root / "parts" / "part" / "MLproject"
    project.write_text(project.read_text().replace("python run.py", "PYTHONPATH=.. COLOR=blue python run.py"))
    write_pipeline(root, {"one": {"uses": "parts/part", "with": {"word": "it's $HOME"}}})
    found = []
    for worker in ("fork", "process"):
        result = call(*RUN, root, "--worker", worker, "--no-cache", env=ALONE)
        assert result.returncode == 0, result.stdout
        found.append(json.loads(log_of("one")))
    assert found[0]["arguments"] == ["run.py", "--word", "it's $HOME"]
    assert found[0]["environment"]["COLOR"] == "blue"
    assert found[0]["path"][1] == str(root / "parts")
    forked, plain = found
    for name, value in plain.items():
        if name == "leads":  # of a plain process the shell around it leads the group
            continue
        assert forked[name] == value, name
    assert forked["leads"]


def test_each_fork_has_its_own_chance(workplace: Path, call: Call) -> None:
    """Random numbers without a seed differ between steps of one worker, numpy's too."""
    root = workplace / "small"
    code = "import random, numpy\nprint(random.random(), numpy.random.random())\n"
    write_component(root / "parts", "part", code)
    write_pipeline(root, {name: {"uses": "parts/part", "cache": False} for name in ("one", "two")})
    assert call(*RUN, root).returncode == 0
    assert not set(log_of("one").split()) & set(log_of("two").split())


@pytest.mark.parametrize(
    "code",
    ["sys.exit('error: bad')", "sys.exit(3)", "1 / 0", "os.abort()", "raise KeyboardInterrupt"],
)
def test_ends_alike(workplace: Path, call: Call, code: str) -> None:
    """Exit codes, signals and stack traces of a fork are those of a plain process."""
    root = one_step(workplace / "small", f"import os, sys\ndef work():\n    {code}\nprint('begun')\nwork()\n")
    seen = []
    for worker in ("fork", "process"):
        result = call(*RUN, root, "--json", "--worker", worker)
        assert result.returncode == 1
        (step,) = json.loads(result.stdout)["steps"]
        seen.append((step["cause"], log_of("one")))
    assert seen[0] == seen[1]
    assert seen[0][1].startswith("begun\n")


def test_crash_of_the_worker_is_survived(workplace: Path, call: Call) -> None:
    """A worker that dies takes its step along; that runs again as a plain process, and the run goes on."""
    code = """
        import os, pathlib, signal
        first = pathlib.Path("%s")
        if not first.exists():
            first.touch()
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
    """
    root = one_step(workplace / "small", code % (workplace / "first"))
    result = call(*RUN, root)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "one: its worker is gone; it runs as a plain process" in result.stdout
    assert sorted(run.info.status for run in runs()) == ["FINISHED", "FINISHED", "KILLED"]


def test_own_modules_come_first(workplace: Path, call: Call) -> None:
    """A module of a component with the name of one that the worker has loaded is found, as in a process."""
    root = workplace / "small"
    write_component(root / "parts", "other", "import colorsys\nprint(colorsys.rgb_to_hls(1, 1, 1))\n")
    write_component(root / "parts", "part", "import colorsys\nprint(colorsys.WHOSE)\n")
    (root / "parts" / "part" / "colorsys.py").write_text("WHOSE = 'mine'\n")
    steps = {"one": {"uses": "parts/other"}, "two": {"uses": "parts/part", "after": ["one"]}}
    write_pipeline(root, steps)
    result = call(*RUN, root)
    assert result.returncode == 0, result.stdout
    assert "two: its module colorsys has the same name as a loaded one" in result.stdout
    assert log_of("two") == "mine\n"


def test_threads_forbid_a_fork(workplace: Path) -> None:
    """A thread that does not know of forks is seen; those of OpenBLAS and Arrow do."""
    script = """
        import threading, time
        from waypost.runs import fork_server
        {}
        print(fork_server._unprepared_threads())
    """
    thread = "threading.Thread(target=time.sleep, args=(5,), daemon=True).start()"
    libraries = "import numpy, scipy.linalg, pandas, pyarrow"
    for code, count in ((thread, "1\n"), (libraries, "0\n")):
        text = textwrap.dedent(script).format(code)
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
        assert done.stdout == count


@WORKERS
@pytest.mark.parametrize(
    ("limit", "code", "cause"),
    [
        ({"minutes": 0.02}, "import time\ntime.sleep(60)\n", "it exceeded its time limit of 0.02 minutes"),
        ({"memory_mb": 200}, "x = bytearray(400_000_000)\n", "MemoryError"),
    ],
)
def test_limits(
    workplace: Path, call: Call, worker: str, limit: dict[str, float], code: str, cause: str
) -> None:
    """A step that takes more time or memory than it may fails and says so."""
    root = one_step(workplace / "small", code, limits=limit)
    result = call(*RUN, root, "--worker", worker)
    assert result.returncode == 1
    assert f"error: one: {cause}" in result.stdout


MEET = """
import pathlib, sys, time
me, other = (pathlib.Path(p) for p in sys.argv[2::2])
me.touch()
for _ in range(100):
    if other.exists():
        print("met")
        break
    time.sleep(0.05)
me.unlink()
"""


@WORKERS
def test_independent_steps_run_at_the_same_time(workplace: Path, call: Call, worker: str) -> None:
    """With two jobs both steps see each other at work, with one they never do."""
    root = workplace / "small"
    write_component(root / "parts", "meet", MEET, me={}, other={})
    a, b = str(workplace / "a"), str(workplace / "b")
    steps = {"one": {"me": a, "other": b}, "two": {"me": b, "other": a}}
    write_pipeline(root, {name: {"uses": "parts/meet", "with": values} for name, values in steps.items()})
    assert call(*RUN, root, "--worker", worker, "--jobs", "2", "--no-cache").returncode == 0
    assert "met" in log_of("one") + log_of("two")
    assert call(*RUN, root, "--worker", worker, "--jobs", "1", "--no-cache").returncode == 0
    assert "met" not in log_of("one") + log_of("two")


def test_steps_have_what_they_ask_for(workplace: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps that ask for all processors never meet; each has a GPU of its own, but for one that another
    process has; more than there is, is told before anything runs. None of it changes a step's key.
    """
    root, places = workplace / "small", [str(workplace / name) for name in "abc"]
    code = MEET + "import os\nprint('sees', os.environ['CUDA_VISIBLE_DEVICES'])\n"
    write_component(root / "parts", "meet", code, me={}, other={})
    pairs = {"one": (0, 1), "two": (1, 0), "three": (2, 2)}

    def ask(**resources: dict[str, int]) -> None:
        steps = {
            name: {
                "uses": "parts/meet",
                "with": {"me": places[me], "other": places[other]},
                "resources": resources.get(name, {}),
            }
            for name, (me, other) in pairs.items()
        }
        write_pipeline(root, steps)

    command = (*RUN, root, "--jobs", "2")
    ask(one={"cpus": 1000}, two={"gpus": 3})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    refused = call(*command)
    assert refused.returncode == 1
    assert "steps.one.resources.cpus\n    it asks for 1000, this machine has" in refused.stderr
    assert "steps.two.resources.gpus\n    it asks for 3, this machine has 2" in refused.stderr
    assert runs() == []
    ask(one={"cpus": cores()}, two={"cpus": cores()})
    assert call(*command).returncode == 0
    assert "met" not in log_of("one") + log_of("two")
    assert "sees 0,1" in log_of("three")
    ask(one={"gpus": 1}, two={"gpus": 1})
    assert "current" in call(*command).stdout
    assert call(*command, "--no-cache").returncode == 0
    assert {"sees 0", "sees 1"} == {log_of(name).splitlines()[-1] for name in ("one", "two")}
    others = Gpus(home() / "locks")
    assert others.take("somebody", 1)
    result = call(*command, "--no-cache")
    assert {"sees 1"} == {log_of(name).splitlines()[-1] for name in ("one", "two")}, result.stdout
    others.close()


def test_running_steps_end_when_one_fails(workplace: Path, call: Call) -> None:
    """A failed step lets the one beside it end, and starts no other."""
    root = workplace / "small"
    write_component(root / "parts", "fails", "import time\ntime.sleep(0.3)\nraise SystemExit('error: no')\n")
    write_component(root / "parts", "works", "import time\ntime.sleep(1)\n")
    write_pipeline(
        root,
        {
            "bad": {"uses": "parts/fails"},
            "good": {"uses": "parts/works"},
            "later": {"uses": "parts/works", "after": ["good"]},
        },
    )
    result = call(*RUN, root, "--jobs", "2", "--json")
    assert result.returncode == 1
    states = {step["name"]: step["state"] for step in json.loads(result.stdout)["steps"]}
    assert states == {"bad": "failed", "good": "done", "later": "skipped"}


@WORKERS
def test_what_a_step_leaves_goes_with_it(workplace: Path, call: Call, worker: str) -> None:
    """A step that ends well and leaves daemons: none lives, and its log is kept as it was written."""
    place = workplace / "family"
    place.mkdir()
    root = one_step(workplace / "small", "print('left')\n")
    code = root / "parts" / "part" / "run.py"
    code.write_text(f"{FAMILY}\nleave_family({str(place)!r})\nprint('left')\n")
    result = call(*RUN, root, "--worker", worker)
    assert result.returncode == 0, result.stdout
    assert alive(ids(place)) == []
    assert log_of("one") == "left\n"


def test_a_shells_command_gets_a_shell(workplace: Path, call: Call) -> None:
    """A command that is more than plain Python runs in a shell, as MLflow would run it."""
    root = one_step(workplace / "small", "print('python')\n")
    project = root / "parts" / "part" / "MLproject"
    contract = yaml.safe_load(project.read_text())
    contract["entry_points"]["main"]["command"] = "python run.py && echo shell $((1 + 1))"
    project.write_text(yaml.safe_dump(contract))
    assert call(*RUN, root).returncode == 0
    assert log_of("one") == "python\nshell 2\n"


def test_modules_run_too(workplace: Path, call: Call) -> None:
    """`python -m MODULE` runs in a fork like in a process."""
    root = one_step(workplace / "small", "import sys\nprint(__name__, sys.argv[1:], sys.path[0])\n")
    project = root / "parts" / "part" / "MLproject"
    project.write_text(project.read_text().replace("python run.py", "python -m run --flag x"))
    texts = []
    for worker in ("fork", "process"):
        assert call(*RUN, root, "--worker", worker, "--no-cache").returncode == 0
        texts.append(log_of("one"))
    assert texts == [f"__main__ ['--flag', 'x'] {root / 'parts' / 'part'}\n"] * 2


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("python run.py --a {a}", PythonCommand(("--a", "x y"), file="run.py")),
        (
            "A=1 PYTHONPATH=.. python3 a/run.py",
            PythonCommand((), "a/run.py", "", {"A": "1", "PYTHONPATH": ".."}),
        ),
        ("python -m tool.run {a} --b={a}", PythonCommand(("x y", "--b=x y"), module="tool.run")),
        ("python run.py '{a}'", None),
        ("python run.py {a} > out", None),
        ("python run.py; ls", None),
        ("python -u run.py", None),
        ("python run.py $HOME", None),
        ("bash run.sh", None),
        ("python", None),
    ],
)
def test_which_commands_are_plain_python(template: str, expected: PythonCommand | None) -> None:
    """Only what a shell would not change is run without one."""
    assert python_command(template, {"a": "x y"}) == expected


def test_the_library_is_known_beforehand() -> None:
    """What the reference components work with is imported by their workers; they need no process apart."""
    contract = read_component(LIBRARY, "train_random_forest", "x").entry_points["main"]
    command = python_command(contract.command, dict.fromkeys(contract.parameters, ""))
    assert command
    found = reached(LIBRARY / "train_random_forest", command)
    assert {"mlflow", "pandas", "sklearn.ensemble", "matplotlib.figure", "pyarrow.parquet"} <= set(
        found.modules
    )
    assert not found.configures
