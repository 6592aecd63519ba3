"""`waypost sweep`: all combinations, what they share once, a table, and a way to go on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import Call
from tests.forks import Forks
from tests.pipelines import write_pipeline
from tests.test_reuse import write_copier
from tests.test_run import WAYPOST, by_step, client, runs
from waypost.contracts.sweep import points, swept
from waypost.errors import FindingsError

pytestmark = pytest.mark.journey
SWEEP = (*WAYPOST, "sweep", "--env", "local")
# The metric is the number that `word` starts with; the file `slow` makes each step take its time.
SCORE = """
import pathlib, time
value = float(given["--word"])
store.execute("INSERT OR REPLACE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES"
              " ('score', ?, 0, ?, 0, 0)", (value, os.environ["MLFLOW_RUN_ID"]))
store.execute("INSERT OR REPLACE INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES"
              " ('score', ?, 0, 0, 0, ?)", (value, os.environ["MLFLOW_RUN_ID"]))
store.commit()
if value < 0:
    sys.exit("error: it is negative")
if pathlib.Path("../../../slow").exists():
    time.sleep(1.5)
"""


@pytest.fixture
def scored(workplace: Path) -> Path:
    """`load` copies a file; `score` takes its output and a number, which becomes its metric."""
    root = workplace / "small"
    write_copier(root / "parts", "copy", data={"type": "path"}, word={"default": "x"})
    write_copier(root / "parts", "score", data={"type": "path"}, word={"type": "float"})
    project = root / "parts" / "score" / "MLproject"
    contract = yaml.safe_load(project.read_text())
    contract["entry_points"]["main"]["metrics"] = {"score": "the number"}
    project.write_text(yaml.safe_dump(contract))
    code = root / "parts" / "score" / "run.py"
    code.write_text(code.read_text() + SCORE)
    (root / "start.txt").write_text("start")
    write_pipeline(
        root,
        {
            "load": {"uses": "parts/copy", "with": {"data": "start.txt", "word": "${letter}"}},
            "score": {
                "uses": "parts/score",
                "with": {"data": "${steps.load.outputs.out}", "word": "${number}"},
            },
        },
        {"letter": "a", "number": 1},
    )
    return root


def test_product_shares_and_sorts(scored: Path, call: Call) -> None:
    """Six runs below one: `load` runs once a letter, the table is sorted, the best is named; the same
    command again has nothing to do.
    """
    command = (*SWEEP, scored, "letter=a,b", "number=range(1,4)")
    result = call(*command)
    assert result.returncode == 0, result.stdout + result.stderr
    assert len(by_step("load")) == 2
    assert len(by_step("score")) == 6
    assert "sweep: 6 runs, compared by the largest score/score" in result.stdout
    table = [line.split()[1:3] for line in result.stdout.splitlines() if line.startswith(("a ", "b "))]
    assert [float(metric) for _, metric in table] == [3.0, 3.0, 2.0, 2.0, 1.0, 1.0]
    assert "8 of 12 steps executed" in result.stdout
    (top,) = [run for run in runs() if "waypost.sweep" in run.data.tags]
    assert top.info.status == "FINISHED"
    assert top.data.metrics == {"best/score/score": 3.0}
    below = [run for run in runs() if run.data.tags.get("mlflow.parentRunId") == top.info.run_id]
    assert len(below) == 6
    assert top.data.tags["waypost.best"] in {run.info.run_id for run in below}
    csv = Path(client().download_artifacts(top.info.run_id, "sweep.csv")).read_text().splitlines()
    assert csv[0] == "run_id,status,score/score,letter,number"
    assert len(csv) == 7
    page = Path(client().download_artifacts(top.info.run_id, "report.html")).read_text()
    assert "score/score 3, by <code>letter=" in page
    assert "score/score by number" in page
    assert call("python", "-m", "waypost", "report", top.info.run_id, "-o", "-").stdout == page
    again = call(*command, "--json")
    document = json.loads(again.stdout)
    assert document["run_id"] == ""
    assert all(point["result"]["current"] for point in document["points"])
    assert len(by_step("score")) == 6
    fewer = call(*SWEEP, scored, "letter=a", "number=range(1,3)", "--minimize", "--json")
    assert [point["metric"] for point in json.loads(fewer.stdout)["points"]] == [1.0, 2.0]


def test_a_failed_point_does_not_stop_the_others(scored: Path, call: Call) -> None:
    """A combination that fails comes last in the table, with its cause, and the metric if an earlier step
    measured it; exit code 1.
    """
    gate = {"data": "${steps.score.outputs.out}", "word": "${limit}"}
    steps = yaml.safe_load((scored / "pipeline.yaml").read_text())["steps"]
    steps["gate"] = {"uses": "parts/score", "with": gate}
    write_pipeline(scored, steps, {"letter": "a", "number": 1, "limit": 1})
    result = call(*SWEEP, scored, "number=2,3", "limit=-1,1", "--metric", "score/score")
    assert result.returncode == 1
    assert "error: number=3 limit=-1: gate: it is negative" in result.stdout
    assert "best: number=3 limit=1" in result.stdout
    table = re.findall(r"^(\d) +(-?1) +(\S+) +", result.stdout, re.MULTILINE)
    assert [(*row[:2], float(row[2])) for row in table] == [
        ("3", "1", 3.0),
        ("2", "1", 2.0),
        ("3", "-1", 3.0),
        ("2", "-1", 2.0),
    ]
    (top,) = [run for run in runs() if "waypost.sweep" in run.data.tags]
    assert top.info.status == "FAILED"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_goes_on_after_an_interruption(
    scored: Path, call: Call, forks: Forks, number: signal.Signals
) -> None:
    """Interrupted or killed in the middle, the same command finishes and repeats nothing that was done."""
    (scored / "slow").touch()
    command = [*SWEEP, str(scored), "number=range(1,7)", "--jobs", "1"]
    env = dict(os.environ)
    process = forks.start(command, Path.cwd(), env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for _ in range(600):
        done = [run for run in by_step("score") if run.data.tags.get("waypost.complete")]
        if len(done) >= 2:
            break
        time.sleep(0.1)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9), output
    opened = [run for run in runs() if "waypost.pipeline" in run.data.tags]
    assert len(opened) < 6, "a run is opened when there is room for its steps"
    if number == signal.SIGINT:
        assert not [run for run in runs() if run.info.status == "RUNNING"], "an interrupt closes all runs"
    # One that was hit between the two is done again: half-recorded is not done.
    recorded = [run for run in by_step("score") if run.data.tags.get("waypost.complete")]
    done = [run for run in recorded if run.info.status == "FINISHED"]
    (scored / "slow").unlink()
    result = call(*command)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not [run for run in runs() if run.info.status == "RUNNING"]
    finished = [run for run in by_step("score") if run.info.status == "FINISHED"]
    assert len(finished) == 6
    assert {run.info.run_id for run in done} <= {run.info.run_id for run in finished}


def test_mistakes_are_told_before_anything_runs(scored: Path, call: Call) -> None:
    """No key with several values, an unknown metric, an unknown parameter, a range that is none."""
    for arguments, code, text in (
        (("number=1",), 2, "nothing to sweep"),
        (("number=1,2", "--metric", "scoer"), 1, "no metric 'scoer'; did you mean 'score'?"),
        (("nmber=1,2",), 1, "did you mean 'number'?"),
        (("number=range(a)",), 1, "a range is range(stop)"),
        (("number=1,1",), 1, "a value appears twice"),
    ):
        result = call(*SWEEP, scored, *arguments)
        assert result.returncode == code
        assert text in result.stderr
    released = call(*SWEEP, f"file://{scored}#somewhere@1.0.0", "number=1,2")
    assert released.returncode in (2, 3), "what run takes, sweep takes: a release is looked for in git"
    assert "git" in released.stderr
    assert runs() == []


def test_points() -> None:
    """Lists, ranges of whole and other numbers, brackets and quotes; the product of all."""
    assert points(["a=1,2", "b=x"]) == [("a=1", "b=x"), ("a=2", "b=x")]
    assert points(["a=range(3)"]) == [("a=0",), ("a=1",), ("a=2",)]
    assert points(["a=range(0.1,0.4,0.1)"]) == [("a=0.1",), ("a=0.2",), ("a=0.3",)]
    assert points(["a=range(6,0,-2)"]) == [("a=6",), ("a=4",), ("a=2",)]
    assert points(["a=[1,2],[3]"]) == [("a=[1,2]",), ("a=[3]",)]
    assert points(["a='x,y',z"]) == [("a='x,y'",), ("a=z",)]
    assert len(points(["a=1,2,3", "b=range(4)", "+c=u,v"])) == 24
    assert swept(["a=1", "+b=1,2"]) == ["b"]
    for wrong in ("a", "=1,2", "a=range(0)", "a=range(1,2,0)", "a=range(100000)"):
        with pytest.raises(FindingsError):
            points([wrong])
