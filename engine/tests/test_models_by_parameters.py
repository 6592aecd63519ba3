"""Tables from a file to answers of a promoted model, by parameters alone; beside a plain script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.conftest import ROOT, Call
from tests.serving import serving
from tests.test_reference import QUICK
from tests.test_run import RUN, WAYPOST, client

pytestmark = [pytest.mark.journey, pytest.mark.long]

PIPELINE = ROOT / "pipeline"
BOOSTED = [
    "train.permutation.repeats=0",
    "model.learning_rate=0.2",
    "evaluate.max_rmse=0",
    "evaluate.min_auc=0",
]


def plain_forest(train: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    """Returns the accuracy that a script of a few lines reaches with the same forest."""
    forest = RandomForestClassifier(
        30,
        max_depth=20,
        min_samples_leaf=5,
        max_features=0.2,
        class_weight="balanced_subsample",
        random_state=42,
    )
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), forest)
    model.fit(train.drop(columns=target).astype(float), train[target])
    return float(accuracy_score(test[target], model.predict(test.drop(columns=target).astype(float))))


def plain_boosting(train: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    """Returns the error that boosted trees reach on the columns of numbers alone."""
    numbers = [name for name in train.select_dtypes("number") if name != target]
    model = HistGradientBoostingRegressor(
        learning_rate=0.2, max_leaf_nodes=15, early_stopping=True, random_state=42
    )
    model.fit(train[numbers], train[target])
    return float(root_mean_squared_error(test[target], model.predict(test[numbers])))


def ran(call: Call, folder: Path, arguments: list[Any]) -> tuple[str, dict[str, str]]:
    """Runs a pipeline. Returns (id of its run, those of its steps)."""
    result = call(*RUN, folder, "--dev", "--json", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    content = json.loads(result.stdout)
    return content["run_id"], {step["name"]: step["run_id"] for step in content["steps"]}


@pytest.mark.parametrize(
    ("folder", "parameters", "quick"),
    [
        (".", "examples/breast_cancer.yaml", QUICK),
        (".", "examples/wine.yaml", QUICK),
        (".", "examples/digits.yaml", QUICK),
        ("boosting", "boosting/params.yaml", BOOSTED),
    ],
)
def test_from_a_table_to_answers(
    workplace: Path, call: Call, folder: str, parameters: str, quick: list[str]
) -> None:
    """Train, evaluate, promote, serve and score by parameters alone: the promoted model answers a table and a
    request as it was evaluated, and is as good as a plain script on the same rows.
    """
    more = [] if parameters.endswith("params.yaml") else ["--params", PIPELINE / parameters]
    run_id, steps = ran(call, PIPELINE / folder, [*more, *quick])
    metrics = client().get_run(steps["evaluate"]).data.metrics
    name = "rmse" if "rmse" in metrics else "accuracy"
    assert metrics[f"{name}/low"] < metrics[f"{name}/high"]
    file = client().download_artifacts(steps["segregate"], "test.parquet")
    test = pd.read_parquet(file)
    train = pd.read_parquet(client().download_artifacts(steps["segregate"], "train.parquet"))
    evaluated = pd.read_parquet(client().download_artifacts(steps["evaluate"], "predictions.parquet"))
    if folder == ".":
        assert metrics["accuracy"] == pytest.approx(plain_forest(train, test, "target"), abs=1e-12)
    elif name == "rmse":
        assert metrics["rmse"] < plain_boosting(train, test, "interest_rate") * 1.02
    promoted = call(*WAYPOST, "promote", run_id, "--name", "answers")
    assert promoted.returncode == 0, promoted.stdout + promoted.stderr
    scored = call(*WAYPOST, "score", "models:/answers@champion", file, workplace / "scored")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    answers = pd.concat(map(pd.read_parquet, sorted((workplace / "scored").glob("*.parquet"))))
    assert answers["prediction"].tolist() == evaluated["prediction"].tolist()
    with serving("models:/answers@champion", cwd=workplace) as server:
        reply = server.ask({"dataframe_split": json.loads(test.head(3).to_json(orient="split", index=False))})
    assert reply.json()["predictions"] == evaluated["prediction"].head(3).tolist()
