"""Bootstrap intervals: in which range a metric lies when the test rows are drawn again (Efron 1979).

A measure takes weights of shape (draws, rows), how often each draw has each row, and returns one value for
each draw; NaN where the draw has no such value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from scoring import Labels, Probabilities
from scoring.errors import Numbers

Weights = NDArray[np.float64]
Measure = Callable[[Weights], NDArray[np.float64]]
Interval = tuple[float, float]

LEVEL = 0.95
_CELLS = 100_000
"""Weights that are in memory at once."""
_MOST_CELLS = 50_000_000
_FEWEST_DRAWS = 100


def bootstrapped(measures: Mapping[str, Measure], rows: int, draws: int, seed: int) -> dict[str, Interval]:
    """Returns the ends of the 95 % percentile interval of each measure; a measure without a value has none.

    Of very many rows there are fewer draws, 100 at least: their intervals are narrow anyway.
    """
    draws = min(draws, max(_FEWEST_DRAWS, _MOST_CELLS // max(rows, 1)))
    if not draws:
        return {}
    pieces = [[measure(weights) for measure in measures.values()] for weights in _weights(rows, draws, seed)]
    found = {}
    for name, values in zip(measures, zip(*pieces, strict=True), strict=True):
        known = np.concatenate(values)
        known = known[np.isfinite(known)]
        if len(known) > draws / 2:
            low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            found[name] = (float(low), float(high))
    return found


def measured_once(measures: Mapping[str, Measure], rows: int) -> dict[str, float]:
    """Returns the value of each measure on the rows themselves, of those that have one."""
    once = np.ones((1, rows))
    values = {name: float(measure(once)[0]) for name, measure in measures.items()}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def interval_metrics(found: Mapping[str, Interval]) -> dict[str, float]:
    """Returns the ends of intervals as metrics: `NAME/low` and `NAME/high`."""
    ends = {f"{name}/low": low for name, (low, _) in found.items()}
    return ends | {f"{name}/high": high for name, (_, high) in found.items()}


def _weights(rows: int, draws: int, seed: int) -> Iterator[Weights]:
    """Gives the weights of all draws, some draws at a time; their number does not change them."""
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // max(rows, 1))
    for start in range(0, draws, step):
        drawn = (
            np.bincount(generator.integers(0, rows, rows), minlength=rows)
            for _ in range(min(step, draws - start))
        )
        yield np.array(list(drawn), dtype=np.float64)


def mean_of(values: Numbers, rows: NDArray[np.bool_] | None = None) -> Measure:
    """Returns the measure that is a mean, of some of the rows."""
    if rows is None:
        return lambda weights: (weights * values).sum(axis=1) / weights.sum(axis=1)
    places = np.flatnonzero(rows)
    some = mean_of(values[places])
    return lambda weights: _quiet(some, weights[:, places])


def ratio_of(above: NDArray[np.bool_], below: NDArray[np.bool_]) -> Measure:
    """Returns the measure that is the share of the rows `below` that are `above`, too."""
    return mean_of(above.astype(np.float64), below)


def class_measures(
    labels: Labels, probabilities: Probabilities, classes: Labels, predicted: Labels
) -> dict[str, Measure]:
    """Returns the measures of a classifier, by the names of `scoring.classification_metrics`."""
    place = np.searchsorted(classes, labels)
    chosen = np.clip(probabilities[np.arange(len(labels)), place], np.finfo(probabilities.dtype).eps, 1)
    pairs = [_area(probabilities, labels, classes, one, other) for one, other in _pairs(len(classes))]
    return {
        "roc_auc": lambda weights: np.mean([pair(weights) for pair in pairs], axis=0),
        "accuracy": mean_of((labels == predicted).astype(np.float64)),
        "f1_macro": _f1_macro(labels, predicted, classes),
        "log_loss": mean_of(-np.log(chosen)),
    }


def number_measures(truth: Numbers, predicted: Numbers) -> dict[str, Measure]:
    """Returns the measures of a model of numbers, by the names of `scoring.errors.regression_metrics`."""
    error, centred, some = truth - predicted, truth - truth.mean(), truth != 0
    squares, spread, mean = mean_of(error**2), mean_of(centred**2), mean_of(centred)
    shares = np.divide(np.abs(error), np.abs(truth), out=np.zeros_like(truth), where=some)

    def r2(weights: Weights) -> NDArray[np.float64]:
        with np.errstate(divide="ignore", invalid="ignore"):
            found: NDArray[np.float64] = 1 - squares(weights) / (spread(weights) - mean(weights) ** 2)
        return found

    return {
        "mae": mean_of(np.abs(error)),
        "rmse": lambda weights: np.sqrt(squares(weights)),
        "r2": r2,
        "mape": mean_of(shares, some),
    }


def _pairs(classes: int) -> list[tuple[int, int]]:
    """Returns (class, other class) as the ROC AUC compares them: for two classes one pair says it all."""
    if classes == 2:
        return [(1, 0)]
    return [(one, other) for one in range(classes) for other in range(classes) if one != other]


def _area(probabilities: Probabilities, labels: Labels, classes: Labels, one: int, other: int) -> Measure:
    """Returns the ROC AUC of a class against another one: how often its rows have the larger probability of
    it, a tie counting half.
    """
    places = np.flatnonzero((labels == classes[one]) | (labels == classes[other]))
    places = places[np.argsort(probabilities[places, one], kind="stable")]
    chances, is_one = probabilities[places, one], labels[places] == classes[one]
    # Rows of one probability are one step of the curve.
    step = np.concatenate([[0], np.cumsum(np.diff(chances) > 0)]) if len(places) else np.zeros(0, int)
    starts = np.flatnonzero(np.diff(step, prepend=-1))

    def measured(weights: Weights) -> NDArray[np.float64]:
        if not len(places):
            return np.full(len(weights), np.nan)
        found = weights[:, places]
        ones = found * is_one
        others = found - ones
        if len(starts) < len(places):
            ones, others = (np.add.reduceat(each, starts, axis=1) for each in (ones, others))
        below = np.cumsum(others, axis=1) - others / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            area: NDArray[np.float64] = (ones * below).sum(axis=1) / (ones.sum(axis=1) * others.sum(axis=1))
        return area

    return measured


def _f1_macro(labels: Labels, predicted: Labels, classes: Labels) -> Measure:
    """Returns the mean F1 of the classes that a draw has, among its labels or its answers."""
    true = [np.flatnonzero(labels == name) for name in classes.tolist()]
    said = [np.flatnonzero(predicted == name) for name in classes.tolist()]
    both = [np.intersect1d(*each) for each in zip(true, said, strict=True)]

    def measured(weights: Weights) -> NDArray[np.float64]:
        rows = np.array([weights[:, one].sum(axis=1) for one in true])
        rows += np.array([weights[:, one].sum(axis=1) for one in said])
        right = np.array([weights[:, one].sum(axis=1) for one in both])
        each = np.divide(2 * right, rows, out=np.zeros_like(right), where=rows > 0)
        total: NDArray[np.float64] = each.sum(axis=0) / (rows > 0).sum(axis=0)
        return total

    return measured


def _quiet(measure: Measure, weights: Weights) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return measure(weights)
