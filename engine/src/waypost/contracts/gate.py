"""The gate before a model is promoted: thresholds, and the comparison with the current model."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from waypost.contracts.metrics import DeclaredSide, MetricFacts, Side, is_finite
from waypost.errors import Finding, UsageError, did_you_mean

_SAY_IT = "state it: --lower or --higher; a contract may declare it: {better: lower, kind: quality}"


@dataclass(frozen=True)
class Threshold:
    """A metric's minimum (`is_least`) or maximum."""

    metric: str
    value: float
    is_least: bool


def parse_threshold(text: str, *, is_least: bool) -> Threshold:
    """Parses `METRIC=VALUE`. Raises UsageError."""
    name, _, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        return _refuse(text)
    if math.isnan(number) or not name.strip():
        return _refuse(text)
    return Threshold(name.strip(), number, is_least)


def _refuse(text: str) -> Threshold:
    raise UsageError(f"{text!r} is not METRIC=VALUE", hint="for example roc_auc=0.7")


def find_metric(name: str, metrics: Mapping[str, float]) -> str:
    """Returns the full name (`step/metric`) of a metric, which may be given without its step.

    Raises UsageError if there is none, or more than one.
    """
    if name in metrics:
        return name
    found = sorted(full for full in metrics if full.endswith(f"/{name}"))
    # A step's own metric takes precedence over those of its classes and slices.
    found = [full for full in found if full.count("/") == 1 + name.count("/")] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"metric {name!r} is ambiguous: {', '.join(found[:6])}")
    short = {full.rpartition("/")[2] for full in metrics}
    raise UsageError(f"the run has no metric {name!r}", hint=did_you_mean(name, short | set(metrics)))


def metric_to_compare(asked: str, metrics: Mapping[str, float], facts: Mapping[str, MetricFacts]) -> str:
    """Returns the metric to compare models by: the one asked for, else the first declared quality.

    Raises UsageError if there is none, or more than one.
    """
    if asked:
        return find_metric(asked, metrics)
    if found := qualities(metrics, facts):
        return found[0]
    raise UsageError(
        "no contract declares a metric of kind quality: there is no metric to compare the models by",
        hint="name it: --metric METRIC",
    )


def qualities(metrics: Collection[str], facts: Mapping[str, MetricFacts]) -> list[str]:
    """Returns the metrics that contracts declare as model quality, in their order."""
    return [name for name, metric in facts.items() if metric.kind == "quality" and name in metrics]


def better_side(metric: str, declared: DeclaredSide, asked: DeclaredSide) -> Side:
    """Returns which values of a metric are better.

    Args: `declared` is the contract's side, `asked` the command line's; either may be empty.
    Raises UsageError if neither is given, or they contradict each other.
    """
    if asked and declared and asked != declared:
        raise UsageError(
            f"--{asked}: the contract says that {declared} is better for {metric!r}", hint=f"drop --{asked}"
        )
    if side := asked or declared:
        return side
    raise UsageError(f"no contract says whether high or low values of {metric!r} are better", hint=_SAY_IT)


def data_problem(new: Mapping[str, str], old: Mapping[str, str]) -> str:
    """Returns why figures cannot be compared, empty if they were measured on the same data.

    Args: by input, the digest of the data behind each figure; empty if unknown.
    """
    if not new or not old or not all((*new.values(), *old.values())):
        return "the data that it was measured on is unknown"
    others = [name for name in dict.fromkeys([*new, *old]) if new.get(name) != old.get(name)]
    return f"was measured on different data ({', '.join(others)})" if others else ""


def missed(metrics: Mapping[str, float], thresholds: list[Threshold]) -> list[Finding]:
    """Returns a finding for each threshold that is not met, with the difference. Raises UsageError."""
    found = []
    for threshold in thresholds:
        name = find_metric(threshold.metric, metrics)
        value = metrics[name]
        short = threshold.value - value if threshold.is_least else value - threshold.value
        if not is_finite(value):
            found += not_finite(name, value)
        elif short > 0:
            side, word = ("minimum", "below") if threshold.is_least else ("maximum", "above")
            problem = f"it is {value:.4f}, {abs(short):.4f} {word} the required {side} of {threshold.value:g}"
            found.append(Finding(name, problem, category="gate"))
    return found


def not_finite(metric: str, value: float) -> list[Finding]:
    """Returns a finding if a metric is NaN or infinite: such a model passes no gate, nor would a later one
    pass a comparison with it.
    """
    if is_finite(value):
        return []
    problem = "it is not a number" if math.isnan(value) else "it is infinite"
    return [Finding(metric, problem, category="gate")]


def not_better(metric: str, new: float, old: float, rival: str, side: Side) -> list[Finding]:
    """Returns a finding if a metric is not better than the rival's: a finite value beats a non-finite one."""
    if not is_finite(new) or not is_finite(old):
        return not_finite(metric, new)
    if (new < old) if side == "lower" else (new > old):
        return []
    problem = f"it is {new:.4f}, not better than {rival} with {old:.4f}: {side} is better"
    return [Finding(metric, problem, category="gate")]
