"""Curves of a classifier, labelled to be put into a slide."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn import metrics

from scoring import Labels, Probabilities, shortened

MOST_CURVES = 20
"""More colours than that cannot be told apart."""


def shown_classes(classes: Labels) -> list[tuple[int, object]]:
    """Returns (column, class): for two classes only the second, whose curve says it all."""
    columns = list(enumerate(classes.tolist()))
    return columns[1:] if len(columns) == 2 else columns


Curve = tuple[float, NDArray[np.float64], NDArray[np.float64], str]
"""Area below it, where its points are, what it is called."""


def _draw(axes: Axes, curves: list[Curve]) -> None:
    """Draws curves and names them; of more than can be told apart, those with the largest and least area.

    The others are grey.
    """
    ordered = sorted(curves, key=lambda curve: -curve[0])
    half = MOST_CURVES // 2
    is_many = len(curves) > MOST_CURVES
    named = [*ordered[:half], *ordered[-half:]] if is_many else curves
    for _, x, y, _ in ordered[half:-half] if is_many else ():
        axes.plot(x, y, color="#c9ced6", linewidth=0.8, zorder=1)
    colours = mpl.colormaps["tab10" if len(named) <= 10 else "tab20"]
    for at, (_, x, y, label) in enumerate(named):
        axes.plot(x, y, label=label, color=colours(at))
    if is_many:
        axes.plot([], [], color="#c9ced6", label=f"{len(curves) - len(named)} others, between these")
    axes.legend(
        title="class", loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9 if len(named) > 10 else None
    )


def roc_figure(labels: Labels, probabilities: Probabilities, classes: Labels) -> Figure:
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    curves: list[Curve] = []
    for column, name in shown_classes(classes):
        truth = labels == classes[column]
        if 0 < truth.sum() < len(truth):
            fpr, tpr, _ = metrics.roc_curve(truth, probabilities[:, column])
            area = float(metrics.auc(fpr, tpr))
            curves.append((area, fpr, tpr, f"{shortened(name)} (area {area:.3f})"))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        title=f"ROC, each class against the rest, {len(labels):,} test rows",
    )
    _draw(axes, curves)
    return figure


def precision_recall_figure(labels: Labels, probabilities: Probabilities, classes: Labels) -> Figure:
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    curves: list[Curve] = []
    for column, name in shown_classes(classes):
        truth = labels == classes[column]
        if truth.any():
            precision, recall, _ = metrics.precision_recall_curve(truth, probabilities[:, column])
            area = float(metrics.average_precision_score(truth, probabilities[:, column]))
            curves.append((area, recall, precision, f"{shortened(name)} (average precision {area:.3f})"))
    axes.set(
        xlabel="recall",
        ylabel="precision",
        title=f"Precision and recall, each class against the rest, {len(labels):,} test rows",
    )
    _draw(axes, curves)
    return figure


def calibration_bins(
    labels: Labels, probabilities: Probabilities, classes: Labels, most: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (confidence, share right, rows) per bin of equal rows, each of shape (bins,).

    Confidence is the probability of the predicted class (Guo et al. 2017).
    """
    confidence = probabilities.max(axis=1)
    right = (classes[probabilities.argmax(axis=1)] == labels).astype(float)
    order = np.argsort(confidence, kind="stable")
    bins = [b for b in np.array_split(order, min(most, len(order))) if len(b)]
    return (
        np.array([confidence[b].mean() for b in bins]),
        np.array([right[b].mean() for b in bins]),
        np.array([len(b) for b in bins]),
    )


def calibration_figure(labels: Labels, probabilities: Probabilities, classes: Labels) -> Figure:
    confidence, right, rows = calibration_bins(labels, probabilities, classes)
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfectly calibrated")
    axes.plot(confidence, right, marker="o", label=f"this model (bins of {rows[0]:,} rows)")
    axes.set(
        xlabel="mean confidence in the predicted class",
        ylabel="share of right answers",
        title=f"Calibration, {len(labels):,} test rows",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axes.legend(loc="upper left")
    return figure
