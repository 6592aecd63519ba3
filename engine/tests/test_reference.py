"""The reference pipeline and its other data sets, end to end."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import mlflow
import pytest

from tests.conftest import ROOT, Call
from tests.test_run import RUN, client, is_result

PIPELINE = ROOT / "pipeline"
QUICK = ["model.n_estimators=30", "train.permutation.repeats=0"]


def document(call: Call, *arguments: str | Path) -> dict[str, object]:
    result = call(*RUN, PIPELINE, "--json", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    content: dict[str, object] = json.loads(result.stdout)
    return content


def evidence(run: dict[str, object]) -> tuple[dict[str, str], dict[str, float]]:
    """Returns the digests of all tables, and all metrics that are not times."""
    digests: dict[str, str] = {}
    metrics: dict[str, float] = {}
    for step in run["steps"]:  # type: ignore[attr-defined]
        data = client().get_run(step["run_id"]).data
        digests |= {k: v for k, v in data.tags.items() if re.match(r"output\.(clean|train|test|pred)", k)}
        assert data.tags["waypost.complete"] == "true"
        metrics |= {f"{step['name']}/{k}": v for k, v in data.metrics.items() if is_result(k)}
    return digests, metrics


@pytest.mark.xdist_group("reference")
def test_twice_the_same(workplace: Path, call: Call) -> None:
    """Two runs with the same parameters, one in forks of a worker and one in plain processes: equal
    tables, predictions and metrics to the last digit.
    """
    how = (["--worker", "fork"], ["--worker", "process", "--no-cache"])
    one, two = (evidence(document(call, *QUICK, "evaluate.min_auc=0.68", *options)) for options in how)
    assert set(one[0]) == {f"output.{name}.sha256" for name in ("clean", "train", "test", "predictions")}
    assert len(one[1]) > 50
    assert one == two


@pytest.mark.xdist_group("reference")
def test_threshold_fails_the_run(workplace: Path, call: Call) -> None:
    """A model below the threshold: the run fails and says by how much."""
    result = call(*RUN, PIPELINE, *QUICK, "evaluate.min_auc=0.99")
    assert result.returncode == 1
    assert re.search(r"roc_auc is 0\.\d{4}, 0\.\d{4} below the 0\.99 wanted", result.stdout)


@pytest.mark.xdist_group("reference")
def test_changed_data_is_told(workplace: Path, call: Call) -> None:
    """Other data than params.yaml names: exit code 4 and both digests, before anything is trained."""
    result = call(*RUN, PIPELINE, f"data.sha256={'f' * 64}")
    assert result.returncode == 4
    assert f"sha256 expected {'f' * 64}, found a95529e0" in result.stdout


@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
def test_other_data_by_parameters_only(workplace: Path, call: Call, name: str) -> None:
    """Two classes, three, and ten with numbers as labels: the same pipeline, another file."""
    run = document(call, "--params", PIPELINE / "examples" / f"{name}.yaml", *QUICK)
    _, metrics = evidence(run)
    assert metrics["evaluate/roc_auc"] > 0.95
    parent = client().get_run(str(run["run_id"]))
    assert parent.data.metrics["evaluate/roc_auc"] == metrics["evaluate/roc_auc"]


def test_stock_mlflow_runs_the_pipeline(workplace: Path, call: Call) -> None:
    """`mlflow run … -P overrides=…` of the repository does the same: six children below the project's run.
    Of its folder `pipeline` it does so, too: there the same steps are taken over.
    """
    copy = workplace / "repository"  # as a clone has it: engine, library and pipeline side by side
    for name in ("engine/src", "pipeline", "components-repo"):
        not_in_a_clone = shutil.ignore_patterns("__pycache__", "mlflow.db", "mlruns", ".*")
        shutil.copytree(ROOT / name, copy / name, ignore=not_in_a_clone)
    for name in ("MLproject", "python_env.yaml"):
        shutil.copyfile(ROOT / name, copy / name)
    overrides = " ".join([*QUICK, "model.max_depth=8", "evaluate.min_auc=0.6"])

    def run(folder: str) -> mlflow.entities.Run:
        project = copy / folder / "MLproject"
        project.write_text(project.read_text().replace(" --overrides", " --env local --dev --overrides"))
        how = ("--env-manager", "local", "-P", f"overrides={overrides}")
        result = call("mlflow", "run", copy / folder, *how)
        assert result.returncode == 0, result.stdout + result.stderr
        parent = re.findall(r"Run \(ID '(\w+)'\) succeeded", result.stdout + result.stderr)[0]
        found = client().get_run(parent)
        assert found.info.status == "FINISHED"
        assert found.data.params["model.max_depth"] == "8"
        return found

    whole = run(".")
    below = f"tags.`mlflow.parentRunId` = '{whole.info.run_id}'"
    children = client().search_runs([whole.info.experiment_id], below)
    assert [child.info.status for child in children] == ["FINISHED"] * 6
    ids = {f"waypost.step.{child.data.tags['waypost.step']}": child.info.run_id for child in children}
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model(f"runs:/{ids['waypost.step.train']}/model")
    assert model.metadata.metadata["target"] == "grade"
    assert len(model.metadata.metadata["features"]["numeric"]) >= 20
    assert ids.items() <= run("pipeline").data.tags.items()
