"""`waypost promote`, `rollback`, `info`, `check-drift`: from a pipeline run to a model that answers."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow.parquet as pq
import pytest
import requests
import yaml

from tests import models
from tests.conftest import LIBRARY, Call, variables
from tests.forks import Forks
from tests.pipelines import write_component, write_pipeline
from tests.serving import serving
from tests.team import tracking_server
from tests.test_run import RUN
from waypost.contracts.gate import find_metric, missed, parse_threshold
from waypost.errors import UsageError

WAYPOST = [sys.executable, "-m", "waypost"]
SPLIT = """
import sys, tempfile, mlflow, pandas as pd
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
sys.path.insert(0, given["--tests"])
from tests import models
with mlflow.start_run(), tempfile.TemporaryDirectory() as place:
    for name, rows, seed in (("train", 400, 0), ("test", 200, int(given["--seed"]))):
        table = models.frame(rows, seed)
        table["grade"] = models.labels(table)
        table.to_parquet(f"{place}/{name}.parquet")
        mlflow.log_artifact(f"{place}/{name}.parquet")
"""
TRAIN = """
import sys, mlflow, pandas as pd
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
sys.path.insert(0, given["--tests"])
from sklearn.ensemble import RandomForestClassifier
from tests import models
table = pd.read_parquet(given["--data"])
labels = table.pop("grade")
model = models.full_pipeline(forest=RandomForestClassifier(int(given["--trees"]), random_state=0))
model.fit(table, labels)
with mlflow.start_run():
    mlflow.sklearn.log_model(
        model, name="model", serialization_format="skops", skops_trusted_types=models.SKOPS_TYPES,
        signature=mlflow.models.infer_signature(table, pd.Series(model.predict(table.head(9)), name="grade")),
        input_example=table.head(3), pip_requirements=[], metadata={"target": "grade"},
    )
"""
EVALUATE = """
import sys, mlflow, pandas as pd
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
table = pd.read_parquet(given["--data"])
model = mlflow.pyfunc.load_model(given["--model"])
right = model.predict(table) == table["grade"]
with mlflow.start_run():
    mlflow.log_metrics({"accuracy": right.mean(), "log_loss": 1 - right.mean(),
                        "class/grade 0/recall": 0.05, "class/grade 0/support": 12.0,
                        "slice/kind/own/rows": 90.0, "slice/kind/own/accuracy": right.mean()})
"""
ROOT = str(Path(__file__).parents[1])


def write(root: Path) -> None:
    """Writes a pipeline that splits, trains and evaluates in some seconds, and can check its data."""
    text = {"type": "string"}
    write_component(root / "parts", "split", SPLIT, seed={"type": "int"}, tests=text)
    write_component(root / "parts", "train", TRAIN, data={"type": "path"}, trees={"type": "int"}, tests=text)
    write_component(root / "parts", "evaluate", EVALUATE, data={"type": "path"}, model={"type": "path"})
    for name, outputs in (("split", ("train", "test")), ("train", ("model",))):
        file = root / "parts" / name / "MLproject"
        content = yaml.safe_load(file.read_text())
        suffix = "" if name == "train" else ".parquet"
        content["entry_points"]["main"]["outputs"] = {o: {"path": f"{o}{suffix}"} for o in outputs}
        file.write_text(yaml.safe_dump(content, sort_keys=False))
    file = root / "parts" / "evaluate" / "MLproject"
    content = yaml.safe_load(file.read_text())
    content["entry_points"]["main"]["metrics"] = {
        "accuracy": {"kind": "quality", "better": "higher", "description": "share of right answers"},
        "log_loss": "in the short form, which declares nothing",
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    for name in ("check_data", "componentkit"):
        shutil.copytree(LIBRARY / name, root / "parts" / name, ignore=shutil.ignore_patterns("__pycache__"))
    train = "${steps.split.outputs.train}"
    test, model = "${steps.split.outputs.test}", "${steps.train.outputs.model}"
    steps: dict[str, Any] = {
        "split": {"uses": "parts/split", "with": {"seed": "${seed}", "tests": ROOT}},
        "check": {"uses": "parts/check_data", "with": {"data": train, "checks": {"rows": {"minimum": 1}}}},
        "train": {"uses": "parts/train", "with": {"data": train, "trees": "${trees}", "tests": ROOT}},
        "evaluate": {"uses": "parts/evaluate", "with": {"data": test, "model": model}},
    }
    write_pipeline(root, steps, {"seed": 7, "trees": 20})


@pytest.fixture
def pipeline(workplace: Path) -> Path:
    """That pipeline in the workplace, and the workplace's store."""
    write(workplace / "pipeline")
    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    return workplace / "pipeline"


