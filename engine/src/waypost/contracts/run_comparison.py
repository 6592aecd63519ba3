"""Two runs of a pipeline compared: only the differences, each with its reason. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from waypost.contracts.keys import value_differences
from waypost.contracts.metrics import SYSTEM, MetricFacts

ONLY_BEFORE, ONLY_AFTER, DIFFERENT = "only in the first", "only in the second", "differs"
BETTER, WORSE = "better", "worse"
_UNEXPLAINED = "environment, platform or command"


@dataclass(frozen=True)
class Predictions:
    """A table of predictions: its run and artifact, and the column with the answers."""

    run_id: str
    path: str
    column: str


@dataclass(frozen=True)
class StepFacts:
    """A step's run: `key` is the digest of everything that decides its result; `trees` the code by folder,
    `inputs` the digests of its input files, `taken` those made by other steps, as STEP.OUTPUT. `environment`
    is the digest of the packages; this, the platform and the interface are empty if the run's engine did not
    record them.
    """

    run_id: str
    key: str
    component: str
    trees: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    taken: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, MetricFacts] = field(default_factory=dict)
    environment: str = ""
    platform: str = ""
    interface: Mapping[str, Any] = field(default_factory=dict)
    predictions: Mapping[str, Predictions] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFacts:
    """A pipeline run: its parameters as one-line texts, and its steps."""

    run_id: str
    name: str
    parameters: Mapping[str, str]
    steps: Mapping[str, StepFacts]


@dataclass(frozen=True)
class Change:
    """A value that differs; None if one of the runs does not have it."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ComponentChange(Change):
    """A component that changed; `interface` is what changed for its users, if both interfaces are known."""

    interface: tuple[str, ...] = ()


Interval = tuple[float, float]


@dataclass(frozen=True)
class MetricChange:
    """A metric that differs; `verdict` is better or worse if the contract declares the better side. Intervals
    are present if the contract names the metrics with their ends.
    """

    name: str
    before: float | None
    after: float | None
    verdict: str = ""
    interval_before: Interval | None = None
    interval_after: Interval | None = None

    @property
    def difference(self) -> float | None:
        """The difference, None if one of the runs does not have it, or not as a number."""
        if self.before is None or self.after is None:
            return None
        found = self.after - self.before
        return None if math.isnan(found) else found


@dataclass(frozen=True)
class StepChange:
    """A step that differs: its state, the reasons, and the outputs with different content."""

    name: str
    state: str
    because: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class PredictionChange:
    """A table of predictions that differs: the number of changed rows, the first of them, counted from 1, and
    the most frequent moves as (before, after, rows). `problem` is why the tables cannot be compared.
    """

    name: str
    rows: int = 0
    changed: int = 0
    first: tuple[int, ...] = ()
    moves: tuple[tuple[str, str, int], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class RunComparison:
    """Differences between two runs; empty if everything that decides a result, and all results, are equal.
    `pipelines` are the names of the two pipelines if they are not one.
    """

    before: str
    after: str
    parameters: tuple[Change, ...]
    data: tuple[Change, ...]
    components: tuple[ComponentChange, ...]
    steps: tuple[StepChange, ...]
    metrics: tuple[MetricChange, ...]
    environments: tuple[Change, ...] = ()
    predictions: tuple[PredictionChange, ...] = ()
    pipelines: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        return not (self.parameters or self.data or self.components or self.steps or self.metrics)

    def titles(self, before: str, after: str) -> list[str]:
        """Returns how people call the runs: as they asked for them, or by the beginning of their ids."""
        sides = ((before, self.before), (after, self.after))
        return [asked if asked and run not in asked else f"run {run[:12]}" for asked, run in sides]


Differ = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[str, ...]]
"""Returns the differences between two interfaces, for the users of the component."""


def compare_runs(before: RunFacts, after: RunFacts, differ: Differ = lambda *_: ()) -> RunComparison:
    """Returns the differences between two runs of pipelines with steps of the same names."""
    both = [(name, before.steps[name], after.steps[name]) for name in before.steps if name in after.steps]
    return RunComparison(
        before.run_id,
        after.run_id,
        tuple(_changes(before.parameters, after.parameters)),
        tuple(change for name, a, b in both for change in _data(name, a, b)),
        tuple(_moved(name, a, b, differ) for name, a, b in both if _has_moved(a, b)),
        tuple(_steps(before, after)),
        tuple(_metrics(before, after)),
        tuple(change for name, a, b in both for change in _environment(name, a, b)),
        pipelines=(before.name, after.name) if before.name != after.name else (),
    )


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield Change(name, before.get(name), after.get(name))


def _has_moved(before: StepFacts, after: StepFacts) -> bool:
    return before.component != after.component or before.trees != after.trees


