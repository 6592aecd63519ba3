"""evaluate: what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from componentkit.arguments import ComponentError
from evaluate.measure import load, missed_thresholds, per_class, per_slice, target_of
from evaluate.plots import (
    calibration_bins,
    calibration_figure,
    precision_recall_figure,
    roc_figure,
)
from scoring import classification_metrics, confusion_figure, label_array, metric_name

CLASSES = np.array(["a", "b", "c"], dtype=object)
LABELS = np.array(["a", "b", "c", "a", "b", "c"] * 20, dtype=object)
PERFECT = np.tile(np.eye(3), (40, 1))


def test_the_target_is_said_or_asked_for() -> None:
    """A model made here names its target; for others the user does, who has the last word."""
    assert target_of({"target": "grade"}, "") == "grade"
    assert target_of({"target": "grade"}, "mark") == "mark"
    assert target_of(None, "mark") == "mark"
    with pytest.raises(ComponentError, match="name it: --target"):
        target_of(None, "")
    with pytest.raises(ComponentError, match="name it: --target"):
        target_of({}, "")


def test_models_that_cannot_be_measured(tmp_path: Path) -> None:
    """A model without a signature, or without probabilities, is refused in one line."""
    import mlflow
    from sklearn.linear_model import LinearRegression, LogisticRegression

    rows, labels = pd.DataFrame({"a": [0.0, 1.0]}), np.array([0, 1])
    save = {"serialization_format": "skops", "pip_requirements": []}
    mlflow.sklearn.save_model(LogisticRegression().fit(rows, labels), tmp_path / "bare", **save)
    with pytest.raises(ComponentError, match="it has no signature"):
        load(str(tmp_path / "bare"))
    signed = save | {"signature": mlflow.models.infer_signature(rows, labels)}
    mlflow.sklearn.save_model(LinearRegression().fit(rows, labels), tmp_path / "line", **signed)
    with pytest.raises(ComponentError, match="no probabilities"):
        load(str(tmp_path / "line"))
    mlflow.sklearn.save_model(LogisticRegression().fit(rows, labels), tmp_path / "curve", **signed)
    assert list(load(str(tmp_path / "curve"))[0].classes_) == [0, 1]


def test_perfect_and_blind_models() -> None:
    """A model that is always right scores 1, one that knows nothing 0.5, for two classes and three."""
    assert classification_metrics(LABELS, PERFECT, CLASSES)["roc_auc"] == 1
    assert classification_metrics(LABELS, PERFECT, CLASSES)["accuracy"] == 1
    blind = np.full((len(LABELS), 3), 1 / 3)
    scores = classification_metrics(LABELS, blind, CLASSES)
    assert scores["roc_auc"] == 0.5
    assert scores["log_loss"] == pytest.approx(np.log(3))
    two = np.array([True, False] * 10)
    certain = np.column_stack([~two, two]).astype(float)
    assert classification_metrics(two, certain, np.array([False, True]))["roc_auc"] == 1


def test_auc_is_left_out_where_a_class_has_no_row() -> None:
    """A figure that cannot be measured is not invented."""
    rows = LABELS != "c"
    assert "roc_auc" not in classification_metrics(LABELS[rows], PERFECT[rows], CLASSES)


def test_per_class_and_slice() -> None:
    """Each class has its own figures; small slices are left out, missing values are a slice."""
    predicted = np.where(LABELS == "c", "b", LABELS)
    figures = per_class(LABELS, predicted, CLASSES)
    assert figures["a"] == {"precision": 1, "recall": 1, "f1": 1, "support": 40}
    assert figures["b"]["precision"] == 0.5
    assert figures["c"]["recall"] == 0
    column = pd.Series(["big"] * 90 + [None] * 25 + ["small"] * 5, name="s")
    assert set(per_slice(column, LABELS, PERFECT, CLASSES)) == {"big", "missing"}
    numbers = pd.Series(range(120), name="n")
    assert len(per_slice(numbers, LABELS, PERFECT, CLASSES)) == 4
    names = pd.Series(map(str, range(120)), name="id")
    with pytest.raises(ComponentError, match="'id' has 120 values"):
        per_slice(names, LABELS, PERFECT, CLASSES)


def test_thresholds_say_by_how_much() -> None:
    """A threshold that is missed is told with value, distance and wish; zero asks for nothing."""
    scores = {"roc_auc": 0.71, "accuracy": 0.4}
    assert missed_thresholds(scores, {"roc_auc": 0.7, "accuracy": 0.0}) == []
    assert missed_thresholds(scores, {"roc_auc": 0.75, "f1_macro": 0.5}) == [
        "roc_auc is 0.7100, 0.0400 below the 0.75 wanted",
        "f1_macro cannot be measured (a class has no test row), wanted 0.5",
    ]


def test_calibration() -> None:
    """Bins hold equal numbers of rows; a model that is sure and right has no gap."""
    confidence, right, rows = calibration_bins(LABELS, PERFECT, CLASSES)
    assert rows.sum() == len(LABELS)
    assert np.array_equal(confidence, right)


def test_figures_are_labelled() -> None:
    """Every plot has a title and both axes named."""
    figures = [
        roc_figure(LABELS, PERFECT, CLASSES),
        precision_recall_figure(LABELS, PERFECT, CLASSES),
        calibration_figure(LABELS, PERFECT, CLASSES),
        confusion_figure(LABELS, LABELS, CLASSES, "title"),
    ]
    for figure in figures:
        axes = figure.axes[0]
        assert axes.get_title()
        assert axes.get_xlabel()
        assert axes.get_ylabel()


def test_labels_and_metric_names() -> None:
    """Labels keep their type, text is plain, missing ones are an error; names suit MLflow."""
    assert label_array(pd.Series([1, 2])).tolist() == [1, 2]
    assert label_array(pd.Series(["a"], dtype="category")).tolist() == ["a"]
    with pytest.raises(ComponentError, match="missing in 1 rows"):
        label_array(pd.Series(["a", None], name="y"))
    assert metric_name("class", "A+ (1,2]") == "class/A_ _1_2_"