@dataclass(frozen=True)
class Promoted:
    """A run whose model is grades@champion, and what `waypost promote --json` said of it."""

    folder: Path
    run: str
    told: dict[str, Any]


@pytest.fixture(scope="module")
def once_promoted(empty_store: Path, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Promoted:
    """Made once, and looked at by all: their stores are copies, which find the artifacts here."""
    folder = tmp_path_factory.mktemp("promoted")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    write(folder / "pipeline")
    env = variables(folder)
    run = forks.run([*RUN, "pipeline", "--json"], folder, env)
    assert run.returncode == 0, run.stdout + run.stderr
    run_id = json.loads(run.stdout)["run_id"]
    promote = ["promote", run_id, "--name", "grades", "--min", "accuracy=0.3", "--json"]
    result = forks.run([*WAYPOST, *promote], folder, env)
    assert result.returncode == 0, result.stderr
    return Promoted(folder, run_id, json.loads(result.stdout))


@pytest.fixture
def promoted(once_promoted: Promoted, pipeline: Path) -> Promoted:
    """The same in the store of this workplace."""
    shutil.copyfile(once_promoted.folder / "mlflow.db", "mlflow.db")
    return once_promoted


def run_of(call: Call, pipeline: Path, *overrides: str) -> str:
    result = call(*RUN, pipeline, "--env", "local", "--json", *overrides)
    assert result.returncode == 0, result.stdout + result.stderr
    return str(json.loads(result.stdout)["run_id"])


def versions(name: str) -> list[Any]:
    found: list[Any] = mlflow.MlflowClient().search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda version: int(version.version))


@pytest.mark.journey
@pytest.mark.xdist_group("promote")
def test_promoted_described_and_rolled_back(promoted: Promoted, pipeline: Path, call: Call) -> None:
    """A run's model becomes a version with all that leads back to its origin, a card and a proof on
    held-out rows; the next one takes the alias and keeps the old as `previous`; rollback gives it back, and
    undoes itself; the same again changes nothing; stock MLflow loads it, and the run stays current.
    """
    run, told = promoted.run, promoted.told
    assert (told["version"], told["previous"]) == ("1", None)
    assert told["proof"]["is_equal"]
    assert told["proof"]["rows"] == 203  # all rows of the test table, and the model's own example
    (version,) = versions("grades")
    tags = version.tags
    client = mlflow.MlflowClient()
    steps = {k: v for k, v in client.get_run(run).data.tags.items() if k.startswith("waypost.step.")}
    split = client.get_run(steps["waypost.step.split"]).data.tags
    assert tags["waypost.run"] == run
    assert tags["waypost.data.split.train"] == split["waypost.output.train"]
    assert tags["waypost.component.train"].startswith("parts/train train:")
    for part in ("# grades, version 1", "## Metrics", "Class grade 0 is rarely found", "12 rows only"):
        assert part in version.description, version.description
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/model_card/grades-1.md")
    assert card.startswith(version.description[:500])

    # As `waypost run URL@1.2.0` tags it; the release's name is enough then.
    client.set_tag(run, "waypost.release", "1.2.0")
    client.set_tag(run, "waypost.release.url", "https://example.org/grades")
    beats = ["--name", "grades", "--better-than", "champion"]
    for release in ("1.2.0", "v1.2.0", "https://example.org/grades@1.2.0"):
        found = call(*WAYPOST, "promote", release, *beats)
        assert "grades@champion is version 1 already" in found.stdout, found.stderr
    other_url = call(*WAYPOST, "promote", "https://example.org/other@1.2.0", "--name", "grades")
    assert "no finished run of this release" in other_url.stderr

    again = call(*WAYPOST, "promote", run, "--name", "grades")
    assert "grades@champion is version 1 already" in again.stdout
    assert len(versions("grades")) == 1

    other = run_of(call, pipeline, "trees=3")
    second = call(*WAYPOST, "promote", other, "--name", "grades")
    assert "grades@champion is version 2, version 1 is the one before" in second.stdout, second.stderr
    for champion, previous in (("1", "2"), ("2", "1")):
        assert call(*WAYPOST, "rollback", "grades").returncode == 0
        aliases = client.get_registered_model("grades").aliases
        assert {k: str(v) for k, v in aliases.items()} == {"champion": champion, "previous": previous}

    shown = json.loads(call(*WAYPOST, "info", "models:/grades@champion", "--json").stdout)
    assert shown["tags"]["waypost.run"] == other
    assert shown["aliases"] == ["champion"]
    text = call(*WAYPOST, "info", "models:/grades/1").stdout
    assert tags["waypost.data.split.train"] in text
    assert "amount: double" in text

    loaded = mlflow.pyfunc.load_model("models:/grades@champion")
    assert len(loaded.predict(models.frame(5))) == 5
    assert "is current" in call(*RUN, pipeline, "--env", "local", "trees=3").stdout


