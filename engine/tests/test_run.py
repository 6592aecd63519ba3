"""`waypost run`: what it promises, with real processes and a real tracking store."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.conftest import Call
from tests.daemons import FAMILY, ids, left
from tests.pipelines import write_component, write_pipeline

WAYPOST = [sys.executable, "-m", "waypost"]
RUN = [*WAYPOST, "run", "--env", "local"]
SLEEP = (
    f"{FAMILY}\nimport sys\nplace = pathlib.Path(sys.argv[2])\nleave_family(place.with_name('family'))\n"
    "place.write_text(str(os.getpid()))\ntime.sleep(600)\n"
)
HOSTILE = "\x1b]0;title\x07[red]x[/] \x1b[2J\u202e:smile:"
WORKERS = pytest.mark.parametrize("worker", ["fork", "process"])
ECHO = "import sys\nprint('said', sys.argv[1:])\n"


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlflow.db'}")


def is_result(metric: str) -> bool:
    """Tells whether a metric of the library's is the same whenever the same is computed."""
    return "seconds" not in metric and not metric.startswith("system/")


def runs(name: str = "small") -> list[Any]:
    experiment = client().get_experiment_by_name(name)
    return list(client().search_runs([experiment.experiment_id])) if experiment else []


def by_step(name: str) -> list[Any]:
    return [run for run in runs() if run.data.tags.get("waypost.step") == name]


def parent() -> Any:
    return next(run for run in runs() if "waypost.pipeline" in run.data.tags)


@pytest.fixture
def small(workplace: Path) -> Path:
    """Three steps; the second one fails as long as a file called `broken` exists."""
    root = workplace / "small"
    write_component(root / "parts", "first", ECHO, word={"default": "x"}, number={"type": "int"})
    fails = (
        f"import sys, pathlib\nprint('line one')\nprint({HOSTILE!r})\n"
        "if pathlib.Path(sys.argv[2]).exists(): sys.exit('error: the data is bad')\n"
    )
    write_component(root / "parts", "second", fails, flag={})
    write_pipeline(
        root,
        {
            "one": {"uses": "parts/first", "with": {"word": "${word}", "number": 7}},
            "two": {
                "uses": "parts/second",
                "with": {"flag": str(workplace / "broken")},
                "after": ["one"],
            },
            "three": {"uses": "parts/first", "with": {"number": 8}, "after": ["two"]},
        },
        {"word": "it's $HOME; `x`"},
    )
    return root


def test_runs_and_records(small: Path, call: Call) -> None:
    """A parent run with a child per step: parameters, tags and logs on the right run."""
    result = call(*RUN, small)
    assert result.returncode == 0, result.stderr
    assert len(runs()) == 4
    assert {run.info.status for run in runs()} == {"FINISHED"}
    one = by_step("one")[0]
    assert one.data.params == {"word": "it's $HOME; `x`", "number": "7"}
    assert one.data.tags["mlflow.parentRunId"] == parent().info.run_id
    assert len(one.data.tags["waypost.step_key"]) == 64
    assert len(one.data.tags["waypost.tree.first"]) == 40
    log = Path(client().download_artifacts(one.info.run_id, "logs/one.log")).read_text()
    assert "it's $HOME; `x`" in log
    assert parent().data.params == {"word": "it's $HOME; `x`"}
    assert Path(client().download_artifacts(parent().info.run_id, "params.yaml")).exists()
    assert "one" in result.stdout
    assert f"run {parent().info.run_id}" in result.stdout


def test_json_is_for_machines(small: Path, call: Call) -> None:
    """--json writes one document to stdout, whether the run succeeds or never starts."""
    document = json.loads(call(*RUN, small, "--json", "word=y").stdout)
    assert document["status"] == "FINISHED"
    assert [step["state"] for step in document["steps"]] == ["done"] * 3
    broken = call(*RUN, small, "--json", "wrod=y")
    assert broken.returncode == 1
    assert json.loads(broken.stdout)["findings"][0]["hint"].startswith("did you mean 'word'?")


