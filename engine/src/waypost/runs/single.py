"""A single component, in the version that a pipeline pins, run as a pipeline of one step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from waypost.contracts.component import Component
from waypost.contracts.lock import selected
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import Pipeline
from waypost.contracts.planning import make_plan
from waypost.errors import FindingsError, UsageError, did_you_mean
from waypost.pins.checkout import Checkout, checkouts
from waypost.pins.workspace import Workspace
from waypost.runs.prepare import Prepared
from waypost.texts.parsing import parse


def component_that_takes(
    parameters: Mapping[str, str], workspace: Workspace, asked: str, *, dev: bool = False
) -> tuple[str, Checkout]:
    """Returns a pipeline's component with the given parameters and types: the one asked for
    (SOURCE/COMPONENT), else the only one. Raises UsageError if it is ambiguous or missing.
    """
    code, problems = checkouts(workspace, dev=dev)
    found = sorted(uses for uses, checkout in code.items() if not _lacks(checkout, parameters))
    if asked:
        meant, unknown = selected([asked], [*code, *problems])
        if unknown:
            hint = did_you_mean(asked, [*code, *problems])
            raise UsageError(f"{workspace.folder}: the pipeline uses no component {asked!r}", hint=hint)
        found = sorted(meant)
    if len(found) != 1:
        many = f"{len(found)} components that take" if found else "no component that takes"
        hint = "name a pipeline that does: -p FOLDER, or move its pins: waypost update"
        hint = f"name one: --component {' or '.join(found)}" if found else hint
        raise UsageError(f"{workspace.folder}: the pipeline uses {many} {', '.join(parameters)}", hint=hint)
    [uses] = found
    if uses in problems:
        raise FindingsError(problems[uses])
    if lacks := _lacks(code[uses], parameters):
        types = " and ".join(dict.fromkeys(parameters[name] for name in lacks))
        raise UsageError(f"{uses} has no parameter {', '.join(lacks)} of type {types}")
    return uses, code[uses]


def _lacks(checkout: Checkout, parameters: Mapping[str, str]) -> list[str]:
    main = checkout.component.entry_points.get("main")
    there = {name: parameter.type for name, parameter in main.parameters.items()} if main else {}
    return [name for name, kind in parameters.items() if there.get(name) != kind]


def one_step(
    folder: Path, name: str, step: str, uses: str, checkout: Checkout, arguments: Mapping[str, Any]
) -> Prepared:
    """Returns a pipeline of one step, with the component as checked out. Raises FindingsError."""
    source = uses.partition("/")[0]
    content = {
        "name": name,
        "components": {source: {"path": str(checkout.folder.parent)}},
        "steps": {step: {"uses": uses, "with": dict(arguments)}},
    }
    pipeline = parse(Pipeline, content, name)

    def find(_: str) -> Component:
        return checkout.component

    plan, findings = make_plan(pipeline, merged((), ()), find)
    if findings or plan is None:
        raise FindingsError(findings)
    return Prepared(folder, pipeline, plan, {}, {uses: checkout})
