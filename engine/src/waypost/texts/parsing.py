"""Parsing YAML into pydantic models; each error becomes a finding with file and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from waypost.errors import Finding, FindingsError, did_you_mean
from waypost.texts.limits import WRITTEN, Limits, shortened
from waypost.texts.scalars import Schema, core
from waypost.texts.yaml_text import read_yaml


class Strict(BaseModel):
    """A value from a file: it does not change, and keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


_MESSAGE = 500  # characters; a message may repeat a value
Model = TypeVar("Model", bound=BaseModel)
ANY_NAME = "NAME"
Group = tuple[tuple[str, ...], tuple[str, ...]]
"""The place of a mapping, such as ("steps", "NAME"), and the keys that it may have."""


def load_mapping(
    text: str, file: str, limits: Limits = WRITTEN, *, schema: Schema = core, as_written: bool = False
) -> dict[str, Any]:
    """Returns the mapping that a YAML text holds, `{}` for an empty one, as `read_yaml` does.

    Raises FindingsError.
    """
    content = read_yaml(text, file, limits, schema=schema, as_written=as_written)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise FindingsError([Finding(file, "a mapping is expected at the top")])
    return content


def parse(model: type[Model], content: dict[str, Any], file: str) -> Model:
    """Returns the value. Raises FindingsError that lists every wrong key."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise FindingsError(_findings(error, model, file)) from error


def _findings(error: ValidationError, model: type[BaseModel], file: str) -> list[Finding]:
    groups = list(_groups(model.model_json_schema()))
    found = []
    for problem in error.errors(include_url=False):
        path = [shortened(part) for part in problem["loc"]]
        place = f"{file}: {'.'.join(path)}" if path else file
        if problem["type"] == "extra_forbidden":
            found.append(Finding(place, "unknown key", _where(path, groups)))
        elif problem["type"] == "missing":
            found.append(Finding(place, "this key is required"))
        else:
            found.append(Finding(place, shortened(problem["msg"].removeprefix("Value error, "), _MESSAGE)))
    return found


def _where(path: Sequence[str], groups: Sequence[Group]) -> str:
    """Returns the hint for an unknown key: where it belongs, else the nearest known key."""
    *above, key = path
    here = [key for place, keys in groups if _fits(place, above) for key in keys]
    elsewhere = [".".join((*place, key)) for place, keys in groups if key in keys]
    return f"it belongs to {elsewhere[0]}" if elsewhere else did_you_mean(key, here)


def _fits(place: Sequence[str], path: Sequence[str]) -> bool:
    return len(place) == len(path) and all(a in (b, ANY_NAME) for a, b in zip(place, path, strict=True))


def _groups(schema: Mapping[str, Any]) -> Iterator[Group]:
    """Yields the keys of each mapping that a JSON Schema describes, by its place."""
    definitions = schema.get("$defs", {})

    def walk(node: Mapping[str, Any], place: tuple[str, ...], inside: frozenset[str]) -> Iterator[Group]:
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name in inside:
            return
        if name:
            yield from walk(definitions[name], place, inside | {name})
        for part in (*node.get("anyOf", ()), *node.get("allOf", ())):
            yield from walk(part, place, inside)
        if properties := node.get("properties"):
            yield place, tuple(properties)
        for key, child in (properties or {}).items():
            yield from walk(child, (*place, key), inside)
        named = (node.get("patternProperties") or {}).values()
        for child in (*named, node.get("additionalProperties"), node.get("items")):
            if isinstance(child, Mapping):
                yield from walk(child, (*place, ANY_NAME), inside)

    yield from walk(schema, (), frozenset())