def test_failure_then_resume(small: Path, call: Call) -> None:
    """A failed step: its cause, the end of its log, where the rest is; the same command goes on there.

    What the log says to a terminal is shown and does nothing; the artifact has it as it was written.
    """
    Path("broken").touch()
    result = call(*RUN, small)
    assert result.returncode == 1
    assert "error: two: the data is bad" in result.stdout
    assert "line one\n␛]0;title␇[red]x[/] ␛[2J�:smile:\n" in result.stdout
    assert "logs/two.log" in result.stdout
    log = client().download_artifacts(by_step("two")[0].info.run_id, "logs/two.log")
    assert Path(log).read_text() == f"line one\n{HOSTILE}\nerror: the data is bad\n"
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("  three")] == [
        "skipped"
    ]
    assert parent().info.status == "FAILED"
    assert by_step("two")[0].info.status == "FAILED"
    Path("broken").unlink()
    assert "run the same command to continue at two" in result.stdout
    resumed = call(*RUN, small)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert len(by_step("one")) == 1
    assert len(by_step("two")) == 2
    assert parent().data.tags["waypost.step.one"] == by_step("one")[0].info.run_id


def test_resume_is_for_runs_without_cache(small: Path, call: Call) -> None:
    """--no-cache --resume takes over what the unfinished run did, by keys, and nothing else."""
    assert call(*RUN, small).returncode == 0
    Path("broken").touch()
    call(*RUN, small, "--no-cache", "word=other")
    Path("broken").unlink()
    assert len(by_step("one")) == 2
    resumed = call(*RUN, small, "--no-cache", "--resume", "word=other", "--json")
    assert [step["state"] for step in json.loads(resumed.stdout)["steps"]] == ["reused", "done", "done"]
    changed = call(*RUN, small, "--no-cache", "--resume", "--json")
    assert json.loads(changed.stdout)["steps"][0]["state"] == "done"


def test_resume_without_a_failed_run(small: Path, call: Call) -> None:
    """--resume with nothing to resume says so."""
    result = call(*RUN, small, "--resume")
    assert result.returncode == 2
    assert "no failed or interrupted run of small to resume" in result.stderr


def test_selected_steps(small: Path, call: Call) -> None:
    """--steps and --from execute these and take the rest from earlier runs, or say what is missing."""
    alone = call(*RUN, small, "--steps", "two")
    assert alone.returncode == 1
    assert "no earlier run has a result" in alone.stdout
    assert "--from one" in alone.stdout
    assert "--resume" not in alone.stdout
    assert call(*RUN, small).returncode == 0
    result = call(*RUN, small, "--from", "two", "--json")
    states = [step["state"] for step in json.loads(result.stdout)["steps"]]
    assert states == ["reused", "done", "done"]
    result = call(*RUN, small, "--steps", "one", "--json")
    states = [step["state"] for step in json.loads(result.stdout)["steps"]]
    assert states == ["done", "skipped", "skipped"]


def test_dry_run_shows_the_plan_and_runs_nothing(small: Path, call: Call) -> None:
    """--dry-run prints steps, parameters and edges, and makes no run."""
    result = call(*WAYPOST, "run", small, "--dry-run", "word=hello")
    assert result.returncode == 0
    assert "word = hello" in result.stdout
    assert "after one" in result.stdout
    assert runs() == []


def test_five_mistakes_in_one_go(small: Path, call: Call) -> None:
    """Five different mistakes: all told with file and key, before anything runs."""
    write_pipeline(
        small,
        {
            "one": {"uses": "parts/frist", "with": {"number": 7}},
            "two": {"uses": "parts/second", "with": {"flg": "x", "flag": "y"}},
            "three": {"uses": "parts/first", "with": {"number": "many"}},
            "four": {"uses": "parts/first"},
            "five": {"uses": "parts/second", "with": {"flag": "${nope}"}, "after": ["sixth"]},
        },
    )
    result = call(*RUN, small)
    assert result.returncode == 1
    for text in (
        "pipeline.yaml: steps.one.uses",
        "no component 'frist'; did you mean 'first'?",
        "pipeline.yaml: steps.two.with.flg",
        "did you mean 'flag'?",
        "pipeline.yaml: steps.three.with.number",
        "'many' is not an int",
        "pipeline.yaml: steps.four.with",
        "requires the parameter 'number'",
        "pipeline.yaml: steps.five.with.flag",
        "no parameter 'nope'",
        "pipeline.yaml: steps.five.after",
        "6 problems found, nothing was run",
    ):
        assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert runs() == []


