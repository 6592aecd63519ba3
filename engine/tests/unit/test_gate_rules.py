"""The gate of a promotion: thresholds and the metric that is meant."""

from __future__ import annotations

import pytest

from waypost.contracts.gate import find_metric, missed, parse_threshold
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


@pytest.mark.parametrize("text", ["auc", "auc=", "=1", " =1", "auc=high"])
def test_thresholds_that_are_none(text: str) -> None:
    """Anything else is a usage error that shows the form."""
    with pytest.raises(UsageError, match="is no METRIC=VALUE"):
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
    with pytest.raises(UsageError, match="could be any of: check/rows, train/rows"):
        find_metric("rows", METRICS)
    with pytest.raises(UsageError, match="the run has no metric 'auk'") as caught:
        find_metric("auk", METRICS)
    assert caught.value.hint == "did you mean 'auc'?"
    many = {f"step{n}/rows": 1.0 for n in range(9)}
    with pytest.raises(UsageError, match=r"any of: step0/rows(, step\d/rows){5}$"):
        find_metric("rows", many)


@pytest.mark.parametrize(
    ("is_least", "value", "expected"),
    [
        (True, 0.75, []),
        (True, 0.76, ["evaluate/auc: it is 0.7500, 0.0100 below the 0.76 wanted at least"]),
        (False, 0.75, []),
        (False, 0.7, ["evaluate/auc: it is 0.7500, 0.0500 above the 0.7 wanted at most"]),
    ],
)
def test_missed_by_how_much(is_least: bool, value: float, expected: list[str]) -> None:
    """A threshold is met by its very value; else the finding says by how much it is missed."""
    found = missed(METRICS, [parse_threshold(f"auc={value}", is_least=is_least)])
    assert [str(finding) for finding in found] == expected
    assert all(finding.category == "gate" for finding in found)


def test_what_is_not_a_number_meets_nothing() -> None:
    """A metric that is NaN misses every threshold."""
    for is_least in (True, False):
        assert missed({"e/auc": float("nan")}, [parse_threshold("auc=0", is_least=is_least)])
