"""The arguments of a step: values of its `with`, checked against the contract, and defaults."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from waypost.contracts.argument_values import argument_text, is_not_given, sealed_text
from waypost.contracts.component import EntryPoint, Parameter
from waypost.contracts.fits import misfits
from waypost.contracts.parameters import Parameters
from waypost.contracts.pipeline import Pipeline, step_place
from waypost.contracts.plan import Argument, Inline, Location, Reference
from waypost.errors import Finding, FindingsError, did_you_mean
from waypost.texts.canonical_yaml import canonical_yaml
from waypost.texts.limits import shortened
from waypost.texts.sealed import Sealed, Variables, variables_in

_REFERENCE = re.compile(r"^\$\{\s*steps\.([^.}\s]+)\.outputs\.([^.}\s]+)\s*\}$")
_ANY_STEP = re.compile(r"\$\{\s*steps\.")


def step_arguments(
    pipeline: Pipeline,
    name: str,
    parameters: Parameters,
    entry_points: Mapping[str, EntryPoint | None],
    findings: list[Finding],
) -> dict[str, Argument]:
    """Returns a step's arguments by parameter: its `with`, checked against the contract, and defaults."""
    step, entry_point = pipeline.steps[name], entry_points[name]
    contract = entry_point.parameters if entry_point else {}
    arguments: dict[str, Argument] = {}
    failed: set[str] = set()
    for key, raw in step.arguments.items():
        place = step_place(name, "with", key)
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
            findings.append(Finding(step_place(name, "with"), problem_text))
            continue
        try:
            arguments[key] = argument_text(parameter, parameter.default)
        except ValueError as error:
            findings.append(
                Finding(step_place(name, "with", key), f"the default of {step.uses}: {error}", "set a value")
            )
    return {key: arguments[key] for key in contract if key in arguments}


def _argument(parameter: Parameter | None, raw: Any, parameters: Parameters, place: str) -> Argument | None:
    """Returns the argument, None if it is not given. Raises FindingsError."""
    if isinstance(raw, str) and (match := _REFERENCE.match(raw)):
        return Reference(match[1], match[2])
    if _ANY_STEP.search(str(raw)):
        form = "a reference to an output must stand alone: ${steps.NAME.outputs.NAME}"
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
    """Returns where an output does not match the parameter that receives it."""
    maker = entry_points.get(argument.step) if isinstance(argument, Reference) else None
    if not isinstance(argument, Reference) or not maker or not parameter:
        return []
    found = misfits(parameter, maker.outputs[argument.output], maker, given)
    return [Finding(place, f"{argument}: {problem}", hint) for problem, hint in found]
