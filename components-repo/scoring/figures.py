"""Figures of a classifier for the report of its run."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import metrics

from componentkit.figures import figure
from scoring import Labels

_MOST_CLASSES = 40  # rows and columns of a confusion matrix that can still be read


def confusion_matrix(labels: Labels, predicted: Labels, classes: Labels, rows: str) -> dict[str, Any]:
    """Returns the confusion matrix; `rows` says which rows were asked about. Of very many classes, those with
    the most rows are shown.
    """
    counts = metrics.confusion_matrix(labels, predicted, labels=classes)
    totals = counts.sum(axis=1)
    chosen = np.sort(np.argsort(-totals, kind="stable")[:_MOST_CLASSES])
    cells = [
        (
            str(classes[true]),
            str(classes[said]),
            int(counts[true, said]),
            counts[true, said] / max(totals[true], 1),
        )
        for true in chosen
        for said in chosen
    ]
    left_out = len(classes) - len(chosen)
    more = f" {left_out} classes with fewer rows are left out." if left_out else ""
    return figure(
        f"Confusion, {rows}",
        ["true class", "predicted class", "rows", "share of the true class"],
        cells,
        part="model",
        mark="heat",
        x="predicted class",
        y="true class",
        value="share of the true class",
        label="rows",
        description=f"The shade is the share of the true class, the numbers are rows.{more}",
    )
