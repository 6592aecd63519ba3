"""train_lightgbm: what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io

from componentkit.arguments import ComponentError
from train_lightgbm.model import TRUSTED, ModelConfig, new_pipeline, quantile_of, settled, trees_of
from train_lightgbm.train import LEARNER
from training.learner import Asked, fitted, fold_scores, learned
from training.tasks import task_of
from training.trainer import prepare

ROWS = np.arange(300)
LEARN, VALIDATE = ROWS[:200], ROWS[200:]


def asked(task: str, *, jobs: int = 1, **changes: Any) -> Asked:
    draw = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "size": draw.normal(size=len(ROWS)),
            "kind": draw.choice(np.array(["x", "y", None]), len(ROWS)),
            "code": draw.integers(0, 4, len(ROWS)),
        }
    )
    data.loc[::7, "size"] = np.nan
    data["cost"] = data["size"].fillna(2) + 3 * (data["kind"] == "x") + draw.normal(0, 0.2, len(ROWS))
    data["level"] = pd.cut(data["cost"], [-9, 0, 2, 9], labels=["low", "middle", "high"]).astype(str)
    config = ModelConfig.model_validate(
        {
            "features": {"numeric": ["size"], "categorical": ["kind", "code"]},
            "boosting": {"min_child_samples": 5, "learning_rate": 0.3},
            **changes,
        }
    )
    which = task_of(task)
    target = "level" if task == "classification" else "cost"
    return Asked(config, which, *prepare(data, target, config.features, which), seed=1, jobs=jobs)


@pytest.mark.parametrize(
    ("task", "measure", "least"), [("classification", "accuracy", 0.85), ("regression", "r2", 0.9)]
)
def test_learned_stored_and_asked(task: str, measure: str, least: float) -> None:
    """Classes keep their names; the stored model says the same, and answers what it has never seen."""
    wanted = asked(task)
    model, _ = learned(LEARNER, wanted, LEARN, VALIDATE)
    scores, predicted = wanted.task.scores(model, wanted.features.iloc[VALIDATE], wanted.labels[VALIDATE])
    assert scores[measure] > least
    assert set(predicted) <= {"low", "middle", "high"} or task == "regression"
    stored = skops.io.loads(skops.io.dumps(model), trusted=list(TRUSTED))
    assert (stored.predict(wanted.features) == model.predict(wanted.features)).all()
    odd = pd.DataFrame({"size": [np.nan, 1e300], "kind": ["new", None], "code": [99, np.nan]})
    assert len(stored.predict(odd)) == 2


def test_validation_rows_say_stop() -> None:
    """Learning stops by the held-out rows, and what learns from all rows makes as many trees."""
    wanted = asked("regression")
    model, _ = learned(LEARNER, wanted, LEARN, VALIDATE)
    assert 1 < trees_of(model) < 500
    assert LEARNER.doubts(model) == []
    again = fitted(settled(model), wanted.features, wanted.labels)
    assert again[-1].n_estimators_ == trees_of(model)
    short, _ = learned(LEARNER, asked("regression", boosting={"n_estimators": 3}), LEARN, VALIDATE)
    assert "had not stopped after 3 rounds" in LEARNER.doubts(short)[0]
    exact = asked("regression", early_stopping=False, boosting={"n_estimators": 7})
    assert trees_of(learned(LEARNER, exact, LEARN, VALIDATE)[0]) == 7
    assert fold_scores(LEARNER, wanted, LEARN, VALIDATE, 0.2)["r2"] > 0.8


def test_same_seed_same_model_on_any_cores() -> None:
    """The number of cores does not change one digit, nor do options say otherwise."""
    wanted = [
        asked("classification", jobs=jobs, boosting={"subsample": 0.7, "subsample_freq": 1})
        for jobs in (1, 2)
    ]
    found = [learned(LEARNER, one, LEARN, VALIDATE)[0].predict_proba(one.features) for one in wanted]
    assert np.array_equal(*found)


def test_options() -> None:
    """Constraints hold, a wrong option is told with the right one, a quantile is said in the metadata."""
    wanted = asked("regression", monotonic={"size": "decreasing"})
    model, _ = learned(LEARNER, wanted, LEARN, VALIDATE)
    line = pd.DataFrame({"size": np.linspace(-3, 3, 200), "kind": "x", "code": 1})
    assert (np.diff(model.predict(line)) <= 0).all()
    with pytest.raises(ComponentError, match="for two classes or numbers, the target has more"):
        new_pipeline(asked("classification", monotonic={"size": "increasing"}))
    with pytest.raises(ComponentError, match="did you mean 'num_leaves'"):
        new_pipeline(asked("regression", boosting={"num_leave": 1}))
    tenth = asked("regression", boosting={"objective": "quantile", "alpha": 0.1}).config
    assert quantile_of(tenth) == {"quantile": 0.1}
