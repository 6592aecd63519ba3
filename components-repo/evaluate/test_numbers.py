"""evaluate: what it promises of models of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from evaluate.errors import number_slices, residual_figure, too_far
from scoring.errors import number_figure, regression_metrics

DRAW = np.random.default_rng(0)
TRUTH = DRAW.normal(10, 3, 200)
PREDICTED = TRUTH + DRAW.normal(0, 1, 200)


def test_errors() -> None:
    """The figures are scikit-learn's; a truth of 0 has no share, and what cannot be measured is left out."""
    found = regression_metrics(TRUTH, PREDICTED)
    assert found == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(TRUTH, PREDICTED),
            "rmse": metrics.root_mean_squared_error(TRUTH, PREDICTED),
            "r2": metrics.r2_score(TRUTH, PREDICTED),
            "mape": metrics.mean_absolute_percentage_error(TRUTH, PREDICTED),
        }
    )
    assert regression_metrics(np.array([0.0, 2.0]), np.array([5.0, 1.0]))["mape"] == 0.5
    assert set(regression_metrics(np.zeros(3), np.ones(3))) == {"mae", "rmse"}


def test_slices_and_limits() -> None:
    """Each slice has its own errors; a limit that is passed is told by how much, and 0 is none."""
    found = number_slices(pd.Series(["a", "b"] * 100, name="s"), TRUTH, PREDICTED)
    assert found["a"]["rows"] == 100
    assert found["a"]["mae"] == pytest.approx(np.abs(TRUTH - PREDICTED)[::2].mean())
    assert too_far({"rmse": 2.5, "mae": 1.0}, {"rmse": 2.0, "mae": 0.0}) == [
        "rmse is 2.5, 0.5 above the 2 allowed"
    ]


def test_figures_are_labelled() -> None:
    """Every plot has a title and both axes named."""
    for figure in (residual_figure(TRUTH, PREDICTED, "y"), number_figure(TRUTH, PREDICTED, "title")):
        for axes in figure.axes:
            assert axes.get_title()
            assert axes.get_xlabel()
            assert axes.get_ylabel()