def test_parameters_that_cannot_be_read(small: Path, call: Call) -> None:
    """That alone is told, not each name that is missing for it."""
    (small / "params.yaml").write_text("word: [1\n")
    for more in ((), ("word=hello",)):
        result = call(*RUN, small, *more)
        assert result.returncode == 1
        assert "not valid YAML" in result.stderr
        assert result.stderr.rstrip().endswith("1 problem found, nothing was run")


def test_unknown_keys_are_found(small: Path, call: Call) -> None:
    """A key that pipeline.yaml does not know is told with the nearest one."""
    file = small / "pipeline.yaml"
    file.write_text(file.read_text().replace("after:", "aftr:").replace("name: small", "nam: small"))
    result = call(*RUN, small)
    assert result.returncode == 1
    assert "steps.two.aftr" in result.stderr
    assert "unknown key; did you mean 'after'?" in result.stderr
    assert "pipeline.yaml: name" in result.stderr


def test_inputs_are_checked_first(small: Path, call: Call) -> None:
    """A file that is not there is found before step 1."""
    write_component(small / "parts", "reads", ECHO, data={"type": "path"})
    write_pipeline(small, {"one": {"uses": "parts/reads", "with": {"data": "gone.csv"}}})
    result = call(*RUN, small)
    assert result.returncode == 1
    assert "pipeline.yaml: steps.one.with.data" in result.stderr
    assert f"no such file: {small / 'gone.csv'}" in result.stderr


def test_no_pipeline_here(workplace: Path, call: Call, small: Path) -> None:
    """Outside of a pipeline's folder the error says where one is."""
    result = call(*RUN)
    assert result.returncode == 2
    assert "no pipeline.yaml here" in result.stderr
    assert "there is one in small: name that folder" in result.stderr


def test_other_content_is_exit_code_4(small: Path, call: Call) -> None:
    """A component that finds other content than was asked for ends the run with exit code 4."""
    (small / "parts" / "first" / "run.py").write_text("import sys\nprint('error: no')\nsys.exit(4)\n")
    assert call(*RUN, small).returncode == 4
    assert parent().info.status == "FAILED"


def test_missing_output_fails_the_step(small: Path, call: Call) -> None:
    """A step that does not log what its contract promises has failed, whatever its exit code."""
    project = small / "parts" / "first" / "MLproject"
    project.write_text(project.read_text() + "    outputs: {table: {path: table.csv}}\n")
    result = call(*RUN, small)
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert "its output 'table' (table.csv) was not logged: mlflow.log_artifact('table.csv')" in said


def started(process: subprocess.Popen[str]) -> int:
    """Waits until the step runs; returns the id of its process."""
    for _ in range(600):
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(Path("process").read_text())
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("the step did not start")


def sleeping(workplace: Path, worker: str) -> subprocess.Popen[str]:
    """Starts a pipeline whose only step starts a family of processes, tells its own and then sleeps."""
    root = workplace / "small"
    (workplace / "family").mkdir()
    write_component(root / "parts", "sleep", SLEEP, file={})
    write_pipeline(root, {"one": {"uses": "parts/sleep", "with": {"file": str(workplace / "process")}}})
    command = [*RUN, str(root), "--worker", worker]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize(
    ("number", "worker"),
    [
        (signal.SIGINT, "fork"),
        (signal.SIGTERM, "process"),
        (signal.SIGHUP, "fork"),
        (signal.SIGQUIT, "process"),
    ],
)
def test_signals_end_everything(workplace: Path, number: signal.Signals, worker: str) -> None:
    """Each signal that ends us: all that a step started ends, runs are KILLED, the step's log is kept, and
    the exit code is a shell's.
    """
    process = sleeping(workplace, worker)
    step = started(process)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    assert left({**ids(workplace / "family"), "step": step}) == []
    assert [run.info.status for run in runs()] == ["KILLED", "KILLED"]
    [run] = by_step("one")
    assert [each.path for each in client().list_artifacts(run.info.run_id, "logs")] == ["logs/one.log"]
    assert "Traceback" not in output


