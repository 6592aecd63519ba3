"""A component's interface, and what changed between two of its versions for those who use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from waypost.contracts.component import Component, EntryPoint, Output, Parameter
from waypost.contracts.metrics import MetricFacts
from waypost.interfaces.changes import Change, Facts, Kind, changes_for_givers, compared

__all__ = ["Change", "component_with", "interface_changes", "interface_digest", "interface_of"]


def interface_digest(component: Component) -> str:
    """Returns the sha256 (hex) of what users of a component rely on: names, types, defaults, ranges,
    outputs; not the descriptions and not the command.
    """
    text = json.dumps(interface_of(component), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def interface_of(component: Component) -> dict[str, Any]:
    """Returns a component's interface as plain values, by entry point.

    What engines of 1.0 do not know is only there where a contract declares it: their digests stay the same.
    """
    return {name: _entry_point(entry) for name, entry in component.entry_points.items()}


def _entry_point(entry: EntryPoint) -> dict[str, Any]:
    types = {n: output.type for n, output in entry.outputs.items() if output.type}
    metadata = {n: list(output.metadata) for n, output in entry.outputs.items() if output.metadata}
    predictions = {n: output.predictions for n, output in entry.outputs.items() if output.predictions}
    metrics = {n: facts.model_dump(exclude_defaults=True) for n, facts in _declared(entry).items()}
    return {
        "parameters": {
            n: p.model_dump(by_alias=True, exclude={"description"}) for n, p in entry.parameters.items()
        },
        "outputs": {n: output.path for n, output in entry.outputs.items()},
        **({"types": types} if types else {}),
        **({"metadata": metadata} if metadata else {}),
        **({"predictions": predictions} if predictions else {}),
        **({"metrics": metrics} if metrics else {}),
    }


def _declared(entry: EntryPoint) -> dict[str, MetricFacts]:
    return {n: facts for n, facts in entry.metric_facts.items() if facts != MetricFacts()}


def component_with(name: str, interface: Mapping[str, Any]) -> Component:
    """Returns a component with this interface (as `interface_of` gave it), for comparison only."""
    entry_points = {
        entry: {
            "parameters": content["parameters"],
            "outputs": {
                n: {
                    "path": path,
                    "type": content.get("types", {}).get(n, ""),
                    "metadata": content.get("metadata", {}).get(n, ()),
                    "predictions": content.get("predictions", {}).get(n, ""),
                }
                for n, path in content["outputs"].items()
            },
            "metrics": content.get("metrics", {}),
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
    outputs = output_changes(old.outputs, new.outputs)
    metrics = compared("declaration of metric", _declared(old), _declared(new), _metric_changes)
    for change in (*parameters, *outputs, *metrics):
        yield Change(change.kind, change.text + suffix)


def output_changes(old: Mapping[str, Output], new: Mapping[str, Output]) -> Iterator[Change]:
    """Yields what changed for those who read what a step gave."""
    yield from compared("output", old, new, _output_changes)


def _output_changes(name: str, old: Output, new: Output) -> Iterator[Change]:
    if old.path != new.path:
        yield Change("breaking", f"output {name!r}: path {old.path} became {new.path}")
    if old.type != new.type:
        kind: Kind = "breaking" if old.type else "changed"
        yield Change(kind, f"output {name!r}: type {old.type or 'none'} became {new.type or 'none'}")
    if old.predictions != new.predictions:
        kind = "breaking" if old.predictions else "changed"
        yield Change(
            kind,
            f"output {name!r}: predictions {old.predictions or 'none'} became {new.predictions or 'none'}",
        )
    was, now = dict.fromkeys(old.metadata), dict.fromkeys(new.metadata)
    yield from compared(f"metadata of output {name!r}:", was, now, lambda *_: iter(()))


def _metric_changes(name: str, old: MetricFacts, new: MetricFacts) -> Iterator[Change]:
    """Yields what changed for those who compare models by a metric."""
    for key in ("better", "kind", "unit"):
        was, now = getattr(old, key), getattr(new, key)
        if was != now:
            kind: Kind = "breaking" if was and key == "better" else "changed"
            yield Change(kind, f"metric {name!r}: {key} {was or 'none'} became {now or 'none'}")
    if old.interval != new.interval:
        yield Change("changed", f"metric {name!r}: what holds the ends of its interval changed")


def _parameter_changes(name: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    what = f"parameter {name!r}:"
    if old.format != new.format:
        yield Change("changed", f"{what} format {old.format or 'none'} became {new.format or 'none'}")
    if old.sha256 != new.sha256:
        yield Change("changed", f"{what} sha256 {old.sha256 or 'none'} became {new.sha256 or 'none'}")
    if old.takes != new.takes:
        kind: Kind = "breaking" if old.takes and new.takes else "changed"
        yield Change(kind, f"{what} takes {old.takes or 'anything'} became {new.takes or 'anything'}")
    if old.metadata != new.metadata:
        yield Change("changed", f"{what} what it reads of the model's metadata changed")
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
