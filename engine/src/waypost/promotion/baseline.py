"""Comparison with the current model, by a metric measured on the same data."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.contracts.gate import better_side, data_problem, metric_to_compare, not_better, not_finite
from waypost.contracts.metrics import DeclaredSide, MetricFacts, Side
from waypost.errors import Finding
from waypost.tracking.origins import ModelOrigin
from waypost.tracking.registry import Registry


@dataclass(frozen=True)
class Comparison:
    """The alias of the version to compare with, the metric, and its better side (higher or lower)."""

    alias: str
    metric: str
    side: Side
    any_data: bool = False


def comparison_of(
    origin: ModelOrigin, alias: str, metric: str, side: DeclaredSide, *, any_data: bool = False
) -> Comparison:
    """Returns the comparison that a model has to win; its contracts give an empty metric or side.

    Raises UsageError if they give none.
    """
    facts = origin.facts()
    name = metric_to_compare(metric, origin.metrics(), facts)
    return Comparison(alias, name, better_side(name, facts.get(name, MetricFacts()).better, side), any_data)


def comparison_findings(
    registry: Registry, comparison: Comparison, name: str, origin: ModelOrigin
) -> list[Finding]:
    """Returns the reasons why a model does not replace the version that it has to beat.

    Args: `name` is the name of the registered model.
    """
    mine = origin.metrics()[comparison.metric]
    if findings := not_finite(comparison.metric, mine):
        return findings
    rival = registry.by_alias(name, comparison.alias)
    if rival is None or rival.tags.get("waypost.run") == origin.run_id:
        return []  # the first model has no rival, and a model is not compared with itself
    label = f"{rival.name}/{rival.version} ({comparison.alias})"

    def refused(problem: str, hint: str = "") -> list[Finding]:
        return [Finding(comparison.metric, f"{label} {problem}", hint, "gate")]

    if "waypost.run" not in rival.tags:
        return refused("was not promoted by Waypost, so it cannot be compared")
    other = registry.origin(rival.tags["waypost.run"], rival.tags.get("waypost.step", ""))
    theirs = other.metrics().get(comparison.metric)
    if theirs is None:
        return refused("has no such metric")
    if not comparison.any_data:
        data = (_measured_on(registry, side, comparison.metric) for side in (origin, other))
        if problem := data_problem(*data):
            return refused(problem, "measure it on the same data, or compare anyway: --any-data")
    if rival.run_id == origin.maker.run_id:
        return []  # another run that reused the same model
    return not_better(comparison.metric, mine, theirs, label, comparison.side)


def _measured_on(registry: Registry, origin: ModelOrigin, metric: str) -> dict[str, str]:
    """Returns the digests of the inputs, without the model, of the step that logged a metric; an unknown
    digest is empty.
    """
    step = origin.step_of(metric)
    given, digests = step.inputs, step.input_digests
    found = {name: digests.get(name, "") for name in {**digests, **given}}
    for name, (run_id, path) in given.items():
        if run_id == origin.maker.run_id:
            found.pop(name)
        elif name not in digests:  # the step of an older engine, which did not record digests
            found[name] = registry.digest(run_id, path)
    return found
