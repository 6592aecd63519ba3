"""evaluate: intervals of metrics, decisions of two classes, and quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import fbeta_score, mean_pinball_loss, precision_score, recall_score

from evaluate.decisions import (
    Decision,
    by_threshold,
    decision_figure,
    decision_measures,
    decision_of,
    decision_table,
)
from evaluate.intervals import (
    bootstrapped,
    class_measures,
    interval_metrics,
    mean_of,
    measured_once,
    number_measures,
)
from evaluate.quantiles import calibrated, calibrated_figure, calibrated_table, quantile_measures
from scoring import classification_metrics
from scoring.errors import regression_metrics

ROWS = 300


def drawn(classes: int) -> tuple[Any, Any, Any, Any]:
    """Returns (labels, probabilities, classes, answers) of a model that is often right."""
    draw = np.random.default_rng(classes)
    names = np.array([f"class {i}" for i in range(classes)], dtype=object)
    place = draw.integers(0, classes, ROWS)
    chances = draw.dirichlet(np.ones(classes), ROWS) + 0.4 * np.eye(classes)[place]
    chances = draw.multinomial(50, chances / chances.sum(axis=1, keepdims=True)) / 50  # with ties
    return names[place], chances, names, names[chances.argmax(axis=1)]


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_each_draw_is_measured_as_scikit_learn_does(classes: int) -> None:
    """A measure of weights is scikit-learn's figure of the rows that were drawn, as often as they were."""
    labels, chances, names, said = drawn(classes)
    measures = class_measures(labels, chances, names, said)
    draw = np.random.default_rng(0)
    for _ in range(5):
        rows = draw.integers(0, ROWS, ROWS)
        weights = np.bincount(rows, minlength=ROWS)[None].astype(float)
        wanted = classification_metrics(labels[rows], chances[rows], names, said[rows])
        assert {n: float(m(weights)[0]) for n, m in measures.items()} == pytest.approx(wanted)


def test_numbers_are_measured_as_scikit_learn_does() -> None:
    """The same holds for errors of numbers, rows whose truth is 0 among them, and for a quantile."""
    draw = np.random.default_rng(0)
    truth = draw.normal(2, 3, ROWS).round()
    predicted = truth + draw.normal(0, 1, ROWS)
    rows = draw.integers(0, ROWS, ROWS)
    weights = np.bincount(rows, minlength=ROWS)[None].astype(float)
    found = {n: float(m(weights)[0]) for n, m in number_measures(truth, predicted).items()}
    assert found == pytest.approx(regression_metrics(truth[rows], predicted[rows]))
    found = measured_once(quantile_measures(truth, predicted, 0.9), ROWS)
    assert found["pinball_loss"] == pytest.approx(mean_pinball_loss(truth, predicted, alpha=0.9))
    assert found["coverage_error"] == pytest.approx(abs((truth <= predicted).mean() - 0.9))


def test_intervals_hold_what_they_promise() -> None:
    """95 of 100 intervals of a mean hold the true one; the same seed gives the same digits."""
    draw = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        values = draw.exponential(1, 100)
        low, high = bootstrapped({"mean": mean_of(values)}, 100, 300, seed)["mean"]
        held += low <= 1 <= high
    assert 0.88 <= held / 200 <= 0.98
    values = draw.normal(0, 1, 400)
    once, again, other = (bootstrapped({"m": mean_of(values)}, 400, 1000, seed)["m"] for seed in (1, 1, 2))
    assert once == again != other
    assert once == pytest.approx(
        (values.mean() - 1.96 * values.std() / 20, values.mean() + 1.96 * values.std() / 20), abs=0.02
    )
    assert interval_metrics({"m": (1.0, 2.0)}) == {"m/low": 1, "m/high": 2}


