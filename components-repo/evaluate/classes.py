"""A classifier on a held-out table: metrics, curves, slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from componentkit.arguments import ComponentError, split_names
from componentkit.figures import table_size
from componentkit.step import Step
from componentkit.tables import require_columns
from evaluate.decisions import decision_figure, decision_measures, decision_of, decision_table
from evaluate.figures import model_figures
from evaluate.intervals import bootstrapped, class_measures, measured_once
from evaluate.plots import (
    calibration_bins,
    calibration_figure,
    precision_recall_figure,
    roc_figure,
)
from evaluate.slices import slice_rows
from scoring import Labels, Probabilities, classification_metrics, confusion_figure, label_array


def per_class(labels: Labels, predicted: Labels, classes: Labels) -> dict[str, dict[str, float]]:
    """Returns precision, recall, f1 and support (rows) of each class."""
    figures = sk.precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    names = ("precision", "recall", "f1", "support")
    return {
        str(name): {n: float(v[i]) for n, v in zip(names, figures, strict=True)}
        for i, name in enumerate(classes.tolist())
    }


def per_slice(
    column: pd.Series, labels: Labels, probabilities: Probabilities, classes: Labels, predicted: Labels
) -> dict[str, dict[str, float]]:
    """Returns rows and metrics for each value of a column that has enough rows."""
    found = {}
    for value, rows in slice_rows(column):
        scores = classification_metrics(labels[rows], probabilities[rows], classes, predicted[rows])
        found[value] = {"rows": float(rows.sum()), **scores}
    return found


def known_labels(column: pd.Series, classes: Labels) -> Labels:
    """Returns the labels. Raises ComponentError where the model does not know one."""
    labels = label_array(column)
    if unknown := sorted(set(labels.tolist()) - set(classes.tolist()), key=str):
        raise ComponentError(f"column {column.name!r}: the model does not know {unknown[:5]}")
    return labels


def measured_classes(
    step: Step, model: Any, said: dict[str, Any], features: pd.DataFrame, table: pd.DataFrame, target: str
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Logs figures and plots. Returns (report, predictions). Args: `said` is the model's metadata."""
    classes, sliced = model.classes_, split_names(step.args.slices)
    labels = known_labels(table[target], classes)
    probabilities = model.predict_proba(features)
    # What the model answers: it may have a threshold of its own.
    predicted = np.asarray(model.predict(features))
    scores = classification_metrics(labels, probabilities, classes, predicted)
    confidence, right, rows = calibration_bins(labels, probabilities, classes)
    scores["calibration_error"] = float(np.average(np.abs(confidence - right), weights=rows))
    decision = decision_of(said, classes)
    decided = decision_measures(decision, labels, classes, predicted) if decision else {}
    scores |= measured_once(decided, len(labels))
    measures = class_measures(labels, probabilities, classes, predicted) | decided
    found = bootstrapped(measures, len(labels), step.args.intervals, step.args.seed)
    by_class = per_class(labels, predicted, classes)
    require_columns(table, sliced, purpose="slices")
    by_slice = {name: per_slice(table[name], labels, probabilities, classes, predicted) for name in sliced}
    shown = model_figures(labels, probabilities, predicted, classes, by_class, by_slice)
    if decision:
        shown.append(decision_table(decision, labels, probabilities, classes))
        step.figure("decisions", decision_figure(decision, labels, probabilities, classes))
    step.hand_over(shown, [table_size("test", table)])
    title = f"Test: {target}, {len(labels):,} rows"
    step.figure("confusion_matrix", confusion_figure(labels, predicted, classes, title))
    step.figure("roc", roc_figure(labels, probabilities, classes))
    step.figure("precision_recall", precision_recall_figure(labels, probabilities, classes))
    step.figure("calibration", calibration_figure(labels, probabilities, classes))
    report = {"overall": scores, "classes": by_class, "slices": by_slice, "rows": len(labels)}
    report["intervals"] = found
    columns = {f"probability_{n}": probabilities[:, i] for i, n in enumerate(classes.tolist())}
    return report, pd.DataFrame({"label": labels, "prediction": predicted, **columns})