def _moved(step: str, before: StepFacts, after: StepFacts, differ: Differ) -> ComponentChange:
    """Returns the versions of a component; its trees, if the versions are equal."""
    known = before.interface and after.interface
    interface = differ(before.interface, after.interface) if known else ()
    if before.component != after.component:
        return ComponentChange(step, before.component, after.component, interface)
    changes = list(_changes(before.trees, after.trees))
    trees = [
        ", ".join(f"{c.name} {(getattr(c, side) or '–')[:12]}" for c in changes)
        for side in ("before", "after")
    ]
    was, now = (f"{before.component} ({tree})" for tree in trees)
    return ComponentChange(step, was, now, interface)


def _environment(step: str, before: StepFacts, after: StepFacts) -> Iterator[Change]:
    """Yields further differences in what a step ran with, if both runs recorded it."""
    for name in ("environment", "platform"):
        was, now = getattr(before, name), getattr(after, name)
        if was and now and was != now:
            yield Change(f"{step}.{name}", was, now)


def _data(step: str, before: StepFacts, after: StepFacts) -> Iterator[Change]:
    """Yields external content that differs: inputs of a step, or data that it fetched itself."""
    outside = [{n: d for n, d in each.inputs.items() if n not in each.taken} for each in (before, after)]
    for change in _changes(*outside):
        yield Change(f"{step}.{change.name}", change.before, change.after)
    if before.key == after.key and before.outputs != after.outputs:
        for change in _changes(before.outputs, after.outputs):
            yield Change(f"{step}.{change.name}", change.before, change.after)


def _steps(before: RunFacts, after: RunFacts) -> Iterator[StepChange]:
    for name in [*before.steps, *(name for name in after.steps if name not in before.steps)]:
        a, b = before.steps.get(name), after.steps.get(name)
        if a is None or b is None:
            yield StepChange(name, ONLY_AFTER if a is None else ONLY_BEFORE)
            continue
        outputs = tuple(change.name for change in _changes(a.outputs, b.outputs))
        because = tuple(_causes(a, b))
        if because or outputs:
            yield StepChange(name, DIFFERENT, because, outputs)


def _causes(before: StepFacts, after: StepFacts) -> Iterator[str]:
    """Yields why a step's result may differ; nothing if its key is the same."""
    if before.key == after.key:
        return
    found = [text for c in _changes(before.arguments, after.arguments) for text in _argument(c)]
    if _has_moved(before, after):
        folders = [change.name for change in _changes(before.trees, after.trees)]
        found.insert(0, f"its code: {', '.join(folders)}" if folders else "its version")
    for change in _changes(before.inputs, after.inputs):
        maker = after.taken.get(change.name) or before.taken.get(change.name)
        found.append(
            f"{change.name}: different content from {maker}" if maker else f"{change.name}: different content"
        )
    found += [f"its {change.name.rpartition('.')[2]}" for change in _environment("", before, after)]
    yield from found or [_UNEXPLAINED]


def _argument(change: Change) -> Iterator[str]:
    """Yields how an argument differs; of mappings, which of their values do."""
    was, now = change.before, change.after
    if was is None or now is None:
        yield f"{change.name}: {_shown(was)} → {_shown(now)}"
    else:
        yield from value_differences(change.name, was, now)


def _shown(text: str | None) -> str:
    return "not set" if text is None else text or "''"


def _metrics(before: RunFacts, after: RunFacts) -> Iterator[MetricChange]:
    first, second = _all_metrics(before), _all_metrics(after)
    facts = {f"{step}/{n}": f for step, each in before.steps.items() for n, f in each.facts.items()}
    facts |= {f"{step}/{n}": f for step, each in after.steps.items() for n, f in each.facts.items()}
    names = dict.fromkeys([*first, *second])
    told: set[str] = set()  # ends of intervals of metrics that differ
    for name in sorted(names, key=lambda name: name not in facts):  # declared metrics come first
        a, b = first.get(name), second.get(name)
        declared = facts.get(name, MetricFacts())
        if _are_equal(a, b) or declared.kind == "time" or name in told:
            continue
        told |= {f"{name.partition('/')[0]}/{end}" for end in declared.interval or ()}
        ends = [_interval(name, declared, metrics) for metrics in (first, second)]
        yield MetricChange(name, a, b, _verdict(a, b, declared.better), *ends)


def _are_equal(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    return before == after or (math.isnan(before) and math.isnan(after))


def _all_metrics(run: RunFacts) -> dict[str, float]:
    return {
        f"{step}/{name}": value
        for step, each in run.steps.items()
        for name, value in each.metrics.items()
        if not name.startswith(SYSTEM)
    }


def _interval(name: str, declared: MetricFacts, metrics: Mapping[str, float]) -> Interval | None:
    """Returns the ends of a metric's interval, if the contract names them and both were logged."""
    step = name.partition("/")[0]
    ends = [metrics.get(f"{step}/{end}") for end in declared.interval or ()]
    found = [end for end in ends if end is not None]
    return (found[0], found[1]) if len(found) == 2 else None


def _verdict(before: float | None, after: float | None, better: str) -> str:
    if before is None or after is None or not better or math.isnan(after - before):
        return ""
    return BETTER if (after > before) == (better == "higher") else WORSE
