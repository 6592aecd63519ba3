"""The plan: every step with its arguments and what it waits for, checked as a whole."""

from __future__ import annotations

import graphlib
import heapq
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from waypost.contracts.argument_values import argument_text, is_not_given, sealed_text
from waypost.contracts.checks import entry_point_problems
from waypost.contracts.component import FILE as CONTRACT
from waypost.contracts.component import Component, EntryPoint, Parameter
from waypost.contracts.fits import misfits
from waypost.contracts.parameters import Parameters, canonical_yaml
from waypost.contracts.pipeline import FILE, Pipeline
from waypost.errors import Finding, FindingsError, did_you_mean
from waypost.texts.limits import shortened
from waypost.texts.sealed import Sealed, Variables, variables_in

_REFERENCE = re.compile(r"^\$\{\s*steps\.([^.}\s]+)\.outputs\.([^.}\s]+)\s*\}$")
_ANY_STEP = re.compile(r"\$\{\s*steps\.")


@dataclass(frozen=True)
class Reference:
    """The output of an earlier step."""

    step: str
    output: str

    def __str__(self) -> str:
        return f"{self.step}.{self.output}"


@dataclass(frozen=True)
class Inline:
    """A mapping or list given for a path: it becomes a file with this canonical YAML.

    `content` is what that was made of, where it has variables of the environment in it.
    """

    text: str
    content: Any = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Location:
    """A file, folder or URL that the user names; relative to the pipeline's folder."""

    text: str

    def __str__(self) -> str:
        return self.text


Argument = str | Reference | Inline | Location


@dataclass(frozen=True)
class PlannedStep:
    """A step that is ready to run once the steps in `needs` are finished."""

    name: str
    uses: str
    entry_point: EntryPoint
    arguments: Mapping[str, Argument]
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The steps of a pipeline, each after all that it needs."""

    name: str
    steps: tuple[PlannedStep, ...]

    @cached_property
    def _by_name(self) -> dict[str, PlannedStep]:
        return {step.name: step for step in self.steps}

    def step(self, name: str) -> PlannedStep:
        return self._by_name[name]

    def needed_for(self, names: Iterable[str]) -> frozenset[str]:
        """Returns these steps and all that they need, directly or not."""
        wanted = set(names)
        for step in reversed(self.steps):
            if step.name in wanted:
                wanted.update(step.needs)
        return frozenset(wanted)

    def select(self, only: Iterable[str], start: str | None) -> frozenset[str]:
        """Returns the names of the steps to execute; the others are taken from an earlier run.

        Raises FindingsError for names that the pipeline does not have.
        """
        names = self._by_name
        asked = [*only, *([start] if start else [])]
        if unknown := [name for name in asked if name not in names]:
            raise FindingsError(
                Finding("command line", f"no step {name!r}", did_you_mean(name, names)) for name in unknown
            )
        chosen = set(only) if only else set(names)
        if start:
            reached = {start}
            for step in self.steps:
                if reached & set(step.needs):
                    reached.add(step.name)
            chosen = chosen & reached if only else reached
        return frozenset(chosen)


def make_plan(
    pipeline: Pipeline,
    parameters: Parameters,
    find: Callable[[str], Component],
) -> tuple[Plan | None, list[Finding]]:
    """Returns the plan and everything that is wrong with it; no plan where the graph has a cycle.

    Args: `find(uses)` gives a component, or raises FindingsError.
    """
    findings = source_findings(pipeline)
    entry_points = {n: _entry_point(pipeline, n, find, findings) for n in pipeline.steps}
    planned: dict[str, PlannedStep] = {}
    for name, step in pipeline.steps.items():
        arguments = _arguments(pipeline, name, parameters, entry_points, findings)
        needs = [a.step for a in arguments.values() if isinstance(a, Reference)]
        for other in step.after:
            if other in pipeline.steps:
                needs.append(other)
            else:
                hint = did_you_mean(other, pipeline.steps)
                findings.append(Finding(_place(name, "after"), f"no step {other!r}", hint))
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
    """Returns the steps whose source is none of the pipeline's."""
    return [
        Finding(
            _place(name, "uses"), f"no source {step.source!r}", did_you_mean(step.source, pipeline.components)
        )
        for name, step in pipeline.steps.items()
        if step.source not in pipeline.components
    ]


def _place(step: str, *keys: str) -> str:
    return ".".join([f"{FILE}: steps.{step}", *keys])


def _entry_point(
    pipeline: Pipeline,
    name: str,
    find: Callable[[str], Component],
    findings: list[Finding],
) -> EntryPoint | None:
    """Returns the entry point that a step executes; None where a finding says why there is none."""
    step = pipeline.steps[name]
    if step.source not in pipeline.components:
        return None  # source_findings has it
    if step.requirement and pipeline.components[step.source].git is None:
        problem = f"{step.source!r} is a folder, which has no versions to ask for"
        findings.append(Finding(_place(name, "uses"), problem, "give it `git` and `version`"))
        return None
    try:
        component = find(step.uses)
    except FindingsError as error:
        for finding in error.findings:
            known = finding.place != step.uses
            place = finding.place if known else _place(name, "uses")
            findings.append(Finding(place, finding.problem, finding.hint))
        return None
    if step.entry_point not in component.entry_points:
        hint = did_you_mean(step.entry_point, component.entry_points)
        problem = f"{step.uses} has no entry point {step.entry_point!r}"
        findings.append(Finding(_place(name, "entry_point"), problem, hint))
        return None
    entry_point = component.entry_points[step.entry_point]
    for key, problem, hint in entry_point_problems(entry_point):
        if key.endswith(".default"):
            continue  # it counts where no value is given
        text = f"{step.uses}: {CONTRACT}: entry_points.{step.entry_point}.{key}: {problem}"
        findings.append(Finding(_place(name, "uses"), text, hint))
    return entry_point


