"""Curves of a classifier, labelled to be put into a slide."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from sklearn import metrics

from scoring import Labels, Probabilities


def shown_classes(classes: Labels) -> list[tuple[int, object]]:
    """Returns (column, class): for two classes only the second, whose curve says it all."""
    columns = list(enumerate(classes.tolist()))
    return columns[1:] if len(columns) == 2 else columns


def roc_figure(labels: Labels, probabilities: Probabilities, classes: Labels) -> Figure:
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    for column, name in shown_classes(classes):
        truth = labels == classes[column]
        if 0 < truth.sum() < len(truth):
            fpr, tpr, _ = metrics.roc_curve(truth, probabilities[:, column])
            axes.plot(fpr, tpr, label=f"{name} (area {metrics.auc(fpr, tpr):.3f})")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        title=f"ROC, each class against the rest, {len(labels):,} test rows",
    )
    axes.legend(title="class", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def precision_recall_figure(labels: Labels, probabilities: Probabilities, classes: Labels) -> Figure:
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    for column, name in shown_classes(classes):
        truth = labels == classes[column]
        if truth.any():
            precision, recall, _ = metrics.precision_recall_curve(truth, probabilities[:, column])
            area = metrics.average_precision_score(truth, probabilities[:, column])
            axes.plot(recall, precision, label=f"{name} (average precision {area:.3f})")
    axes.set(
        xlabel="recall",
        ylabel="precision",
        title=f"Precision and recall, each class against the rest, {len(labels):,} test rows",
    )
    axes.legend(title="class", loc="upper left", bbox_to_anchor=(1.0, 1.0))
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