def test_what_cannot_be_measured_has_no_interval() -> None:
    """A class without rows leaves the AUC out, 0 draws all of them, one row is no division by zero."""
    labels, chances, names, said = drawn(3)
    rows = labels != names[0]
    found = bootstrapped(
        class_measures(labels[rows], chances[rows], names, said[rows]), int(rows.sum()), 50, 0
    )
    assert set(found) == {"accuracy", "f1_macro", "log_loss"}
    assert bootstrapped({"m": mean_of(np.ones(3))}, 3, 0, 0) == {}
    assert set(bootstrapped(number_measures(np.ones(1), np.ones(1)), 1, 10, 0)) == {"mae", "rmse", "mape"}


def test_decisions() -> None:
    """Precision, recall and what the threshold was chosen by are those of the positive class."""
    labels, chances, names, _ = drawn(2)
    threshold = {"class": names[0], "value": 0.3, "by": "cost", "false_positive": 1.0, "false_negative": 5.0}
    decision = decision_of({"threshold": threshold}, names)
    assert decision == Decision(0, 0.3, costs=(1, 5))
    said = np.where(chances[:, 0] >= 0.3, names[0], names[1])
    found = measured_once(decision_measures(decision, labels, names, said), ROWS)
    assert found["precision"] == pytest.approx(precision_score(labels, said, pos_label=names[0]))
    assert found["recall"] == pytest.approx(recall_score(labels, said, pos_label=names[0]))
    wrong, missed = (said != labels) & (labels == names[1]), (said != labels) & (labels == names[0])
    assert found["cost"] == pytest.approx((wrong.sum() + 5 * missed.sum()) / ROWS)
    beta = decision_of({"threshold": {"class": names[1], "value": 0.6, "by": "f_beta", "beta": 2}}, names)
    assert beta == Decision(1, 0.6, beta=2)
    found = measured_once(decision_measures(beta, labels, names, said), ROWS)
    assert found["f_beta"] == pytest.approx(fbeta_score(labels, said, beta=2, pos_label=names[1]))
    assert decision_of(None, names) == Decision(1, 0.5)
    assert decision_of({"threshold": threshold}, np.append(names, "third")) is None
    never = np.full(ROWS, names[1])
    assert set(measured_once(decision_measures(decision, labels, names, never), ROWS)) == {"recall", "cost"}


def test_thresholds_are_shown() -> None:
    """Each threshold has its precision, recall and cost; none is invented where nothing is said positive."""
    labels, chances, names, _ = drawn(2)
    decision = Decision(1, 0.4, costs=(1, 5))
    rows = by_threshold(decision, labels, chances, names)
    assert len(rows) == 100
    assert rows[0][2] > 0.9
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    table = decision_table(decision, labels, chances, names)
    assert [column["name"] for column in table["columns"]][-1] == "cost a row"
    assert "from a probability of 0.4 on" in table["description"]
    plain = decision_table(Decision(1, 0.5), labels, np.clip(chances, 0, 0.5), names)
    assert len(plain["columns"]) == 4
    assert plain["rows"][-1] == [1, None, 0, 0]
    axes = decision_figure(decision, labels, chances, names).axes[0]
    assert all([axes.get_title(), axes.get_xlabel(), axes.get_ylabel()])


@pytest.mark.parametrize("quantile", [None, 0.5])
def test_calibration_of_numbers(quantile: float | None) -> None:
    """Ten bins of equal rows: a model that is right lies on the diagonal, a median has half of them below."""
    draw = np.random.default_rng(0)
    predicted = draw.normal(10, 3, 1000)
    truth = predicted + draw.normal(0, 1, 1000)
    bins = calibrated(truth, predicted, quantile)
    assert [rows for _, _, rows in bins] == [100] * 10
    for at, value, _ in bins:
        assert value == pytest.approx(at if quantile is None else 0.5, abs=0.4 if quantile is None else 0.2)
    table = calibrated_table(truth, predicted, "rate", quantile)
    assert table["diagonal"] == (quantile is None)
    axes = calibrated_figure(truth, predicted, "rate", quantile).axes[0]
    assert all([axes.get_title(), axes.get_xlabel(), axes.get_ylabel()])
