"""evaluate: what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from componentkit.arguments import ComponentError
from evaluate.classes import per_class, per_slice
from evaluate.measure import missed_thresholds, target_of
from evaluate.plots import (
    calibration_bins,
    calibration_figure,
    precision_recall_figure,
    roc_figure,
)
from scoring import classification_metrics, confusion_figure, label_array, metric_name
from scoring.columns import aligned, check_unknown, unknown_shares
from scoring.models import load, task_of

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
    assert load(str(tmp_path / "line"), "regression")[0].coef_ == pytest.approx([1])
    assert [task_of(*given) for given in ((None, ""), ({"task": "regression"}, ""))] == [
        "classification",
        "regression",
    ]
    mlflow.sklearn.save_model(LogisticRegression().fit(rows, labels), tmp_path / "curve", **signed)
    assert list(load(str(tmp_path / "curve"))[0].classes_) == [0, 1]


def schema(**types: str) -> Any:
    from mlflow.types import ColSpec, Schema

    return Schema([ColSpec(kind, name, required=False) for name, kind in types.items()])


def test_values_of_another_type_are_told() -> None:
    """4, 4.0 and "4" are one value wherever they come from; a column of another type is told all the same."""
    wanted = schema(k="double", w="long", b="boolean", s="string")
    own = pd.DataFrame({"k": [4.0, None], "w": [4, 5], "b": [True, False], "s": ["4", None]})
    other = pd.DataFrame({"k": ["4", None], "w": ["4", "5.0"], "b": ["true", 0], "s": [4.0, None]})
    told: list[str] = []
    pd.testing.assert_frame_equal(aligned(own, wanted, told.append), own)
    assert not told
    found = aligned(other, wanted, told.append)
    assert found["w"].tolist() == [4, 5]
    assert [line.partition(":")[0] for line in told] == [
        "column 'k' holds text, the model learned from numbers (double)",
        "column 'w' holds text, the model learned from whole numbers (long)",
        "column 'b' holds text, the model learned from booleans (boolean)",
        "column 's' holds numbers, the model learned from text (string)",
    ]
    pd.testing.assert_frame_equal(found[["k", "b", "s"]], own[["k", "b", "s"]])
    gaps = aligned(pd.DataFrame({"b": [True, None], "w": [4.0, None]}), schema(b="boolean", w="long"))
    assert gaps["b"].tolist() == [True, None]
    with pytest.raises(
        ComponentError, match=r"'w' is not numeric: 'x' in row 2; .*; it learned from whole numbers"
    ):
        aligned(pd.DataFrame({"w": ["4", "x"]}), schema(w="long"))
    with pytest.raises(ComponentError, match="column 'b' is not boolean: 'maybe'"):
        aligned(pd.DataFrame({"b": ["maybe"]}), schema(b="boolean"))


def test_unknown_categories_are_measured() -> None:
    """The share of rows with a category never seen is told for each column, and an error above a limit."""
    known = pd.DataFrame({"k": [1.0, 2.0, 1.0, 2.0], "s": ["a", "b", "a", "b"]})
    new = pd.DataFrame({"k": [1.0, 3.0, None, 2.0], "s": ["a", "b", "c", "a"]})
    for encoder in (OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()):
        model = make_pipeline(ColumnTransformer([("c", encoder, ["k", "s"])])).fit(known)
        assert unknown_shares(model, new) == {"k": 0.5, "s": 0.25}
        assert unknown_shares(model, known) == {"k": 0, "s": 0}
    told: list[str] = []
    check_unknown({"k": 0.5, "s": 0.0}, 0.5, told.append)
    assert told == ["categories that the model has never seen: column 'k': 50.0% of the rows"]
    with pytest.raises(ComponentError, match=r"column 'k': 50\.0% of the rows; 40% are allowed.*max_unknown"):
        check_unknown({"k": 0.5}, 0.4, told.append)


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
    assert set(per_slice(column, LABELS, PERFECT, CLASSES, LABELS)) == {"big", "missing"}
    numbers = pd.Series(range(120), name="n")
    assert len(per_slice(numbers, LABELS, PERFECT, CLASSES, LABELS)) == 4
    names = pd.Series(map(str, range(120)), name="id")
    with pytest.raises(ComponentError, match="'id' has 120 values"):
        per_slice(names, LABELS, PERFECT, CLASSES, LABELS)


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


@pytest.mark.parametrize("count", [15, 40])
def test_figures_of_many_classes_can_be_read(count: int) -> None:
    """However many classes: no more curves are named than colours can be told apart, all figures have a size
    that fits a screen, and long names are shortened.
    """
    classes = np.array([f"a class with a long name {i:02}" for i in range(count)], dtype=object)
    labels = np.repeat(classes, 5)
    probabilities = np.random.default_rng(0).dirichlet(np.ones(count), len(labels))
    for figure in (roc_figure, precision_recall_figure):
        legend = figure(labels, probabilities, classes).axes[0].get_legend()
        assert legend is not None
        names = [text.get_text() for text in legend.get_texts()]
        assert len(names) <= 22
        assert max(map(len, names)) <= 50
        assert (f"{count - 20} others, between these" in names) == (count > 20)
    matrix = confusion_figure(labels, labels, classes, "title")
    assert max(matrix.get_size_inches()) <= 16
    assert bool(matrix.axes[0].texts) == (count <= 25)


def test_labels_and_metric_names() -> None:
    """Labels keep their type, text is plain, missing ones are an error; names suit MLflow."""
    assert label_array(pd.Series([1, 2])).tolist() == [1, 2]
    assert label_array(pd.Series(["a"], dtype="category")).tolist() == ["a"]
    assert label_array(pd.Series([True, False], dtype="boolean")).tolist() == [True, False]
    assert label_array(pd.Series([1, 2], dtype="Int64")).tolist() == [1, 2]
    assert label_array(pd.Series([1, 2], dtype="category")).tolist() == [1, 2]
    assert label_array(pd.Series([1.5, 2.0])).tolist() == ["1.5", "2.0"]
    with pytest.raises(ComponentError, match="missing in 1 rows"):
        label_array(pd.Series(["a", None], name="y"))
    assert metric_name("class", "A+ (1,2]") == "class/A_ _1_2_"
