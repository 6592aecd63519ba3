"""A component's interface, and what changed between two of its versions for those who use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from waypost.contracts.component import Component, EntryPoint, Parameter

# Whatever an int parameter took, a float takes too; a string takes everything.
_WIDER = {("int", "float"), ("bool", "string"), ("int", "string"), ("float", "string"), ("uri", "string")}


@dataclass(frozen=True)
class Change:
    """One difference: `kind` breaking demands a major version, added and changed a minor one."""

    kind: Literal["breaking", "added", "changed"]
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


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
    found = list(_compared("entry point", old.entry_points, new.entry_points, _entry_point_changes))
    return tuple(sorted(found, key=lambda change: change.kind != "breaking"))


def _compared(
    noun: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    changes: Callable[[str, Any, Any], Iterator[Change]],
) -> Iterator[Change]:
    for name in old:
        if name not in new:
            yield Change("breaking", f"{noun} {name!r} was removed")
        else:
            yield from changes(name, old[name], new[name])
    for name, item in new.items():
        if name in old:
            continue
        if isinstance(item, Parameter) and item.is_required:
            yield Change("breaking", f"required {noun} {name!r} was added")
        else:
            yield Change("added", f"{noun} {name!r}")


def _entry_point_changes(name: str, old: EntryPoint, new: EntryPoint) -> Iterator[Change]:
    suffix = "" if name == "main" else f" of entry point {name!r}"
    for change in _compared("parameter", old.parameters, new.parameters, _parameter_changes):
        yield Change(change.kind, change.text + suffix)
    before, after = ({n: o.path for n, o in entry.outputs.items()} for entry in (old, new))
    for change in _compared("output", before, after, _output_changes):
        yield Change(change.kind, change.text + suffix)


def _output_changes(name: str, old: str, new: str) -> Iterator[Change]:
    if old != new:
        yield Change("breaking", f"output {name!r}: path {old} became {new}")


def _parameter_changes(name: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    what = f"parameter {name!r}:"
    if old.type != new.type:
        kind = "changed" if (old.type, new.type) in _WIDER else "breaking"
        yield Change(kind, f"{what} type {old.type} became {new.type}")  # type: ignore[arg-type]
    if old.format != new.format:
        yield Change("changed", f"{what} format {old.format or 'none'} became {new.format or 'none'}")
    if old.is_required != new.is_required:
        if new.is_required:
            yield Change("breaking", f"{what} it is required now")
        else:
            yield Change("changed", f"{what} it is optional now, default {new.default!r}")
    elif old.default != new.default:
        yield Change("changed", f"{what} default {old.default!r} became {new.default!r}")
    yield from _choice_changes(what, old, new)
    yield from _limit_changes(f"{what} minimum", old.minimum, new.minimum, narrower=lambda a, b: b > a)
    yield from _limit_changes(f"{what} maximum", old.maximum, new.maximum, narrower=lambda a, b: b < a)


def _choice_changes(what: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    if not old.choices and new.choices:
        yield Change("breaking", f"{what} only {', '.join(map(str, new.choices))} from now on")
    elif old.choices and not new.choices:
        yield Change("changed", f"{what} any value from now on")
    else:
        for gone in (c for c in old.choices if c not in new.choices):
            yield Change("breaking", f"{what} choice {gone!r} was removed")
        for more in (c for c in new.choices if c not in old.choices):
            yield Change("added", f"{what} choice {more!r}")


def _limit_changes(
    what: str, old: float | None, new: float | None, *, narrower: Callable[[float, float], bool]
) -> Iterator[Change]:
    if old == new:
        return
    narrowed = old is None or (new is not None and narrower(old, new))
    texts = ["none" if limit is None else f"{limit:g}" for limit in (old, new)]
    yield Change("breaking" if narrowed else "changed", f"{what} {texts[0]} became {texts[1]}")
