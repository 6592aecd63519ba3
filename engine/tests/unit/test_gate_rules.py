"""The gate of a promotion: thresholds and the metric that is meant."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from waypost.contracts.gate import (
    better_side,
    data_problem,
    find_metric,
    metric_to_compare,
    missed,
    not_better,
    parse_threshold,
    qualities,
)
from waypost.contracts.metrics import MetricFacts, Side
from waypost.errors import UsageError

METRICS = {
    "evaluate/a/f1": 0.5,
    "evaluate/class/a/f1": 0.5,
    "evaluate/auc": 0.75,
    "evaluate/class/a/auc": 0.5,
    "check/rows": 10.0,
    "train/rows": 7.0,
}


def test_thresholds_are_read() -> None:
    """METRIC=VALUE, split at the last sign, so that a metric's name may hold one."""
    threshold = parse_threshold("a=b = 0.5", is_least=True)
    assert (threshold.metric, threshold.value, threshold.is_least) == ("a=b", 0.5, True)


@pytest.mark.parametrize("text", ["auc", "auc=", "=1", " =1", "auc=high", "auc=nan"])
def test_thresholds_that_are_none(text: str) -> None:
    """Anything else is a usage error that shows the form."""
    with pytest.raises(UsageError, match="is not METRIC=VALUE"):
        parse_threshold(text, is_least=True)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("evaluate/auc", "evaluate/auc"),
        ("auc", "evaluate/auc"),
        ("a/auc", "evaluate/class/a/auc"),
        ("a/f1", "evaluate/a/f1"),
        ("class/a/auc", "evaluate/class/a/auc"),
    ],
)
def test_a_metric_may_be_named_in_short(name: str, full: str) -> None:
    """A step's own metric comes before those of its classes."""
    assert find_metric(name, METRICS) == full


def test_a_metric_that_could_be_several() -> None:
    """Two steps with one metric are both named; a metric that is not there is told with the nearest one."""
    with pytest.raises(UsageError, match="is ambiguous: check/rows, train/rows"):
        find_metric("rows", METRICS)
    with pytest.raises(UsageError, match="the run has no metric 'auk'") as caught:
        find_metric("auk", METRICS)
    assert caught.value.hint == "did you mean 'auc'?"
    with pytest.raises(UsageError) as caught:
        find_metric("recal", {"evaluate/class/recall": 1.0})
    assert caught.value.hint == "did you mean 'recall'?"
    many = {f"step{n}/rows": 1.0 for n in range(9)}
    with pytest.raises(UsageError, match=r"ambiguous: step0/rows(, step\d/rows){5}$"):
        find_metric("rows", many)


@pytest.mark.parametrize(
    ("is_least", "value", "expected"),
    [
        (True, 0.75, []),
        (True, 0.76, ["evaluate/auc: it is 0.7500, 0.0100 below the required minimum of 0.76"]),
        (False, 0.75, []),
        (False, 0.7, ["evaluate/auc: it is 0.7500, 0.0500 above the required maximum of 0.7"]),
    ],
)
def test_missed_by_how_much(is_least: bool, value: float, expected: list[str]) -> None:
    """A threshold is met by its very value; else the finding says by how much it is missed."""
    found = missed(METRICS, [parse_threshold(f"auc={value}", is_least=is_least)])
    assert [str(finding) for finding in found] == expected
    assert all(finding.category == "gate" for finding in found)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (math.nan, "it is not a number"),
        (math.inf, "it is infinite"),
        (-math.inf, "it is infinite"),
        (sys.float_info.max, "it is infinite"),
    ],
)
def test_what_is_not_finite_passes_no_gate(value: float, problem: str) -> None:
    """A metric that is NaN or infinite, which MLflow's databases keep as the largest number, misses every
    threshold and is better than nothing; a finite one is better than it, so that no gate stays shut.
    """
    for is_least in (True, False):
        (finding,) = missed({"e/auc": value}, [parse_threshold("auc=0", is_least=is_least)])
        assert str(finding) == f"e/auc: {problem}"
    sides: tuple[Side, Side] = ("lower", "higher")
    for side in sides:
        (finding,) = not_better("m", value, 0.5, "r", side)
        assert str(finding) == f"m: {problem}"
        assert not_better("m", 0.5, value, "r", side) == []


FACTS = {
    "evaluate/rows": MetricFacts(kind="count"),
    "evaluate/gone": MetricFacts(kind="quality", better="lower"),
    "evaluate/auc": MetricFacts(kind="quality", better="higher"),
    "train/rows": MetricFacts(kind="quality"),
}


def test_what_models_are_compared_by() -> None:
    """The metric that was asked for, else the first one that a contract declares as quality and that the run
    has; where there is neither, the error names the option.
    """
    assert metric_to_compare("f1", METRICS | {"evaluate/f1": 1.0}, FACTS) == "evaluate/f1"
    assert metric_to_compare("", METRICS, FACTS) == "evaluate/auc"
    assert qualities(METRICS, FACTS) == ["evaluate/auc", "train/rows"]
    with pytest.raises(UsageError, match="no contract declares a metric of kind quality") as caught:
        metric_to_compare("", METRICS, {})
    assert "--metric" in caught.value.hint


@pytest.mark.parametrize("name", ["mape", "log_loss", "rmse", "error_free_rows", "roc_auc"])
def test_a_name_says_no_direction(name: str) -> None:
    """Whatever a metric is called: its contract or the user says which side is better, or it is an error."""
    with pytest.raises(UsageError, match=f"whether high or low values of '{name}' are better") as caught:
        better_side(name, "", "")
    assert "--lower or --higher" in caught.value.hint


@pytest.mark.parametrize(
    ("declared", "asked", "side"),
    [("lower", "", "lower"), ("", "higher", "higher"), ("lower", "lower", "lower")],
)
def test_who_says_the_direction(declared: Any, asked: Any, side: str) -> None:
    """The contract or the command line."""
    assert better_side("m", declared, asked) == side


def test_a_direction_against_the_contract_is_refused() -> None:
    """An option that contradicts the contract is a slip: the gate would be turned round."""
    with pytest.raises(UsageError, match="--higher: the contract says that lower is better for 'm'"):
        better_side("m", "lower", "higher")


def test_better_by_the_declared_side() -> None:
    """Less is better for lower, more for higher; an equal value is better for neither, nor is NaN."""
    assert not_better("m", 0.1, 0.2, "r", "lower") == []
    assert not_better("m", 0.2, 0.1, "r", "higher") == []
    (finding,) = not_better("m", 0.2, 0.1, "r/1", "lower")
    assert str(finding) == "m: it is 0.2000, not better than r/1 with 0.1000: lower is better"
    for new in (0.1, float("nan")):
        assert not_better("m", new, 0.1, "r", "lower")
        assert not_better("m", new, 0.1, "r", "higher")


@pytest.mark.parametrize(
    ("new", "old", "problem"),
    [
        ({"data": "a"}, {"data": "a"}, ""),
        ({"data": "a", "x": "1"}, {"data": "b", "x": "1"}, "was measured on different data (data)"),
        ({"data": "a"}, {"data": "a", "more": "b"}, "was measured on different data (more)"),
        ({}, {}, "the data that it was measured on is unknown"),
        ({"data": ""}, {"data": ""}, "the data that it was measured on is unknown"),
        ({"data": "a"}, {}, "the data that it was measured on is unknown"),
    ],
)
def test_unknown_data_is_not_the_same_data(new: Any, old: Any, problem: str) -> None:
    """Only data whose digests are known, and equal, are the same."""
    assert data_problem(new, old) == problem
