"""A component's example: values in its contract to try it with.

An entry point's `example` has values for its parameters; if all of these have defaults, the defaults are an
example. A path is a file of the component's folder, an address, or an output of another component's example:
`${components.load.outputs.table}`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from waypost.contracts.argument_values import argument_text
from waypost.contracts.component import Component, EntryPoint
from waypost.contracts.urls import scheme_of
from waypost.errors import did_you_mean

_REFERENCE = re.compile(r"\$\{components\.([^.{}]+)\.outputs\.([^.{}]+)\}")


@dataclass(frozen=True)
class OutputReference:
    """An output of another component's example."""

    component: str
    output: str


def output_reference(value: object) -> OutputReference | None:
    """Returns the output that an example's value refers to, None if it is a plain value."""
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return OutputReference(found[1], found[2]) if found else None


def is_file(entry_point: EntryPoint, name: str, text: str) -> bool:
    """Returns whether an example's value names a file or folder next to the contract."""
    parameter = entry_point.parameters[name]
    takes_files = parameter.type in ("path", "uri") or parameter.format == "uri"
    return takes_files and bool(text) and not scheme_of(text) and not text.startswith("/")


def needs(entry_point: EntryPoint) -> set[str]:
    """Returns the components that an example depends on."""
    return {
        reference.component
        for value in entry_point.example.values()
        if (reference := output_reference(value))
    }


def example_problems(
    entry_point: EntryPoint, files: Collection[str], others: Mapping[str, Component | None]
) -> Iterator[tuple[str, str]]:
    """Yields why an entry point has no example that could run: (problem, remedy).

    Args: `files` are the paths of the folder's files, `others` the components of the library, None if one
    cannot be read.
    """
    required = [name for name, parameter in entry_point.parameters.items() if parameter.is_required]
    lacking = [name for name in required if name not in entry_point.example]
    if lacking:
        value = f"example: {{{lacking[0]}: …}} in the entry point"
        yield f"the example gives no value for {', '.join(map(repr, lacking))}", value
    for name, value in entry_point.example.items():
        if name not in entry_point.parameters:
            hint = did_you_mean(name, entry_point.parameters)
            yield f"the example gives {name!r}, which is not a parameter", hint
        elif reference := output_reference(value):
            yield from _reference_problems(name, reference, others)
        else:
            yield from _value_problems(entry_point, name, value, files)


def _reference_problems(
    name: str, reference: OutputReference, others: Mapping[str, Component | None]
) -> Iterator[tuple[str, str]]:
    other = others.get(reference.component)
    if other is None and reference.component in others:
        return  # reported where that contract is read
    main = other.entry_points.get("main") if other else None
    if main is None:
        problem = f"the example's {name}: no component {reference.component!r} here"
        yield problem, did_you_mean(reference.component, others)
    elif reference.output not in main.outputs:
        problem = f"the example's {name}: {reference.component} has no output {reference.output!r}"
        yield problem, did_you_mean(reference.output, main.outputs)


def _value_problems(
    entry_point: EntryPoint, name: str, value: object, files: Collection[str]
) -> Iterator[tuple[str, str]]:
    try:
        text = argument_text(entry_point.parameters[name], value)
    except ValueError as error:
        yield f"the example's {name}: {error}", ""
        return
    there = text in files or any(file.startswith(f"{text.rstrip('/')}/") for file in files)
    if is_file(entry_point, name, text) and not text.startswith("../") and not there:
        yield (
            f"the example's {name}: no {text} here",
            "add a small file in its folder, which git does not ignore",
        )


def in_order(contracts: Mapping[str, Component]) -> list[str]:
    """Returns the components, each after those that its example depends on; cycles in any order."""
    order: list[str] = []

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in order or name in above or name not in contracts:
            return
        if main := contracts[name].entry_points.get("main"):
            for other in sorted(needs(main)):
                add(other, (*above, name))
        order.append(name)

    for name in contracts:
        add(name, ())
    return order