@WORKERS
def test_killed_step_fails_and_resumes(workplace: Path, call: Call, worker: str) -> None:
    """A step killed by SIGKILL: the run is FAILED, all that it started is gone, another run finishes."""
    process = sleeping(workplace, worker)
    step = started(process)
    os.kill(step, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "error: one: killed by SIGKILL (out of memory?)" in output
    assert left({**ids(workplace / "family"), "step": step}) == []
    assert [run.info.status for run in runs()] == ["FAILED", "FAILED"]
    (workplace / "small" / "parts" / "sleep" / "run.py").write_text(ECHO)
    assert call(*RUN, workplace / "small").returncode == 0


@WORKERS
def test_killed_engine_leaves_nothing_for_ever(workplace: Path, call: Call, worker: str) -> None:
    """After kill -9 of the engine the step dies with it and all that it started; the next run closes its
    runs.
    """
    process = sleeping(workplace, worker)
    step = started(process)
    process.kill()
    process.communicate(timeout=60)
    assert left({**ids(workplace / "family"), "step": step}) == []
    (workplace / "small" / "parts" / "sleep" / "run.py").write_text(ECHO)
    result = call(*RUN, workplace / "small")
    assert result.returncode == 0
    assert "marked KILLED" in result.stdout
    assert sorted(run.info.status for run in runs()) == ["FINISHED", "FINISHED", "KILLED", "KILLED"]


def test_no_secret_is_shown_or_stored(small: Path, call: Call) -> None:
    """User and password of a URL in the parameters appear in no output, tag, parameter or file."""
    secret = "https://me:hunter2@example.org/x.git"
    shown = call(*RUN, small, "--dry-run", f"word={secret}")
    write_component(small / "parts", "quiet", "print('ok')\n", url={}, options={"type": "path"})
    write_pipeline(
        small,
        {"one": {"uses": "parts/quiet", "with": {"url": "${url}", "options": {"from": "${url}"}}}},
        {"url": "x"},
    )
    result = call(*RUN, small, f"url={secret}")
    assert result.returncode == 0, result.stdout
    texts = [shown.stdout, shown.stderr, result.stdout, result.stderr]
    files = [path.read_bytes() for path in Path.cwd().rglob("*") if path.is_file()]
    assert not any("hunter2" in text for text in texts)
    assert not any(b"hunter2" in content for content in files)
    assert by_step("one")[0].data.params["url"] == "https://example.org/x.git"


def test_tracking_server_that_is_down(small: Path, call: Call) -> None:
    """A tracking server that does not answer is an error that names it, without a stack trace."""
    env = {"MLFLOW_TRACKING_URI": "http://me:hunter2@127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    result = call(*RUN, small, env=env)
    assert result.returncode == 1
    assert "tracking server http://127.0.0.1:9" in result.stderr
    assert "MLFLOW_TRACKING_URI" in result.stderr
    assert "hunter2" not in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_debug_shows_the_components_trace(small: Path, call: Call) -> None:
    """--debug tells the components to show the stack trace of an error."""
    code = "import os\nprint('debug', os.environ.get('COMPONENT_DEBUG'))\n"
    (small / "parts" / "first" / "run.py").write_text(code)
    assert call(*RUN, small, "--debug").returncode == 0
    log = client().download_artifacts(by_step("one")[0].info.run_id, "logs/one.log")
    assert Path(log).read_text() == "debug 1\n"


def test_work_tree_stays_clean(small: Path, call: Call) -> None:
    """A run writes nothing into the pipeline's repository, byte code neither."""
    for arguments in (["init", "-q"], ["add", "."]):
        assert call("git", *arguments, cwd=small).returncode == 0
    before = call("git", "status", "--porcelain", cwd=small).stdout
    assert call(*RUN, small).returncode == 0
    assert call("git", "status", "--porcelain", cwd=small).stdout == before


def test_help_has_examples(workplace: Path, call: Call) -> None:
    """--help shows what to type, and starts without mlflow or pandas."""
    for arguments in ([], ["run"]):
        result = call(*WAYPOST, *arguments, "--help")
        assert result.returncode == 0
        assert "Examples:" in result.stdout
    script = (
        "import sys; import waypost.cli;"
        "assert not {'mlflow', 'pandas', 'sklearn'} & set(sys.modules), sys.modules.keys()"
    )
    assert call(sys.executable, "-c", script).returncode == 0


def test_first_run_in_an_empty_folder_is_quiet(small: Path, call: Call) -> None:
    """A tracking store that is made by the way is not worth a word: the output is that of the run alone."""
    Path("mlflow.db").unlink()
    result = call(*RUN, small)
    assert result.returncode == 0
    assert result.stderr == ""
    assert result.stdout.splitlines()[0].startswith("small: 3 steps, run ")
