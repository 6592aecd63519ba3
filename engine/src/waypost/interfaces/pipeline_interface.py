"""A pipeline's interface, and what changed between two of its releases for those who run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from waypost.contracts.component import Output
from waypost.contracts.pipeline import Step
from waypost.interfaces.changes import ANY, Change, Facts, changes_for_givers, compared
from waypost.interfaces.interface import output_changes

_TYPES = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "mapping"}


@dataclass(frozen=True)
class Pinned:
    """What a pipeline takes of a component: its version, and its interface's digest, empty if unknown."""

    version: str
    interface: str = ""


@dataclass(frozen=True)
class PipelineFacts:
    """What users of a pipeline rely on: steps, what each of these gives, the values that parameters have by
    themselves, components.

    What a release does not say is None, and not compared.
    """

    steps: Mapping[str, Step] | None = None
    defaults: Mapping[str, Any] | None = None
    pins: Mapping[str, Pinned] | None = None
    outputs: Mapping[str, Mapping[str, Output]] | None = None


def leaves(content: Any, prefix: str = "") -> dict[str, Any]:
    """Returns the values of nested mappings by their dotted names."""
    if isinstance(content, dict) and (content or not prefix):
        items = [leaves(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in content.items()]
        return {name: value for item in items for name, value in item.items()}
    return {prefix: content}


def facts_changes(old: PipelineFacts, new: PipelineFacts) -> dict[str, tuple[Change, ...]]:
    """Returns every difference that both sides know of, by what changed."""
    found = {
        "pipeline.yaml": _both("step", old.steps, new.steps, _step_changes),
        "params.yaml": _both("parameter", old.defaults, new.defaults, _value_changes),
        "outputs": tuple(_outputs_changes(old.outputs or {}, new.outputs or {})),
        "components": _both("component", _by_name(old.pins), _by_name(new.pins), _pin_changes),
    }
    # A component that comes or goes is told by the steps that use it.
    found["components"] = tuple(c for c in found["components"] if c.kind == "changed")
    return {name: changes for name, changes in found.items() if changes}


def _by_name(pins: Mapping[str, Pinned] | None) -> Mapping[str, Pinned] | None:
    """Returns pins by their components' names, whatever versions were asked for; of a component that a
    pipeline uses in several versions as they were asked for.
    """
    if pins is None:
        return None
    named = {uses: uses.partition("@")[0] for uses in pins}
    often = Counter(named.values())
    return {named[uses] if often[named[uses]] == 1 else uses: pin for uses, pin in pins.items()}


def _both(noun: str, old: Any, new: Any, changes: Any) -> tuple[Change, ...]:
    return () if old is None or new is None else tuple(compared(noun, old, new, changes))


def _step_changes(name: str, old: Step, new: Step) -> Iterator[Change]:
    before, after = (step.uses.partition("@")[0] for step in (old, new))
    if before != after:
        yield Change("changed", f"step {name!r}: {before} became {after}")
    if old.entry_point != new.entry_point:
        yield Change("changed", f"step {name!r}: entry point {old.entry_point} became {new.entry_point}")


def _outputs_changes(
    old: Mapping[str, Mapping[str, Output]], new: Mapping[str, Mapping[str, Output]]
) -> Iterator[Change]:
    """Yields what changed in the outputs of the steps that both sides have."""
    for name in (name for name in old if name in new):
        for change in output_changes(old[name], new[name]):
            yield Change(change.kind, f"step {name!r}: {change.text}")


def _value_changes(name: str, old: Any, new: Any) -> Iterator[Change]:
    is_open = old is None or new is None  # no value says no type
    was, now = (Facts(type=ANY if is_open else _type_of(value), default=value) for value in (old, new))
    yield from changes_for_givers(f"parameter {name!r}:", was, now)


def _type_of(value: Any) -> str:
    return _TYPES.get(type(value), ANY)


def _pin_changes(name: str, old: Pinned, new: Pinned) -> Iterator[Change]:
    """Yields what a component's release says of itself: its users are the pipeline's steps, so that nothing
    of it breaks the pipeline's users by itself.
    """
    versions = f"{old.version} became {new.version}"
    if old.version.partition(".")[0] != new.version.partition(".")[0]:
        yield Change("changed", f"{name}: {versions}, another major version")
    elif old.interface and new.interface and old.interface != new.interface:
        yield Change("changed", f"{name}: {versions}, with another interface")
