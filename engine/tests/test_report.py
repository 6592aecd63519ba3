"""Reports of real runs: made by the run, made again later, of failed and reused runs, of sweeps, compared."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import mlflow
import pytest

import waypost
from tests.conftest import Call
from tests.pipelines import write_component, write_pipeline
from waypost.errors import UsageError
from waypost.tracking.baselines import baseline_of
from waypost.tracking.registry import Registry

CODE = """
import json, pathlib, sys, tempfile, mlflow
import pyarrow as pa, pyarrow.parquet as pq
depth = int(sys.argv[2])
png = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000000000500010d0a2db40000000049454e44ae426082")
with mlflow.start_run(), tempfile.TemporaryDirectory() as temp:
    folder = pathlib.Path(temp)
    mlflow.log_metrics({"auc": 0.5 + depth / 100, "auc_low": 0.5, "auc_high": 0.6})
    figure = {"title": "Loss", "part": "model", "mark": "line", "x": "epoch", "y": "loss",
              "columns": [{"name": "epoch"}, {"name": "loss"}], "rows": [[1, 2.0], [2, 1.0]]}
    (folder / "figures.json").write_text(json.dumps({"schema": 1, "figures": [figure]}))
    said = ["a" if n < depth else "b" for n in range(10)]
    pq.write_table(pa.table({"said": said}), folder / "answers.parquet")
    mlflow.log_artifacts(temp)
    if depth == 13:
        sys.exit("error: depth 13 brings bad luck")
"""
PLAIN = """
import mlflow, pathlib, tempfile
png = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
with mlflow.start_run(), tempfile.TemporaryDirectory() as temp:
    pathlib.Path(temp, "loss.png").write_bytes(png)
    pathlib.Path(temp, "page.png").write_bytes(b"<html>")
    mlflow.log_artifacts(temp, "plots")
    mlflow.log_metric("steps", 3)
"""
DECLARED = """
    outputs:
      figures: {path: figures.json, type: figures}
      answers: {path: answers.parquet, type: table, predictions: said}
    metrics:
      auc: {kind: quality, better: higher, interval: [auc_low, auc_high]}
