"""How good a model of numbers is: the same figures and plots on validation and on test tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn import metrics

from componentkit.arguments import ComponentError
from componentkit.columns import as_numbers, written

Numbers = NDArray[np.float64]


def number_array(column: pd.Series) -> Numbers:
    """Returns a target as float64. Raises ComponentError where a value is missing or no number."""
    if column.isna().any():
        rows = int(column.isna().sum())
        raise ComponentError(
            f"column {column.name!r}: the target is missing in {rows} rows; leave them out by the filter of"
            f" preprocess: {written(column.name)}.notna()"
        )
    return as_numbers(column).to_numpy(dtype=np.float64)


def regression_metrics(truth: Numbers, predicted: Numbers) -> dict[str, float]:
    """Returns mae, rmse, r2 and mape.

    mape is a share (0.1: ten per cent) of the rows whose truth is not 0, which has no share; it is left out
    where all are 0, and r2 where the truth has one value.
    """
    values = {
        "mae": metrics.mean_absolute_error(truth, predicted),
        "rmse": metrics.root_mean_squared_error(truth, predicted),
    }
    if len(truth) > 1 and np.ptp(truth) > 0:
        values["r2"] = metrics.r2_score(truth, predicted)
    if (some := truth != 0).any():
        values["mape"] = np.mean(np.abs((truth[some] - predicted[some]) / truth[some]))
    return {name: float(value) for name, value in values.items()}


def number_figure(truth: Numbers, predicted: Numbers, title: str, most: int = 5000) -> Figure:
    """Returns what was predicted against what was, of at most some rows, evenly chosen."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    shown = np.unique(np.linspace(0, len(truth) - 1, min(most, len(truth))).astype(int))
    ends = [min(truth.min(), predicted.min()), max(truth.max(), predicted.max())]
    axes.plot(ends, ends, color="grey", linestyle=":", label="right")
    axes.plot(truth[shown], predicted[shown], ".", color="#3b6fb6", alpha=0.4, label="rows")
    axes.set(xlabel="true value", ylabel="predicted value", title=title)
    axes.legend(loc="upper left")
    return figure