@pytest.mark.journey
@pytest.mark.xdist_group("promote")
def test_gate(promoted: Promoted, pipeline: Path, call: Call) -> None:
    """All that keeps a model out is told at once, and nothing is registered: thresholds, a champion that is
    better, figures that were measured on other data. Which side is better the contract says, else the user;
    nobody guesses it from the metric's name.
    """
    bad = run_of(call, pipeline, "trees=1")
    first = ["promote", "--name", "grades", "--metric", "accuracy", "--better-than", "champion"]
    result = call(*WAYPOST, *first, bad, "--min", "accuracy=0.99", "--max", "log_loss=0.01")
    assert result.returncode == 1
    assert "evaluate/accuracy" in result.stderr
    assert "required minimum" in result.stderr
    assert "required maximum" in result.stderr
    assert "not better than grades/1 (champion)" in result.stderr
    assert "3 problems found, nothing was promoted" in result.stderr
    elsewhere = run_of(call, pipeline, "seed=8")
    result = call(*WAYPOST, *first, elsewhere)
    assert result.returncode == 1
    assert "measured on different data" in result.stderr
    assert "--any-data" in result.stderr
    undeclared = ["promote", bad, "--name", "grades", "--metric", "log_loss", "--better-than", "champion"]
    result = call(*WAYPOST, *undeclared)
    assert result.returncode == 2
    assert "--lower or --higher" in result.stderr
    result = call(*WAYPOST, *undeclared, "--lower")
    assert result.returncode == 1
    assert "not better than grades/1 (champion)" in result.stderr
    assert "lower is better" in result.stderr
    result = call(*WAYPOST, *first, bad, "--lower")
    assert result.returncode == 2
    assert "the contract says that higher is better for 'evaluate/accuracy'" in result.stderr
    assert len(versions("grades")) == 1


@pytest.mark.journey
def test_runs_of_other_code(workplace: Path, call: Call) -> None:
    """A run that knows no contract: its user says which side is better, and data that nobody knows are not
    the same data. The run that has the alias already beats nobody, and stays.
    """
    from sklearn.linear_model import LinearRegression

    mlflow.set_tracking_uri(f"sqlite:///{workplace / 'mlflow.db'}")
    rows = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    runs = []
    for value in (1.0, 2.0):
        with mlflow.start_run() as run:
            mlflow.log_metric("mape", value)
            signature = mlflow.models.infer_signature(rows, rows["a"])
            model = LinearRegression().fit(rows, rows["a"])
            mlflow.sklearn.log_model(
                model, name="model", signature=signature, serialization_format="skops", pip_requirements=[]
            )
            runs.append(run.info.run_id)
    beats = ["--name", "prices", "--better-than", "champion", "--metric", "mape", "--lower"]
    for _ in range(2):
        result = call(*WAYPOST, "promote", runs[0], *beats)
        assert result.returncode == 0, result.stderr
    assert "prices@champion is version 1 already" in result.stdout
    result = call(*WAYPOST, "promote", runs[1], *beats)
    assert result.returncode == 1
    assert "the data that it was measured on is unknown" in result.stderr
    result = call(*WAYPOST, "promote", runs[1], *beats, "--any-data")
    assert result.returncode == 1
    assert "it is 2.0000, not better than prices/1 (champion) with 1.0000: lower is better" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["promote", "0" * 32, "--name", "n"], "0" * 32),
        (["promote", "9.9.9", "--name", "n"], "no finished run of this release"),
        (["promote", "banana", "--name", "n"], "banana: not a run or release"),
        (["promote", "9.9.9", "--name", "n", "--min", "roc_auc"], "is not METRIC=VALUE"),
        (["rollback", "nobody"], "no version has the alias 'champion'"),
        (["info", "models:/nobody/1"], "nobody"),
        (["info", "somewhere"], "no MLflow model here"),
    ],
)
def test_what_cannot_be_promoted_is_told(
    arguments: list[str], message: str, workplace: Path, call: Call
) -> None:
    """A run, release or model that is not there: one line and an exit code, no stack trace."""
    result = call(*WAYPOST, *arguments)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.journey
