"""Calibration of numbers: predictions that are right on average, quantiles that hold their share of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from componentkit.figures import figure
from evaluate.intervals import Measure, mean_of
from scoring.errors import Numbers

_MOST_POINTS = 1000
_BINS = 10


def quantile_measures(truth: Numbers, predicted: Numbers, quantile: float) -> dict[str, Measure]:
    """Returns the measures of a model that predicts a quantile: which share of the rows is not above it, how
    far that is from the quantile, and the pinball loss (Koenker and Bassett 1978), per row.
    """
    over = mean_of((truth <= predicted).astype(np.float64))
    error = truth - predicted
    return {
        "coverage": over,
        "coverage_error": lambda weights: np.abs(over(weights) - quantile),
        "pinball_loss": mean_of(np.maximum(quantile * error, (quantile - 1) * error)),
    }


def calibrated(truth: Numbers, predicted: Numbers, quantile: float | None) -> list[tuple[float, float, int]]:
    """Returns (mean prediction, mean truth, rows) per bin of equal rows, from low to high predictions; for
    a quantile the share of rows that are not above it in the place of the mean truth.
    """
    order = np.argsort(predicted, kind="stable")
    value = truth if quantile is None else (truth <= predicted).astype(np.float64)
    bins = [part for part in np.array_split(order, min(_BINS, len(order))) if len(part)]
    return [(float(predicted[part].mean()), float(value[part].mean()), len(part)) for part in bins]


def calibrated_table(
    truth: Numbers, predicted: Numbers, target: str, quantile: float | None
) -> dict[str, Any]:
    """Returns the calibration for the report of the run."""
    is_mean = quantile is None
    y = f"mean {target}" if is_mean else "share of rows not above"
    text = (
        "A model that is right on average lies on the diagonal."
        if is_mean
        else f"A quantile of {quantile:g} that holds everywhere is a line at {quantile:g}."
    )
    return figure(
        f"Calibration, {len(truth):,} test rows",
        [f"predicted {target}", y, "rows"],
        calibrated(truth, predicted, quantile),
        part="model",
        mark="line",
        x=f"predicted {target}",
        y=y,
        diagonal=is_mean,
        description=text,
    )


def calibrated_figure(truth: Numbers, predicted: Numbers, target: str, quantile: float | None) -> Figure:
    """Returns a plot of the same."""
    at, value, rows = zip(*calibrated(truth, predicted, quantile), strict=True)
    drawn = Figure(figsize=(7, 6), layout="constrained")
    axes = drawn.subplots()
    if quantile is None:
        ends = [min(*at, *value), max(*at, *value)]
        axes.plot(ends, ends, color="grey", linestyle=":", label="right on average")
    else:
        axes.axhline(quantile, color="grey", linestyle=":", label=f"the quantile, {quantile:g}")
    axes.plot(at, value, marker="o", label=f"this model (bins of {rows[0]:,} rows)")
    axes.set(
        xlabel=f"mean predicted {target}",
        ylabel=f"mean {target}" if quantile is None else f"share of rows with {target} not above",
        title=f"Calibration, {len(truth):,} test rows",
    )
    axes.legend(loc="upper left")
    return drawn


def residual_table(truth: Numbers, predicted: Numbers, target: str) -> dict[str, Any]:
    """Returns the residuals over the predictions for the report, of some rows, evenly chosen."""
    shown = np.unique(np.linspace(0, len(truth) - 1, min(_MOST_POINTS, len(truth))).astype(int))
    x, y = f"predicted {target}", "true minus predicted"
    rows = zip(predicted[shown], (truth - predicted)[shown], strict=True)
    text = f"{len(shown):,} of {len(truth):,} test rows."
    return figure("Residuals", [x, y], rows, part="model", mark="point", x=x, y=y, description=text)