def _arguments(
    pipeline: Pipeline,
    name: str,
    parameters: Parameters,
    entry_points: Mapping[str, EntryPoint | None],
    findings: list[Finding],
) -> dict[str, Argument]:
    """Returns what a step is given, by parameter: its `with`, checked against the contract, and defaults."""
    step, entry_point = pipeline.steps[name], entry_points[name]
    contract = entry_point.parameters if entry_point else {}
    arguments: dict[str, Argument] = {}
    failed: set[str] = set()
    for key, raw in step.arguments.items():
        place = _place(name, "with", key)
        if entry_point and key not in contract:
            hint = did_you_mean(key, contract)
            findings.append(Finding(place, f"{step.uses} has no parameter {key!r}", hint))
            continue
        try:
            argument = _argument(contract.get(key), raw, parameters, place)
        except FindingsError as error:
            findings += error.findings
            failed.add(key)
            continue
        if isinstance(argument, Reference) and (
            problem := _reference_problem(argument, name, contract.get(key), entry_points)
        ):
            findings.append(Finding(place, *problem))
            failed.add(key)
        elif argument is not None:
            findings += _misfits(argument, place, contract.get(key), entry_points, step.arguments)
            arguments[key] = argument
    for key, parameter in contract.items():
        if key in arguments or key in failed:
            continue
        if parameter.is_required:
            problem_text = f"{step.uses} requires the parameter {key!r}"
            findings.append(Finding(_place(name, "with"), problem_text))
            continue
        try:
            arguments[key] = argument_text(parameter, parameter.default)
        except ValueError as error:
            findings.append(
                Finding(_place(name, "with", key), f"the default of {step.uses}: {error}", "give a value")
            )
    return {key: arguments[key] for key in contract if key in arguments}


def _argument(parameter: Parameter | None, raw: Any, parameters: Parameters, place: str) -> Argument | None:
    """Returns the argument, None where it is not given. Raises FindingsError."""
    if isinstance(raw, str) and (match := _REFERENCE.match(raw)):
        return Reference(match[1], match[2])
    if _ANY_STEP.search(str(raw)):
        form = "a reference to an output stands alone: ${steps.NAME.outputs.NAME}"
        raise FindingsError([Finding(place, f"{shortened(raw)!r}: {form}")])
    value = parameters.resolved(raw, place)
    if parameter is None or is_not_given(parameter, value):
        return None
    if parameter.type == "path" and isinstance(value, (dict, list)):
        return Inline(canonical_yaml(value), value if variables_in(value) else None)
    try:
        text = _text(parameter, value, parameters.variables)
    except ValueError as error:
        raise FindingsError([Finding(place, str(error))]) from error
    return Location(text) if parameter.type == "path" or parameter.format == "uri" else text


def _text(parameter: Parameter, value: Any, variables: Variables) -> str:
    if isinstance(value, Sealed):
        return sealed_text(parameter, value, variables)
    return argument_text(parameter, value)


def _reference_problem(
    reference: Reference,
    name: str,
    parameter: Parameter | None,
    entry_points: Mapping[str, EntryPoint | None],
) -> tuple[str, str] | None:
    if parameter and parameter.type != "path":
        return f"an output is a path, but the parameter is of type {parameter.type}", ""
    if reference.step not in entry_points:
        return f"no step {shortened(reference.step)!r}", did_you_mean(shortened(reference.step), entry_points)
    if reference.step == name:
        return "a step cannot use its own output", ""
    other = entry_points[reference.step]
    if other and reference.output not in other.outputs:
        name = shortened(reference.output)
        return f"step {reference.step!r} has no output {name!r}", did_you_mean(name, other.outputs)
    return None


def _misfits(
    argument: Argument,
    place: str,
    parameter: Parameter | None,
    entry_points: Mapping[str, EntryPoint | None],
    given: Collection[str],
) -> list[Finding]:
    """Returns where an output is not what the parameter says that it takes."""
    maker = entry_points.get(argument.step) if isinstance(argument, Reference) else None
    if not isinstance(argument, Reference) or not maker or not parameter:
        return []
    found = misfits(parameter, maker.outputs[argument.output], maker, given)
    return [Finding(place, f"{argument}: {problem}", hint) for problem, hint in found]


def _in_order(steps: Mapping[str, PlannedStep]) -> tuple[PlannedStep, ...]:
    """Returns the steps so that each comes after what it needs, else in the file's order."""
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
