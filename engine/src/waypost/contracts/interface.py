"""A component's interface, and what changed between two of its versions for those who use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from waypost.contracts.changes import Change, Facts, changes_for_givers, compared
from waypost.contracts.component import Component, EntryPoint, Parameter

__all__ = ["Change", "component_with", "interface_changes", "interface_digest", "interface_of"]


def interface_digest(component: Component) -> str:
    """Returns the sha256 (hex) of what users of a component rely on: names, types, defaults, ranges,
    outputs; not the descriptions and not the command.
    """
    text = json.dumps(interface_of(component), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def interface_of(component: Component) -> dict[str, Any]:
    """Returns a component's interface as plain values, by entry point."""
    return {
        name: {
            "parameters": {n: p.model_dump(exclude={"description"}) for n, p in entry.parameters.items()},
            "outputs": {n: output.path for n, output in entry.outputs.items()},
        }
        for name, entry in component.entry_points.items()
    }


def component_with(name: str, interface: Mapping[str, Any]) -> Component:
    """Returns a component with this interface (as `interface_of` gave it), for comparison only."""
    entry_points = {
        entry: {
            "parameters": content["parameters"],
            "outputs": {n: {"path": path} for n, path in content["outputs"].items()},
            "command": "",
        }
        for entry, content in interface.items()
    }
    return Component.model_validate({"name": name, "entry_points": entry_points})


def interface_changes(old: Component, new: Component) -> tuple[Change, ...]:
    """Returns every difference between two interfaces, the breaking ones first."""
    found = list(compared("entry point", old.entry_points, new.entry_points, _entry_point_changes))
    return tuple(sorted(found, key=lambda change: change.kind != "breaking"))


def _entry_point_changes(name: str, old: EntryPoint, new: EntryPoint) -> Iterator[Change]:
    suffix = "" if name == "main" else f" of entry point {name!r}"
    parameters = compared(
        "parameter", old.parameters, new.parameters, _parameter_changes, is_required=lambda p: p.is_required
    )
    before, after = ({n: o.path for n, o in entry.outputs.items()} for entry in (old, new))
    outputs = compared("output", before, after, _output_changes)
    for change in (*parameters, *outputs):
        yield Change(change.kind, change.text + suffix)


def _output_changes(name: str, old: str, new: str) -> Iterator[Change]:
    if old != new:
        yield Change("breaking", f"output {name!r}: path {old} became {new}")


def _parameter_changes(name: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    what = f"parameter {name!r}:"
    if old.format != new.format:
        yield Change("changed", f"{what} format {old.format or 'none'} became {new.format or 'none'}")
    yield from changes_for_givers(what, _facts(old), _facts(new))


def _facts(parameter: Parameter) -> Facts:
    limits = {"minimum": parameter.minimum, "maximum": parameter.maximum}
    return Facts(
        type=parameter.type,
        required=parameter.is_required,
        default=parameter.default,
        choices=parameter.choices,
        limits={name: limit for name, limit in limits.items() if limit is not None},
    )
