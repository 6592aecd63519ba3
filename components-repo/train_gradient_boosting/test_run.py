"""train_gradient_boosting: what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from pydantic import ValidationError

from componentkit.arguments import ComponentError
from train_gradient_boosting.model import TRUSTED, ModelConfig, new_pipeline, settled, trees_of
from train_gradient_boosting.train import LEARNER
from training.learner import Asked, fitted, fold_scores, learned
from training.tasks import task_of
from training.trainer import prepare

ROWS = np.arange(400)


def asked(
    task: str = "classification", *, jobs: int = 1, data: pd.DataFrame | None = None, **changes: Any
) -> Asked:
    features = {"numeric": ["n", "flag"], "categorical": ["c", "k"], "text": ["t"]}
    boosting = {"min_samples_leaf": 5, "learning_rate": 0.3, "max_iter": 60}
    config = ModelConfig.model_validate({"features": features, "boosting": boosting} | changes)
    which = task_of(task)
    found = prepare(
        table() if data is None else data, "y" if task == "classification" else "v", config.features, which
    )
    return Asked(config, which, *found, seed=1, jobs=jobs)


def table() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    rows = len(ROWS)
    data = pd.DataFrame(
        {
            "n": draw.normal(size=rows),
            "flag": draw.random(rows) < 0.5,
            "c": draw.choice(np.array(["x", "y", None]), rows),
            "k": draw.integers(0, 4, rows),
            "t": draw.choice(np.array(["some words", "more words here", None]), rows),
        }
    )
    data.loc[::7, "n"] = np.nan
    data["v"] = data["n"].fillna(2) + 3 * (data["c"] == "x") + draw.normal(0, 0.2, rows)
    data["y"] = np.where(data["v"] > 1, "high", "low")
    return data


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_missing_values_and_categories(task: str) -> None:
    """Gaps and categories carry what they say; unknown ones, None and NaN get an answer; skops keeps it."""
    wanted = asked(task)
    model, _ = learned(LEARNER, wanted, ROWS[:300], ROWS[300:])
    scores, _ = wanted.task.scores(model, wanted.features.iloc[300:], wanted.labels[300:])
    assert scores.get("accuracy", scores.get("r2", 0)) > 0.9
    answers = model.predict(wanted.features)
    stored = skops.io.loads(skops.io.dumps(model), trusted=list(TRUSTED))
    assert (stored.predict(wanted.features) == answers).all()
    odd = pd.DataFrame({"n": [np.nan], "flag": [True], "c": ["new"], "k": [99], "t": [None]})
    assert len(model.predict(odd)) == 1
    assert len(model.predict(odd.assign(c=None, k=np.nan))) == 1


def test_validation_rows_say_stop() -> None:
    """Learning stops by the held-out rows, and what learns from all rows makes as many trees."""
    wanted = asked("regression")
    model, _ = learned(LEARNER, wanted, ROWS[:300], ROWS[300:])
    assert 1 < trees_of(model) < 60
    assert LEARNER.doubts(model) == []
    again = fitted(settled(model), wanted.features, wanted.labels)
    assert trees_of(again) == trees_of(model)
    few = asked("regression", boosting={"max_iter": 3})
    short, _ = learned(LEARNER, few, ROWS[:300], ROWS[300:])
    assert "had not stopped after 3 rounds" in LEARNER.doubts(short)[0]
    exact = asked("regression", early_stopping=False, boosting={"max_iter": 7})
    assert trees_of(learned(LEARNER, exact, ROWS[:300], ROWS[300:])[0]) == 7
    assert fold_scores(LEARNER, wanted, ROWS[:300], ROWS[300:], 0.2)["r2"] > 0.9


def test_same_seed_same_model_on_any_cores() -> None:
    """The number of cores does not change one digit."""
    found = [
        learned(LEARNER, wanted, ROWS[:300], ROWS[300:])[0].predict_proba(wanted.features)
        for wanted in (asked(jobs=1), asked(jobs=2))
    ]
    assert np.array_equal(*found)


def test_monotonic() -> None:
    """More of a feature never lowers the answer where that is asked for; what cannot be asked is told."""
    lists = {"numeric": ["n", "flag"], "categorical": ["c"]}
    wanted = asked("regression", features=lists, monotonic={"n": "decreasing"})
    model, _ = learned(LEARNER, wanted, ROWS[:300], ROWS[300:])
    line = pd.DataFrame({"n": np.linspace(-3, 3, 200), "flag": True, "c": "x"})
    assert (np.diff(model.predict(line)) <= 0).all()
    many = table().assign(y=["a", "b", "c", "d"] * 100)
    for changes, message in (
        ({"monotonic": {"c": "increasing"}, "features": lists}, "'c' is none of the numeric features"),
        ({"monotonic": {"n": "increasing"}}, "does not go with text features"),
    ):
        with pytest.raises(ValidationError, match=message):
            asked(**changes)
    with pytest.raises(ComponentError, match="for two classes or numbers, the target has more"):
        new_pipeline(asked(data=many, features=lists, monotonic={"n": "increasing"}))
    with pytest.raises(ComponentError, match="did you mean 'learning_rate'"):
        new_pipeline(asked(boosting={"learning_rat": 1}))
