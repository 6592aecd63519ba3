"""Checks YAML arguments of steps against the JSON Schemas that their components declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from waypost.contracts.pipeline import FILE
from waypost.contracts.plan import Inline, Location, Plan
from waypost.errors import Finding, FindingsError, UsageError
from waypost.pins.checkout import Checkout
from waypost.sources.files import read_text
from waypost.texts.json_text import read_json
from waypost.texts.value_schema import SchemaError, value_problems
from waypost.texts.yaml_text import read_yaml

Places = Callable[[Location], Path | None]


def schema_findings(plan: Plan, code: Mapping[str, Checkout], find: Places) -> Iterator[Finding]:
    """Yields a finding for each mapping or YAML file of the user that does not match.

    Args: `find` returns the local file of a location, None if it is on another machine.
    """
    for step in plan.steps:
        for name, argument in step.arguments.items():
            file = step.entry_point.parameters[name].schema_
            place = f"{FILE}: steps.{step.name}.with.{name}"
            if file and isinstance(argument, (Inline, Location)):
                yield from _findings(place, argument, code[step.uses].folder / file, find)


def _findings(place: str, argument: Inline | Location, schema: Path, find: Places) -> Iterator[Finding]:
    try:
        value = _value(argument, find)
        if value is not None:
            for found in value_problems(value, read_json(read_text(schema), schema.name)):
                yield Finding(f"{place}.{found.place}".rstrip("."), found.problem, found.hint)
    except SchemaError as error:
        yield Finding(place, f"{schema.name} of the component cannot be used: {error}")
    except FindingsError as error:
        yield from (Finding(f"{place}: {f.place}", f.problem, f.hint) for f in error.findings)
    except UsageError as error:
        yield Finding(place, str(error))


def _value(argument: Inline | Location, find: Places) -> Any:
    """Returns the value that a component will read, None if it is not available here."""
    if isinstance(argument, Inline):
        return argument.content if argument.content is not None else read_yaml(argument.text, "value")
    path = find(argument)
    if path is None or not path.is_file():
        return None
    found = read_yaml(read_text(path), str(argument))
    return {} if found is None else found
