"""Sealed values: environment variables whose values only steps get; until then, only names are known.

A secret that is not in the plan cannot be shown, logged, recorded or made part of a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Variables:
    """Which variables of the environment parameters may name: those that the pipeline declares.

    `values` are those that are set; None where nothing is run, so that they need not be.
    """

    declared: frozenset[str] = frozenset()
    values: Mapping[str, str] | None = field(default=None, repr=False)


NO_VARIABLES = Variables()


@dataclass(frozen=True)
class Variable:
    """The value of an environment variable, where a text has it."""

    name: str

    def __str__(self) -> str:
        return f"${{oc.env:{self.name}}}"


class Sealed(str):  # noqa: SLOT000 (it is copied with what it has)
    """A text with variables of the environment in it, `https://${oc.env:TOKEN}@host`.

    As a text it has their names: so it is shown, recorded and compared. What is made of it by other means
    than `sealed` has nothing but the names, either.
    """

    parts: tuple[str | Variable, ...] = ()


def sealed(parts: Iterable[str | Variable]) -> str:
    """Returns the text that parts make, a Sealed one where there is a variable among them."""
    parts = tuple(parts)
    text = "".join(map(str, parts))
    if not any(isinstance(part, Variable) for part in parts):
        return text
    found = Sealed(text)
    found.parts = parts
    return found


def variables_in(value: Any) -> set[str]:
    """Returns the names of the variables in a text, or in the texts of lists and mappings."""
    if isinstance(value, Sealed):
        return {part.name for part in value.parts if isinstance(part, Variable)}
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name for child in children for name in variables_in(child)}


def opened(value: Any, values: Mapping[str, str]) -> Any:
    """Returns a value with the variables' values in it; only steps may get it."""
    if isinstance(value, Sealed):
        return "".join(values[part.name] if isinstance(part, Variable) else part for part in value.parts)
    if isinstance(value, dict):
        return {key: opened(child, values) for key, child in value.items()}
    if isinstance(value, list):
        return [opened(child, values) for child in value]
    return value
