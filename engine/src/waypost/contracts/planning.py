"""Making a plan: a pipeline, its parameters and its components, checked as a whole."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Callable, Mapping

from waypost.contracts.checks import entry_point_problems
from waypost.contracts.component import FILE as CONTRACT
from waypost.contracts.component import Component, EntryPoint
from waypost.contracts.parameters import Parameters
from waypost.contracts.pipeline import FILE, Pipeline, step_place
from waypost.contracts.plan import Plan, PlannedStep, Reference
from waypost.contracts.step_arguments import step_arguments
from waypost.errors import Finding, FindingsError, did_you_mean


def make_plan(
    pipeline: Pipeline,
    parameters: Parameters,
    find: Callable[[str], Component],
) -> tuple[Plan | None, list[Finding]]:
    """Returns the plan and all problems; no plan if the graph has a cycle.

    Args: `find(uses)` returns a component, or raises FindingsError.
    """
    findings = source_findings(pipeline)
    entry_points = {n: _entry_point(pipeline, n, find, findings) for n in pipeline.steps}
    planned: dict[str, PlannedStep] = {}
    for name, step in pipeline.steps.items():
        arguments = step_arguments(pipeline, name, parameters, entry_points, findings)
        needs = [a.step for a in arguments.values() if isinstance(a, Reference)]
        for other in step.after:
            if other in pipeline.steps:
                needs.append(other)
            else:
                hint = did_you_mean(other, pipeline.steps)
                findings.append(Finding(step_place(name, "after"), f"no step {other!r}", hint))
        if entry_point := entry_points[name]:
            unique = tuple(dict.fromkeys(needs))
            planned[name] = PlannedStep(name, step.uses, entry_point, arguments, unique)
    try:
        ordered = _in_order(planned)
    except graphlib.CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        findings.append(Finding(f"{FILE}: steps", f"the steps wait for each other: {circle}"))
        return None, findings
    return Plan(pipeline.name, ordered), findings


def source_findings(pipeline: Pipeline) -> list[Finding]:
    """Returns the steps with an unknown source."""
    return [
        Finding(
            step_place(name, "uses"),
            f"no source {step.source!r}",
            did_you_mean(step.source, pipeline.components),
        )
        for name, step in pipeline.steps.items()
        if step.source not in pipeline.components
    ]


def _entry_point(
    pipeline: Pipeline,
    name: str,
    find: Callable[[str], Component],
    findings: list[Finding],
) -> EntryPoint | None:
    """Returns the entry point that a step executes; None if a finding says why there is none."""
    step = pipeline.steps[name]
    if step.source not in pipeline.components:
        return None  # source_findings has it
    if step.requirement and pipeline.components[step.source].git is None:
        problem = f"{step.source!r} is a folder, which has no versions"
        findings.append(Finding(step_place(name, "uses"), problem, "set its `git` and `version`"))
        return None
    try:
        component = find(step.uses)
    except FindingsError as error:
        for finding in error.findings:
            known = finding.place != step.uses
            place = finding.place if known else step_place(name, "uses")
            findings.append(Finding(place, finding.problem, finding.hint))
        return None
    if step.entry_point not in component.entry_points:
        hint = did_you_mean(step.entry_point, component.entry_points)
        problem = f"{step.uses} has no entry point {step.entry_point!r}"
        findings.append(Finding(step_place(name, "entry_point"), problem, hint))
        return None
    entry_point = component.entry_points[step.entry_point]
    for key, problem, hint in entry_point_problems(entry_point):
        if key.endswith(".default"):
            continue  # it only matters if no value is given
        text = f"{step.uses}: {CONTRACT}: entry_points.{step.entry_point}.{key}: {problem}"
        findings.append(Finding(step_place(name, "uses"), text, hint))
    return entry_point


def _in_order(steps: Mapping[str, PlannedStep]) -> tuple[PlannedStep, ...]:
    """Returns the steps, each after what it needs, otherwise in the file's order."""
    needs = {name: [n for n in step.needs if n in steps] for name, step in steps.items()}
    sorter = graphlib.TopologicalSorter(needs)
    sorter.prepare()
    position = {name: index for index, name in enumerate(steps)}
    ordered: list[PlannedStep] = []
    ready: list[tuple[int, str]] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (position[name], name))
        _, first = heapq.heappop(ready)
        ordered.append(steps[first])
        sorter.done(first)
    return tuple(ordered)
