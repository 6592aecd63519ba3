"""Cross-validation: how good the model is on rows that it has not seen, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from componentkit.arguments import ComponentError
from componentkit.figures import figure
from scoring import Labels

LEVEL = 0.95

Measure = Callable[[Labels, Labels], dict[str, float]]
"""Learns from the rows at some places, and returns the metrics on others."""


def check_folds(folds: int) -> None:
    """Raises ComponentError for one fold, which leaves nothing to learn from."""
    if folds < 2:
        raise ComponentError("cross_validation 1: two folds are needed; 0 leaves it out")


def cross_validated(labels: Labels, folds: int, splitter: Any, measure: Measure) -> pd.DataFrame:
    """Returns the metrics of each fold, one a row. Args: `splitter` is one of scikit-learn's, of `folds`."""
    return pd.DataFrame(list(_measured(labels, folds, splitter, measure)))


def _measured(labels: Labels, folds: int, splitter: Any, measure: Measure) -> Iterator[dict[str, float]]:
    for number, (learn, validate) in enumerate(splitter.split(labels, labels)):
        place = {"repeat": number // folds + 1, "fold": number % folds + 1, "rows": len(validate)}
        yield {**place, **measure(learn, validate)}


def summarised(found: pd.DataFrame, folds: int) -> pd.DataFrame:
    """Returns mean, std, low and high of each metric.

    The interval is Student's with the variance corrected for folds that learn from the same rows (Nadeau and
    Bengio 2003): 1/n + (rows validated on / rows learned from) in the place of 1/n.
    """
    values = found.drop(columns=["repeat", "fold", "rows"])
    count = len(values)
    mean, std = values.mean(), values.std()
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * std * np.sqrt(1 / count + 1 / (folds - 1))
    return pd.DataFrame({"mean": mean, "std": std, "low": mean - half, "high": mean + half})


def fold_metrics(summary: pd.DataFrame) -> dict[str, float]:
    """Returns a summary as metrics: the mean is `cv_NAME`, the others are `cv_NAME/std` and so on."""
    return {
        f"cv_{name}" if column == "mean" else f"cv_{name}/{column}": float(value)
        for name, row in summary.iterrows()
        for column, value in row.items()
    }


def fold_line(name: str, row: pd.Series, count: int) -> str:
    """Returns what a metric is, in one line."""
    return (
        f"{name}: {row['mean']:.4f}, standard deviation {row['std']:.4f},"
        f" {LEVEL:.0%} interval {row['low']:.4f} to {row['high']:.4f} ({count} folds)"
    )


def fold_table(summary: pd.DataFrame, title: str) -> dict[str, Any]:
    """Returns the same for the report of the run."""
    rows = [(str(name), *row) for name, row in zip(summary.index, summary.to_numpy().tolist(), strict=True)]
    columns = ["metric", *map(str, summary.columns)]
    return figure(title, columns, rows, part="model", description=f"Intervals at {LEVEL:.0%}.")


def fold_figure(found: pd.DataFrame, summary: pd.DataFrame, title: str) -> Figure:
    """Returns a plot of each metric: its folds, their mean, and the interval of the mean."""
    figure = Figure(figsize=(9, 1.1 * len(summary) + 1.2), layout="constrained")
    for axes, (name, row) in zip(
        figure.subplots(len(summary), 1, squeeze=False)[:, 0], summary.iterrows(), strict=True
    ):
        axes.plot(found[name], np.zeros(len(found)), "o", color="#3b6fb6", alpha=0.5, label="folds")
        axes.plot(
            [row["low"], row["high"]], [0, 0], color="#a3141e", linewidth=3, label="interval of the mean"
        )
        axes.plot([row["mean"]], [0], "|", color="#a3141e", markersize=18)
        axes.set(yticks=[], ylabel=name, ylim=(-1, 1))
        axes.yaxis.label.set(rotation=0, ha="right", va="center")
        axes.spines["left"].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    figure.suptitle(title)
    return figure
