"""train_xgboost: what it promises."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from packaging.requirements import Requirement
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from componentkit.arguments import ComponentError
from train_xgboost.model import (
    PACKAGES,
    TRUSTED,
    ModelConfig,
    new_pipeline,
    quantile_of,
    settled,
    trees_in,
    trees_of,
)
from train_xgboost.train import LEARNER
from training.learner import Asked, fitted, fold_scores, learned
from training.tasks import task_of
from training.trainer import prepare

DRAW = np.random.default_rng(0)
SIZE = np.where(np.arange(240) % 7, DRAW.normal(size=240), np.nan)
CITY = DRAW.choice(np.array(["x", "y", None]), 240)
COST = np.nan_to_num(SIZE, nan=2.0) + 3 * (CITY == "x") + DRAW.normal(0, 0.2, 240)
TABLE = pd.DataFrame({"size": SIZE, "city": CITY, "code": DRAW.integers(0, 4, 240), "cost": COST})
TABLE["level"] = np.array(["low", "middle", "top"])[np.digitize(COST, [0, 2])]
TABLE["is_late"] = COST > 1
LEARN, VALIDATE = np.arange(160), np.arange(160, 240)


def wanted(target: str, *, jobs: int = 1, boosting: Any = (), **changes: Any) -> Asked:
    task = task_of("regression" if target == "cost" else "classification")
    said = {
        "features": {"numeric": ["size"], "categorical": ["city", "code"]},
        "boosting": {"max_depth": 3, "learning_rate": 0.3, **dict(boosting)},
    }
    config = ModelConfig.model_validate(said | changes)
    return Asked(config, task, *prepare(TABLE, target, config.features, task), seed=1, jobs=jobs)


def model_of(asked: Asked) -> Pipeline:
    return learned(LEARNER, asked, LEARN, VALIDATE)[0]


@pytest.mark.parametrize(
    ("target", "measure"), [("level", "accuracy"), ("is_late", "accuracy"), ("cost", "r2")]
)
def test_classes_keep_their_names_when_stored(target: str, measure: str) -> None:
    """The stored model is made of stock parts, says the same, and answers what it has never seen."""
    asked = wanted(target)
    model = model_of(asked)
    scores, said = asked.task.scores(model, asked.features.iloc[VALIDATE], asked.labels[VALIDATE])
    assert scores[measure] > 0.85
    assert target == "cost" or set(said) <= set(TABLE[target])
    stored = skops.io.loads(skops.io.dumps(model), trusted=list(TRUSTED))
    assert (stored.predict(asked.features) == model.predict(asked.features)).all()
    odd = pd.DataFrame({"size": [np.nan, 1e30], "city": ["new", None], "code": [99, np.nan]})
    assert len(stored.predict(odd)) == 2


def test_a_vote_of_one_is_its_trees() -> None:
    """Probabilities are XGBoost's own bits; early stopping leaves the vote as scikit-learn's fitting does."""
    asked = wanted("level")
    early, exact = model_of(asked), model_of(wanted("level", early_stopping=False))
    assert isinstance(early[-1], VotingClassifier)
    assert list(vars(early[-1])) == list(vars(exact[-1]))
    assert early.classes_.tolist() == exact.classes_.tolist() == ["low", "middle", "top"]
    rows = early[:-1].transform(asked.features)
    expected = trees_in(early).predict_proba(rows)
    found = early.predict_proba(asked.features)
    assert found.dtype == expected.dtype == np.float32
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("target", ["level", "cost"])
def test_learning_stops_by_the_validation_rows(target: str) -> None:
    """The best round answers, not the last one; what learns from all rows makes as many trees."""
    asked = wanted(target)
    model = model_of(asked)
    trees, rows = trees_in(model), model[:-1].transform(asked.features)
    assert 1 < trees_of(model) < trees.get_booster().num_boosted_rounds() < trees.n_estimators
    assert LEARNER.doubts(model) == []
    margin = trees.get_booster().predict(xgboost.DMatrix(rows), output_margin=True)
    best = trees.predict(rows, output_margin=True)
    assert not np.array_equal(margin, best)
    again = fitted(settled(model), asked.features, asked.labels)
    assert trees_of(again) == trees_of(model) == trees_in(again).get_booster().num_boosted_rounds()
    short = model_of(wanted(target, boosting={"n_estimators": 3}))
    assert "had not stopped after 3 rounds" in LEARNER.doubts(short)[0]
    assert trees_of(model_of(wanted(target, early_stopping=False, boosting={"n_estimators": 7}))) == 7
    folds = fold_scores(LEARNER, asked, LEARN, VALIDATE, 0.2)
    assert folds["r2" if target == "cost" else "accuracy"] > 0.8


@pytest.mark.parametrize("target", ["level", "cost"])
def test_any_number_of_cores_makes_the_same_model(target: str) -> None:
    """Rows and columns are drawn by the seed alone, and sums do not depend on threads."""
    drawn = {"subsample": 0.7, "colsample_bytree": 0.7}
    models = [model_of(wanted(target, jobs=jobs, boosting=drawn)) for jobs in (1, 2)]
    one, two = (trees_in(model).get_booster().get_dump(dump_format="json") for model in models)
    assert one == two


def test_weights_of_classes_are_weights_of_rows() -> None:
    """A heavy class is more probable; its weight counts with early stopping and without."""
    for is_stopping in (True, False):
        plain, heavy = (
            model_of(wanted("is_late", early_stopping=is_stopping, class_weight=weights))
            .predict_proba(TABLE)[:, 1]
            .mean()
            for weights in ("none", {True: 500, False: 1})
        )
        assert heavy > plain + 0.005
    with pytest.raises(ComponentError, match="class_weight: no class 'late'"):
        new_pipeline(wanted("is_late", class_weight={"late": 5}))


def test_the_requirement_is_what_is_installed() -> None:
    """Two distributions have XGBoost's one module: a model asks for the one that its platform has."""
    asked = [one for one in map(Requirement, PACKAGES) if one.marker is None or one.marker.evaluate()]
    assert [version(one.name) in one.specifier for one in asked] == [True]


def test_options() -> None:
    """Constraints hold, a quantile is said in the metadata, and mistakes are told in a line."""
    line = pd.DataFrame({"size": np.linspace(-3, 3, 200), "city": "x", "code": 1})
    falling = model_of(wanted("cost", monotonic={"size": "decreasing"}))
    assert (np.diff(falling.predict(line)) <= 0).all()
    rare = model_of(wanted("is_late", monotonic={"size": "decreasing"}))
    assert (np.diff(rare.predict_proba(line)[:, 1]) <= 0).all()
    with pytest.raises(ComponentError, match="for two classes or numbers, the target has more"):
        new_pipeline(wanted("level", monotonic={"size": "increasing"}))
    tenth = {"objective": "reg:quantileerror", "quantile_alpha": 0.1}
    assert quantile_of(wanted("cost", boosting=tenth).config) == {"quantile": 0.1}
    assert (model_of(wanted("cost", boosting=tenth)).predict(TABLE) < TABLE["cost"]).mean() > 0.7
    for boosting, message in (
        ({"max_leave": 1}, "did you mean 'max_leaves'"),
        (tenth | {"quantile_alpha": [0.1, 0.9]}, "quantile_alpha: give one number"),
        ({"objective": "reg:squared"}, "^model: Unknown objective function: `reg:squared`"),
    ):
        with pytest.raises(ComponentError, match=message):
            model_of(wanted("cost", boosting=boosting))
