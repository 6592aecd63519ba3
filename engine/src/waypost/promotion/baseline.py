"""Comparison with the current model, by a metric that was measured on the same data."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.contracts.gate import better_side, data_problem, metric_to_compare, not_better
from waypost.contracts.metrics import MetricFacts, SaidSide, Side
from waypost.errors import Finding
from waypost.tracking.origins import Origin
from waypost.tracking.registry import Registry


@dataclass(frozen=True)
class Contest:
    """With which version (by its alias) a model is compared, by which metric, and which side is better."""

    alias: str
    metric: str
    side: Side
    any_data: bool = False


def contest(origin: Origin, alias: str, metric: str, side: SaidSide, *, any_data: bool = False) -> Contest:
    """Returns the contest that a model has to win; for an empty metric or side its contracts say it.

    Raises UsageError if they do not.
    """
    facts = origin.facts()
    name = metric_to_compare(metric, origin.metrics(), facts)
    return Contest(alias, name, better_side(name, facts.get(name, MetricFacts()).better, side), any_data)


def contest_findings(registry: Registry, asked: Contest, name: str, origin: Origin) -> list[Finding]:
    """Returns what keeps a model from the place of the one that it should be better than.

    Args: `name` is that of the registered model.
    """
    rival = registry.by_alias(name, asked.alias)
    if rival is None or rival.tags.get("waypost.run") == origin.run_id:
        return []  # the first model has no rival, and a model does not compete with itself
    label = f"{rival.name}/{rival.version} ({asked.alias})"

    def refused(problem: str, hint: str = "") -> list[Finding]:
        return [Finding(asked.metric, f"{label} {problem}", hint, "gate")]

    if "waypost.run" not in rival.tags:
        return refused("was not promoted by Waypost: it cannot be compared")
    other = registry.origin(rival.tags["waypost.run"], rival.tags.get("waypost.step", ""))
    mine, theirs = origin.metrics()[asked.metric], other.metrics().get(asked.metric)
    if theirs is None:
        return refused("has no such metric")
    if not asked.any_data:
        data = (_measured_on(registry, side, asked.metric) for side in (origin, other))
        if problem := data_problem(*data):
            return refused(problem, "measure it on the same data, or compare anyway: --any-data")
    if rival.run_id == origin.maker.run_id:
        return []  # another run that took the same model over
    return not_better(asked.metric, mine, theirs, label, asked.side)


def _measured_on(registry: Registry, origin: Origin, metric: str) -> dict[str, str]:
    """Returns the digests of what the step of a metric was given, the model left out; of what is not known
    an empty one.
    """
    step = origin.step_of(metric)
    given, digests = step.inputs, step.input_digests
    found = {name: digests.get(name, "") for name in {**digests, **given}}
    for name, (run_id, path) in given.items():
        if run_id == origin.maker.run_id:
            found.pop(name)
        elif name not in digests:  # a step of an engine that did not write them down
            found[name] = registry.digest(run_id, path)
    return found
