"""The gate before a model is promoted: thresholds, and the comparison with the one in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waypost.errors import Finding, UsageError, did_you_mean

# Metrics of which less is better, by a part of their name.
_LOSSES = ("loss", "error", "brier", "mse", "mae", "rmse")


@dataclass(frozen=True)
class Threshold:
    """A metric's least (`is_least`) or largest value."""

    metric: str
    value: float
    is_least: bool


def parse_threshold(text: str, *, is_least: bool) -> Threshold:
    """Returns the threshold that `METRIC=VALUE` says. Raises UsageError."""
    name, _, value = text.rpartition("=")
    try:
        return Threshold(name.strip(), float(value), is_least) if name.strip() else _refuse(text)
    except ValueError:
        return _refuse(text)


def _refuse(text: str) -> Threshold:
    raise UsageError(f"{text!r} is no METRIC=VALUE", hint="for example roc_auc=0.7")


def find_metric(name: str, metrics: Mapping[str, float]) -> str:
    """Returns the full name (`step/metric`) of a metric that may be named without its step.

    Raises UsageError where there is none, or more than one.
    """
    if name in metrics:
        return name
    found = sorted(full for full in metrics if full.endswith(f"/{name}"))
    # A step's own metric comes before those of its classes and slices.
    found = [full for full in found if full.count("/") == 1 + name.count("/")] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"metric {name!r} could be any of: {', '.join(found[:6])}")
    short = {full.rpartition("/")[2] for full in metrics}
    raise UsageError(f"the run has no metric {name!r}", hint=did_you_mean(name, short | set(metrics)))


def less_is_better(metric: str) -> bool:
    """Tells whether a smaller value of a metric is the better one."""
    return any(part in metric.lower() for part in _LOSSES)


def missed(metrics: Mapping[str, float], thresholds: list[Threshold]) -> list[Finding]:
    """Returns a finding for each threshold that is not met, saying by how much. Raises UsageError."""
    found = []
    for threshold in thresholds:
        name = find_metric(threshold.metric, metrics)
        value = metrics[name]
        short = threshold.value - value if threshold.is_least else value - threshold.value
        if not short <= 0:
            side, word = ("least", "below") if threshold.is_least else ("most", "above")
            problem = f"it is {value:.4f}, {abs(short):.4f} {word} the {threshold.value:g} wanted at {side}"
            found.append(Finding(name, problem, category="gate"))
    return found


def not_better(metric: str, new: float, old: float, rival: str) -> list[Finding]:
    """Returns a finding where a metric is not better than the rival's."""
    is_better = new < old if less_is_better(metric) else new > old
    if is_better:
        return []
    problem = f"it is {new:.4f}, not better than {rival} with {old:.4f}"
    return [Finding(metric, problem, category="gate")]
