"""Validation of a value against a JSON Schema, as components declare it for their YAML files.

Only what a contract needs of JSON Schema is known (`CHECKED`). A schema comes from others: how much is looked
at is limited, and nothing in it is executed or fetched.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from waypost.errors import did_you_mean
from waypost.texts.limits import shortened
from waypost.texts.sealed import Sealed

CHECKED = frozenset(
    {
        *("type", "enum", "const", "anyOf", "oneOf", "$ref", "$defs", "definitions"),
        *("properties", "required", "additionalProperties", "items"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems"),
    }
)
NOTES = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated"})
_MOST_LOOKS = 200_000
_REFERENCES = ("#/$defs/", "#/definitions/")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
_SIZES = (("Length", str, "characters"), ("Items", list, "items"))
_LIMITS: tuple[tuple[str, Callable[[float, float], bool], str], ...] = (
    ("minimum", operator.lt, "less than"),
    ("maximum", operator.gt, "more than"),
    ("exclusiveMinimum", operator.le, "not more than"),
    ("exclusiveMaximum", operator.ge, "not less than"),
)


class Problem(NamedTuple):
    """What is wrong at a place in a value, such as `columns.0.name`, and what mends it; `types` are those
    that are expected where that is all that is wrong.
    """

    place: str
    problem: str
    hint: str = ""
    types: tuple[str, ...] = ()


class SchemaError(ValueError):
    """A schema that cannot be used; the text says why."""


def value_problems(value: Any, schema: Any) -> list[Problem]:
    """Returns where a value does not fit a schema. Raises SchemaError.

    Texts with variables of the environment in them, which nobody knows yet, fit everything.
    """
    try:
        return list(_Check(schema).visit(value, schema, (), frozenset()))
    except (TypeError, AttributeError, RecursionError) as error:
        raise SchemaError("it is not a JSON Schema") from error


def schema_problems(schema: Any) -> list[str]:
    """Returns what in a schema would not be checked, or cannot be."""
    found: dict[str, None] = {}
    pending, looks = [schema], 0
    while pending and (looks := looks + 1) <= _MOST_LOOKS:
        node = pending.pop()
        if isinstance(node, bool):
            continue
        if not isinstance(node, dict):
            return [f"{shortened(node)} is no schema: a mapping is expected"]
        for key in node:
            if key not in CHECKED | NOTES:
                found[f"the keyword {shortened(key)!r} is not checked"] = None
        pending += [*_values(node, "properties"), *_values(node, "$defs"), *_values(node, "definitions")]
        pending += [part for key in ("anyOf", "oneOf") for part in node.get(key) or ()]
        pending += [node[key] for key in ("items", "additionalProperties") if key in node]
    return list(found)


def _values(node: Mapping[str, Any], key: str) -> list[Any]:
    found = node.get(key)
    return list(found.values()) if isinstance(found, dict) else []


@dataclass
class _Check:
    """A look at a value; `looks` counts, since a schema can branch without end."""

    root: Any
    looks: int = 0

    def visit(
        self, value: Any, schema: Any, path: tuple[str, ...], inside: frozenset[str]
    ) -> Iterator[Problem]:
        self.looks += 1
        if self.looks > _MOST_LOOKS:
            raise SchemaError("it branches too much to be checked")
        if schema is True or isinstance(value, Sealed):
            return
        if not isinstance(schema, dict):
            yield Problem(".".join(path), "nothing is allowed here")
            return
        yield from self._others(value, schema, path, inside)
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(_is_of(value, name) for name in types):
            yield _of_type(value, path, types)
        elif problem := _misfit(value, schema):
            yield Problem(".".join(path), problem)
        elif isinstance(value, dict):
            yield from self._keys(value, schema, path)
        elif isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                yield from self.visit(item, schema["items"], (*path, str(index)), frozenset())

    def _others(
        self, value: Any, schema: Mapping[str, Any], path: tuple[str, ...], inside: frozenset[str]
    ) -> Iterator[Problem]:
        """Yields what is wrong by the schemas that a schema names."""
        if "$ref" in schema:
            name, meant = self._named(schema["$ref"], inside)
            yield from self.visit(value, meant, path, inside | {name})
        for key in ("anyOf", "oneOf"):
            if key in schema:
                yield from self._any(value, schema[key], path, inside)

    def _named(self, reference: Any, inside: frozenset[str]) -> tuple[str, Any]:
        for prefix in _REFERENCES:
            name = str(reference).removeprefix(prefix)
            group = self.root.get(prefix[2:-1]) if isinstance(self.root, dict) else None
            if name != reference and name not in inside and isinstance(group, dict) and name in group:
                return name, group[name]
        raise SchemaError(f"$ref {shortened(reference)!r} leads nowhere")

    def _any(
        self, value: Any, variants: Any, path: tuple[str, ...], inside: frozenset[str]
    ) -> Iterator[Problem]:
        """Yields what is wrong with the variant that fits best, nothing where one fits."""
        tried = [list(self.visit(value, variant, path, inside)) for variant in variants]
        if not tried or [] in tried:
            return
        if meant := [found for found in tried if not found[0].types or found[0].place != ".".join(path)]:
            yield from min(meant, key=len)
        else:
            yield _of_type(value, path, [name for found in tried for name in found[0].types])

    def _keys(
        self, value: Mapping[Any, Any], schema: Mapping[str, Any], path: tuple[str, ...]
    ) -> Iterator[Problem]:
        known = schema.get("properties") or {}
        others = schema.get("additionalProperties", True)
        for key, item in value.items():
            place = (*path, shortened(key))
            if key in known:
                yield from self.visit(item, known[key], place, frozenset())
            elif others is False:
                yield Problem(".".join(place), "unknown key", did_you_mean(str(key), known))
            else:
                yield from self.visit(item, others, place, frozenset())
        for key in schema.get("required") or ():
            if key not in value:
                yield Problem(".".join((*path, str(key))), "this key is required")


def _misfit(value: Any, schema: Mapping[str, Any]) -> str:
    """Returns why a value of the right type does not fit."""
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices is not None and not any(value == c and type(value) is type(c) for c in choices):
        return f"{_shown(value)} is not one of {', '.join(map(str, choices))}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _out_of_range(value, schema)
    for name, kind, noun in _SIZES:
        if isinstance(value, kind):
            low, high = schema.get(f"min{name}"), schema.get(f"max{name}")
            if (low is not None and len(value) < low) or (high is not None and len(value) > high):
                return f"{len(value)} {noun}: {_range(low, high)} are expected"
    return ""


def _of_type(value: Any, path: tuple[str, ...], types: Sequence[str]) -> Problem:
    names = tuple(map(str, dict.fromkeys(types)))
    return Problem(".".join(path), f"{_shown(value)}: {' or '.join(names)} is expected", types=names)


def _is_of(value: Any, name: Any) -> bool:
    if isinstance(value, bool):
        return bool(name == "boolean")
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, ()))


def _out_of_range(value: float, schema: Mapping[str, Any]) -> str:
    for key, is_out, words in _LIMITS:
        if key in schema and is_out(value, schema[key]):
            return f"{value:g} is {words} {schema[key]:g}"
    return ""


def _range(low: Any, high: Any) -> str:
    parts = [f"at least {low}" if low is not None else "", f"at most {high}" if high is not None else ""]
    return " and ".join(part for part in parts if part)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else shortened(repr(value))
