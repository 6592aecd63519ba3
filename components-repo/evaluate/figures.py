"""What the report of the run shows of the model: confusion, curves, calibration, classes, slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sklearn import metrics

from componentkit.figures import MOST_ROWS, figure
from evaluate.plots import MOST_CURVES, calibration_bins, shown_classes
from scoring import Labels, Probabilities
from scoring.figures import confusion_matrix

_MOST_POINTS = 60  # of a curve: more cannot be seen
Groups = Mapping[str, Mapping[str, float]]


def model_figures(
    labels: Labels,
    probabilities: Probabilities,
    predicted: Labels,
    classes: Labels,
    by_class: Groups,
    by_slice: Mapping[str, Groups],
) -> list[dict[str, Any]]:
    """Returns the figures, the most telling first."""
    rows = f"{len(labels):,} test rows"
    found = [confusion_matrix(labels, predicted, classes, rows), _classes(by_class, rows)]
    found += [_calibration(labels, probabilities, classes, rows)]
    found += [_slices(column, groups) for column, groups in by_slice.items() if groups]
    return [*found, *_curves(labels, probabilities, classes, rows)]


def _classes(by_class: Groups, rows: str) -> dict[str, Any]:
    names = ["precision", "recall", "f1", "support"]
    table = [
        (name, *(figures[each] for each in names[:3]), int(figures["support"]))
        for name, figures in by_class.items()
    ]
    return figure(
        f"Classes, {rows}",
        ["class", *names[:3], "rows"],
        table,
        part="model",
        mark="bar",
        x="class",
        y=["recall"],
    )


def _slices(column: str, groups: Groups) -> dict[str, Any]:
    names = [
        n for n in ("accuracy", "roc_auc", "f1_macro", "log_loss") if any(n in g for g in groups.values())
    ]
    return _slices_table(
        column, groups, names, "accuracy", f"How good the model is for each value of {column}."
    )


def number_slices_table(column: str, groups: Groups) -> dict[str, Any]:
    """Returns the errors of each value of a column for the report."""
    text = f"How far off the model is for each value of {column}."
    return _slices_table(column, groups, ["mae", "rmse", "r2", "mape"], "mae", text)


def _slices_table(column: str, groups: Groups, names: list[str], drawn: str, text: str) -> dict[str, Any]:
    """Returns the measures `names` of each value of a column for the report, with bars for `drawn`."""
    table = [
        (value, int(found["rows"]), *(found.get(name) for name in names)) for value, found in groups.items()
    ]
    return figure(
        f"Slices by {column}",
        ["slice", "rows", *names],
        table,
        part="model",
        mark="bar",
        x="slice",
        y=[drawn],
        description=text,
    )


def _calibration(labels: Labels, probabilities: Probabilities, classes: Labels, rows: str) -> dict[str, Any]:
    confidence, right, counts = calibration_bins(labels, probabilities, classes)
    return figure(
        f"Calibration, {rows}",
        ["confidence", "share of right answers", "rows"],
        zip(confidence, right, counts, strict=True),
        part="model",
        mark="line",
        x="confidence",
        y="share of right answers",
        diagonal=True,
        description="A model that is right as often as it is sure lies on the diagonal.",
    )


def _curves(
    labels: Labels, probabilities: Probabilities, classes: Labels, rows: str
) -> Iterator[dict[str, Any]]:
    columns = shown_classes(classes)
    columns = sorted(columns, key=lambda pair: -int((labels == classes[pair[0]]).sum()))[:MOST_CURVES]
    most = min(_MOST_POINTS, MOST_ROWS // max(len(columns), 1))
    roc, precision_recall = [], []
    for column, name in sorted(columns):
        truth = labels == classes[column]
        if not 0 < truth.sum() < len(truth):
            continue
        fpr, tpr, _ = metrics.roc_curve(truth, probabilities[:, column])
        precision, recall, _ = metrics.precision_recall_curve(truth, probabilities[:, column])
        roc += [(str(name), x, y) for x, y in _thinned(fpr, tpr, most)]
        precision_recall += [(str(name), x, y) for x, y in _thinned(recall[::-1], precision[::-1], most)]
    drawn = {"part": "model", "mark": "line", "series": "class"}
    x, y = "false positive rate", "true positive rate"
    text = "Each class against the rest; the diagonal is chance."
    yield figure(f"ROC, {rows}", ["class", x, y], roc, x=x, y=y, diagonal=True, description=text, **drawn)
    text = "Each class against the rest."
    names = ["class", "recall", "precision"]
    yield figure(
        f"Precision and recall, {rows}",
        names,
        precision_recall,
        x="recall",
        y="precision",
        description=text,
        **drawn,
    )


def _thinned(x: np.ndarray, y: np.ndarray, most: int) -> Iterator[tuple[float, float]]:
    """Gives points of a curve that are spread evenly along it, its ends among them."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    places = np.searchsorted(length, np.linspace(0, length[-1], min(most, len(x))))
    for at in dict.fromkeys(np.clip(places, 0, len(x) - 1).tolist()):
        yield float(x[at]), float(y[at])
