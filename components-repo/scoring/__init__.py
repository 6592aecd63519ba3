"""How good a classifier is: the same figures and plots on validation and on test tables."""

from __future__ import annotations

import re
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn import metrics

from componentkit.arguments import ComponentError
from componentkit.columns import as_text, kind_of, plain, written

mpl.use("Agg")  # no display where components run
mpl.rcParams.update(
    {"font.size": 11, "axes.titlesize": 13, "axes.spines.top": False, "axes.spines.right": False}
)

Labels = NDArray[Any]
Probabilities = NDArray[np.float64]


def metric_name(*parts: object) -> str:
    """Joins parts with `/`, leaving only characters that MLflow allows in a metric's name."""
    return "/".join(re.sub(r"[^\w.\- ]", "_", str(part)) for part in parts)


def classification_metrics(
    labels: Labels, probabilities: Probabilities, classes: Labels, predicted: Labels | None = None
) -> dict[str, float]:
    """Returns roc_auc, accuracy, f1_macro and log_loss.

    Args: labels and the model's answers, of shape (rows,); probabilities of shape (rows, classes), columns
    as `classes`. Without answers they are the most probable classes, which those of a model with a threshold
    need not be.
    roc_auc is that of the second class for two classes, else the macro average one-vs-one
    (Hand and Till 2001), which does not depend on how frequent the classes are. It is left out
    where a class has no row.
    """
    labels = np.asarray(labels)
    if predicted is None:
        predicted = classes[probabilities.argmax(axis=1)]
    values = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "f1_macro": metrics.f1_score(labels, predicted, average="macro", zero_division=0),
        "log_loss": metrics.log_loss(labels, probabilities, labels=classes),
    }
    if len(np.unique(labels)) == len(classes):
        if len(classes) == 2:
            auc = metrics.roc_auc_score(labels == classes[1], probabilities[:, 1])
        else:
            auc = metrics.roc_auc_score(
                labels, probabilities, multi_class="ovo", average="macro", labels=classes
            )
        values = {"roc_auc": auc, **values}
    return {name: float(value) for name, value in values.items()}


def label_array(column: pd.Series) -> Labels:
    """Returns labels as a plain NumPy array: text as objects, else the column's own type.

    Numbers with a fraction become text: scikit-learn takes them for a regression's target.

    Raises ComponentError where a label is missing.
    """
    if column.isna().any():
        rows = int(column.isna().sum())
        raise ComponentError(
            f"column {column.name!r}: the label is missing in {rows} rows; leave them out by the filter of"
            f" preprocess: {written(column.name)}.notna()"
        )
    kind = kind_of(column)
    column = plain(column)
    if kind in ("boolean", "whole"):
        return column.to_numpy(dtype=bool if kind == "boolean" else np.int64)
    if kind == "number":
        values = column.to_numpy(dtype=np.float64)
        return (
            values if np.array_equal(values, np.floor(values)) else column.astype(str).to_numpy(dtype=object)
        )
    return as_text(column).to_numpy(dtype=object)


def shortened(name: object, most: int = 24) -> str:
    """Returns a name that fits beside a plot."""
    text = str(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def confusion_figure(labels: Labels, predicted: Labels, classes: Labels, title: str) -> Figure:
    """Returns a confusion matrix: share of each true class in colour, rows as numbers where there is room."""
    counts = metrics.confusion_matrix(labels, predicted, labels=classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    many, very_many = len(classes) > 12, len(classes) > 25
    cell, text = (0.3, 0) if very_many else (0.5, 8) if many else (0.75, 11)
    size = max(5.0, cell * len(classes) + 2)
    figure = Figure(figsize=(size + 1, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts) if text else ():
        colour = "white" if shares[row, column] > 0.5 else "black"
        if count or not many:
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=text)
    names = [shortened(name) for name in classes.tolist()]
    angle = 90 if max(map(len, names)) > (3 if many else 8) else 0
    axes.set_xticks(range(len(classes)), names, fontsize=8 if very_many else None, rotation=angle)
    axes.set_yticks(range(len(classes)), names, fontsize=8 if very_many else None)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    return figure