@pytest.mark.xdist_group("promote")
def test_drift_of_what_a_server_is_asked(
    promoted: Promoted, pipeline: Path, workplace: Path, call: Call
) -> None:
    """Samples that are like the training data pass; samples that are not fail, and the column is named;
    both are runs of the pipeline's own component for it, known by what it takes, or named.
    """
    for name, shift in (("same", 0.0), ("shifted", 60.0)):
        table = models.frame(300, seed=11).assign(amount=lambda t: t["amount"] + shift)  # noqa: B023
        asked = {"dataframe_split": json.loads(table.to_json(orient="split"))}
        options = ["--log-predictions", str(workplace / name)]
        with serving("models:/grades@champion", *options, cwd=workplace) as server:
            assert server.ask(asked).status_code == 200
            assert server.stop() == 0
        assert set(pq.read_table(workplace / name)["_model"].to_pylist()) == {"grades/1"}
        check = ["check-drift", "models:/grades@champion", name, "-p", pipeline, "--env", "local"]
        result = call(*WAYPOST, *check)
        if shift:
            assert result.returncode == 1, result.stdout + result.stderr
            assert "column 'amount': no drift (KS)" in result.stdout
        else:
            assert result.returncode == 0, result.stdout + result.stderr
    runs: Any = mlflow.search_runs(
        experiment_names=["grades-drift"], filter_string="tags.`waypost.step` != ''"
    )
    assert set(runs["tags.waypost.component"]) == {"parts/check_data"}
    for component, said in (
        ("parts/train", "has no parameter reference, checks"),
        ("chek", "no component 'chek'"),
    ):
        result = call(*WAYPOST, *check, "--component", component)
        assert result.returncode == 2
        assert said in result.stderr
    empty = workplace / "empty"
    empty.mkdir()
    result = call(*WAYPOST, "check-drift", "models:/grades@champion", empty, "-p", pipeline)
    assert result.returncode == 2
    assert "no predictions here" in result.stderr


def test_metrics_by_their_short_names() -> None:
    """A metric may be named without its step; one of several is asked back."""
    metrics = {"evaluate/roc_auc": 0.7, "evaluate/slice/a/roc_auc": 0.6, "train/fit": 1.0, "test/fit": 2.0}
    assert find_metric("roc_auc", metrics) == "evaluate/roc_auc"
    with pytest.raises(UsageError, match="is ambiguous: test/fit, train/fit"):
        find_metric("fit", metrics)
    with pytest.raises(UsageError, match="no metric 'roc_acu'") as error:
        find_metric("roc_acu", metrics)
    assert "did you mean 'roc_auc'?" in error.value.hint
    (finding,) = missed(metrics, [parse_threshold("roc_auc=0.75", is_least=True)])
    assert str(finding) == "evaluate/roc_auc: it is 0.7000, 0.0500 below the required minimum of 0.75"
    nan = missed({"a": float("nan")}, [parse_threshold("a=0.1", is_least=True)])
    assert len(nan) == 1


@pytest.mark.long
@pytest.mark.journey
@pytest.mark.xdist_group("promote")
def test_from_registry_over_http(pipeline: Path, workplace: Path, call: Call, forks: Forks) -> None:
    """With a tracking server, a promoted model is downloaded once, scored and served."""
    store = f"sqlite:///{workplace}/mlflow.db"
    with tracking_server(workplace / "server", store, forks=forks) as tracking:
        env = {"MLFLOW_TRACKING_URI": tracking.url}
        result = call(*RUN, pipeline, "--env", "local", "--json", env=env)
        assert result.returncode == 0, result.stderr
        run = json.loads(result.stdout)["run_id"]
        promoted = call(*WAYPOST, "promote", run, "--name", "grades", env=env)
        assert promoted.returncode == 0, promoted.stderr
        table = models.frame(50, seed=4)
        table.to_parquet(workplace / "t.parquet")
        model = "models:/grades@champion"
        scored = call(*WAYPOST, "score", model, "t.parquet", "out", env=env)
        assert scored.returncode == 0, scored.stderr
        with serving(model, cwd=workplace, env=env) as server:
            asked = {"dataframe_split": json.loads(table.to_json(orient="split"))}
            told = requests.post(f"{server.url}/invocations", json=asked, timeout=30)
            assert told.json()["predictions"] == pd.read_parquet(workplace / "out")["prediction"].tolist()
