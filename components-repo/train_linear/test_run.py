"""train_linear: what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge

from componentkit.arguments import ComponentError
from train_linear.model import ModelConfig, coefficients, new_pipeline
from train_linear.train import LEARNER
from training.encoding import TRUSTED_TYPES
from training.learner import Asked, fitted, learned
from training.tasks import task_of
from training.trainer import prepare

ROWS = np.arange(300)


def asked(task: str, **changes: Any) -> Asked:
    draw = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "n": draw.normal(50, 20, 300),
            "m": draw.normal(0, 0.01, 300),
            "c": draw.choice(np.array(["x", "y", None]), 300),
            "t": draw.choice(np.array(["some words", "more words here", None]), 300),
        }
    )
    data["v"] = data["n"] / 20 + 3 * (data["c"] == "x") + draw.normal(0, 0.1, 300)
    data["y"] = np.where(data["v"] > 3, "high", "low")
    features = {"numeric": ["n", "m"], "categorical": ["c"], "text": ["t"]}
    config = ModelConfig.model_validate({"features": features} | changes)
    which = task_of(task)
    found = prepare(data, "y" if task == "classification" else "v", config.features, which)
    return Asked(config, which, *found, seed=1)


@pytest.mark.parametrize(
    ("task", "penalty", "kind"),
    [
        ("classification", "ridge", LogisticRegression),
        ("classification", "elastic_net", LogisticRegression),
        ("regression", "ridge", Ridge),
        ("regression", "elastic_net", ElasticNet),
    ],
)
def test_each_kind_learns(task: str, penalty: str, kind: Any) -> None:
    """Each kind finds what there is, answers odd rows, is the same after skops, and the same twice."""
    strength = 0.01 if kind is ElasticNet else 1.0
    wanted = asked(task, penalty=penalty, strength=strength)
    model, _ = learned(LEARNER, wanted, ROWS[:200], ROWS[200:])
    assert type(model[-1]) is kind
    assert LEARNER.doubts(model) == []
    scores, _ = wanted.task.scores(model, wanted.features.iloc[200:], wanted.labels[200:])
    assert scores.get("accuracy", scores.get("r2", 0)) > 0.9
    sizes = coefficients(model, wanted.config.features)
    assert sizes[["n", "c"]].min() > sizes[["m", "t"]].max() / 2
    stored = skops.io.loads(skops.io.dumps(model), trusted=TRUSTED_TYPES)
    assert (stored.predict(wanted.features) == model.predict(wanted.features)).all()
    odd = pd.DataFrame({"n": [np.nan], "m": [1.0], "c": ["new"], "t": [None]})
    assert len(model.predict(odd)) == 1
    again, _ = learned(LEARNER, wanted, ROWS[:200], ROWS[200:])
    assert np.array_equal(again[-1].coef_, model[-1].coef_)


def test_a_threshold_goes_with_every_classifier() -> None:
    """The threshold that the validation rows choose is found for a linear model as for a forest."""
    wanted = asked("classification", threshold={"by": "cost", "false_positive": 1, "false_negative": 20})
    threshold = learned(LEARNER, wanted, ROWS[:200], ROWS[200:])[1]
    assert threshold is not None
    assert 0 < threshold < 1


def test_what_cannot_be_is_told() -> None:
    """Options that are not there, what is said elsewhere, and a solver that gave up."""
    for linear in ({"tool": 1}, {"C": 2}):
        with pytest.raises(ComponentError, match="no such option of this linear model"):
            new_pipeline(asked("classification", linear=linear))
    with pytest.raises(ComponentError, match="class_weight: it is for classes, and the task is regression"):
        wanted = asked("regression", class_weight="balanced")
        wanted.task.check(wanted.config, wanted.labels)
    wanted = asked("classification", linear={"max_iter": 1})
    with pytest.warns(ConvergenceWarning):
        model = fitted(new_pipeline(wanted), wanted.features, wanted.labels)
    assert "not converged after 1 rounds" in LEARNER.doubts(model)[0]
