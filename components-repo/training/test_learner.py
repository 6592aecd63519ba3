"""Fitting, as all trainers do it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from componentkit.arguments import ComponentError
from training.learner import fitted

TABLE = pd.DataFrame({"n": [1.0, 2.0, 3.0]})
LABELS = np.array([0.0, 1.0, 1.0])


class Learning(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Keeps what it was fitted with; raises an error of XGBoost's kind where it has a `problem`."""

    def __init__(self, n_jobs: int | None = None, problem: str = "") -> None:
        self.n_jobs, self.problem = n_jobs, problem

    def fit(self, _known: Any, _labels: Any, sample_weight: Any = None) -> Learning:
        if self.problem:
            raise ValueError(self.problem)
        self.cores_, self.weights_ = self.n_jobs, sample_weight
        return self


def fit(estimator: Learning, **options: Any) -> Learning:
    pipeline = Pipeline([("features", FunctionTransformer()), ("last", estimator)])
    last: Learning = fitted(pipeline, TABLE, LABELS, **options)[-1]
    return last


def test_all_cores_learn_and_one_answers() -> None:
    """Also what was fitted before, and was left with one core, learns again with those that are asked for."""
    once = fit(Learning(n_jobs=2), jobs=2)
    again = fit(Learning(n_jobs=once.n_jobs), jobs=2)
    assert [once.cores_, once.n_jobs, again.cores_, again.n_jobs] == [2, 1, 2, 1]
    assert fit(Learning(), jobs=2).cores_ is None


def test_weights_of_rows_reach_the_estimator() -> None:
    """Where a trainer has some; an estimator that takes none is not given any."""
    weights = np.array([1.0, 2.0, 2.0])
    assert fit(Learning(), weights=weights).weights_ is weights
    assert fit(Learning()).weights_ is None


def test_an_error_is_one_line() -> None:
    """Without the place in the library's source, the time and the stack that XGBoost writes around it."""
    place = "[11:45:22] /src/data/index.h:99: Check failed: valid: "
    with pytest.raises(ComponentError, match=r"^model: Input holds `inf`$"):
        fit(Learning(problem=f"{place}Input\n holds `inf`\nStack trace:\n  [bt] (0) lib.so"))
