"""train_random_forest: numbers in the place of classes, and what it promises of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from componentkit.arguments import ComponentError
from train_random_forest.model import new_pipeline
from train_random_forest.test_run import config, table
from train_random_forest.train import LEARNER
from training.learner import Asked, fitted, fold_scores
from training.tasks import task_of
from training.trainer import doubts, prepare


def test_numbers_are_learned_where_that_is_asked_for() -> None:
    """With task=regression the forest learns a number, is measured as such, and has no classes."""
    draw = np.random.default_rng(0)
    data = table().assign(y=lambda rows: 3 * rows["n"] + draw.normal(0, 0.1, len(rows)))
    options, task = config(), task_of("regression")
    features, target = prepare(data, "y", options.features, task)
    asked = Asked(options, task, features, target, seed=1)
    model = fitted(new_pipeline(asked), features, target)
    scores, predicted = task.scores(model, features, target)
    assert scores["r2"] > 0.95
    assert set(scores) == {"mae", "rmse", "r2", "mape"}
    assert task.classes(model) == []
    assert task.figure(target, predicted, model, "title")[1].axes
    rows = np.arange(len(target))
    assert fold_scores(LEARNER, asked, rows[:80], rows[80:], 0.2)["r2"] > 0.9
    leaking = asked.features.assign(n=target)
    leak = doubts(Asked(options, task, leaking, target, seed=1))
    assert any("column 'n' alone predicts the target (R² " in text for text in leak)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("word", "column 'y' is not numeric: 'word'"),
        (1.5, r"target 'y' has one value only: 1\.5"),
        ([None, *range(119)], "the target is missing in 1 rows; .*y.notna"),
        ([np.inf, *range(119)], "target 'y': 1 values are infinite"),
    ],
)
def test_what_is_no_number_is_told(target: Any, message: str) -> None:
    """A target that cannot be learned as a number is named before training."""
    with pytest.raises(ComponentError, match=message):
        prepare(table().assign(y=target), "y", config().features, task_of("regression"))