"""


@pytest.fixture
def pipeline(workplace: Path) -> Path:
    """A pipeline of a step that hands over figures and predictions, and of one that knows nothing of them."""
    folder = workplace / "small"
    write_component(folder / "parts", "fit", CODE, depth={})
    contract = folder / "parts" / "fit" / "MLproject"
    contract.write_text(contract.read_text() + DECLARED.lstrip("\n"))
    write_component(folder / "parts", "plain", PLAIN)
    steps = {
        "plain": {"uses": "parts/plain"},
        "fit": {
            "uses": "parts/fit",
            "with": {"depth": "${depth}"},
            "after": ["plain"],
            "resources": {"cpus": 1},
        },
    }
    write_pipeline(folder, steps, {"depth": 2})
    return folder


def run_of(text: str) -> str:
    return str(re.findall(r"run (\w{32})", text)[-1])


def place(run_id: str, artifact: str) -> Path:
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    return Path(str(client.get_run(run_id).info.artifact_uri).removeprefix("file://"), artifact)


def logged(run_id: str) -> str:
    return place(run_id, "report.html").read_text(encoding="utf-8")


def test_a_run_makes_its_report(pipeline: Path, call: Call) -> None:
    """A run logs its page, a description and what each step took; made again later it is the same bytes. The
    next one says what changed; what it reused, and why; a component's figures, and a stranger's images.
    """
    command = ("python", "-m", "waypost")
    first = call(*command, "run", "small", "--env", "local")
    assert first.returncode == 0, first.stderr
    assert "report: mlruns/" in first.stdout
    assert re.search(
        r"then http://127.0.0.1:5000/#/experiments/\d+/runs/\w{32}\?workflowType=\w+\)", first.stdout
    )
    before = run_of(first.stdout)
    page = logged(before)
    assert call(*command, "report", before, "-o", "one.html").returncode == 0
    assert Path("one.html").read_text(encoding="utf-8") == page
    for told in (
        "<h4>Loss</h4>",
        "data:image/png;base64,",
        "0.5200",
        "0.5000 to 0.6000",
        "There is no earlier",
        "1 image did not fit or cannot be read",
    ):
        assert told in page
    assert str(Path.cwd()) not in page
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    tags = client.get_run(before).data.tags
    assert "| fit/auc | 0.5200 |" in tags["mlflow.note.content"]
    assert socket.gethostname() not in tags["waypost.process"]
    taken = client.get_run(tags["waypost.step.fit"]).data.metrics
    assert {"system/seconds", "system/cpu_seconds", "system/peak_memory_mb"} <= taken.keys()

    again = call(*command, "run", "small", "depth=5", "--env", "local")
    after = run_of(again.stdout)
    page = logged(after)
    for told in (
        "= reused",
        "parameter</strong>: depth: 2 → 5",
        "+0.0300",
        "waypost run . --env=local depth=5",
    ):
        assert told in page
    other = call(*command, "report", "--against", before, "-o", "-")
    assert re.sub(rf"run {before[:12]}(?!\w)", "the previous run", other.stdout) == page

    found = call(*command, "compare", before, after, "--json")
    document = json.loads(found.stdout)
    assert document["predictions"] == [
        {
            "name": "fit.answers",
            "rows": 10,
            "changed": 3,
            "first": [3, 4, 5],
            "moves": [["b", "a", 3]],
            "problem": "",
        }
    ]
    assert document["metrics"][0]["interval_after"] == [0.5, 0.6]
    assert call(*command, "compare", before, after, "--html", "both.html").returncode == 0
    assert "3 of 10 predictions" in Path("both.html").read_text()
    result = waypost.run("small", {"depth": 5}, env="local", quiet=True)
    assert (result.run_id, result.was_there) == (after, True)
    assert list(result.frame("answers")["said"])[4:6] == ["a", "b"]
    assert result.report == page
    with pytest.raises(UsageError, match="0 models: none"):
        _ = result.model
    shown = result._repr_html_()
    assert shown.startswith('<iframe title="Report of run ')
    assert shown.count("<") == 2  # the page is an attribute of the frame
    assert 'sandbox="allow-scripts"' in shown
    Path("mine.html").write_text("mine")
    place(after, "waypost/outcome.json").unlink()  # as of an engine that did not keep it
    old = call(*command, "report", after, "-o", "-").stdout
    assert ("✓ executed" in old, "= reused" in old, "0.5500" in old) == (True, True, True)
    refused = call(*command, "report", "-o", "mine.html")
    assert (refused.returncode, Path("mine.html").read_text()) == (2, "mine")
    assert "is no report" in refused.stderr


def test_failed_runs_and_runs_without(pipeline: Path, call: Call) -> None:
    """A failed run has a page that says where and why; with `report: false` none is made."""
    command = ("python", "-m", "waypost")
    failed = call(*command, "run", "small", "depth=13", "--env", "local")
    assert failed.returncode == 1
    page = logged(run_of(failed.stdout))
    for told in ("Failed at fit", "depth 13 brings bad luck", "<h4>Loss</h4>"):
        assert told in page
    file = pipeline / "pipeline.yaml"
    file.write_text(f"report: false\n{file.read_text()}")
    quiet = call(*command, "run", "small", "depth=3", "--env", "local")
    assert quiet.returncode == 0
    assert "report:" not in quiet.stdout
    assert call(*command, "report", run_of(quiet.stdout), "-o", "-").returncode == 0
    assert call(*command, "report", "0" * 32).returncode == 1


def test_a_release_is_a_run_with_its_own_parameters(workplace: Path) -> None:
    """A newer run of a release with other parameters is neither what its version names, nor a baseline."""
    client = mlflow.MlflowClient(f"sqlite:///{workplace}/mlflow.db")
    experiment = client.create_experiment("grades")

    def finished(version: str, **more: str) -> str:
        tags = {"waypost.pipeline": "grades", "waypost.release": version, **more}
        run_id = client.create_run(experiment, tags=tags).info.run_id
        client.set_terminated(run_id)
        time.sleep(0.002)
        return str(run_id)

    other = {"waypost.overrides": "depth=9 (8)"}
    only = finished("1.0.0", **other)
    plain = finished("1.1.0")
    finished("1.1.0", **other)
    last = finished("1.2.0")
    assert Registry().run_of("1.1.0") == plain
    assert Registry().run_of("1.0.0") == only
    baseline = baseline_of(client, client.get_run(last))
    assert baseline is not None
    assert baseline.info.run_id == plain
