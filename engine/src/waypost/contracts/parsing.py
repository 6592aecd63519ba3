"""From YAML text to pydantic values; every mistake becomes a finding with file and key."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from waypost.errors import Finding, FindingsError, did_you_mean


class Strict(BaseModel):
    """A value from a file: it does not change, and keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Model = TypeVar("Model", bound=BaseModel)


# The parser in C is ten times as fast; some builds of PyYAML come without it.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeyLoader(_Loader):  # type: ignore[misc]
    """YAML keeps the last of two equal keys without a word; here the second one is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands here twice", key_node.start_mark
                )
            if isinstance(key, str) and key != "<<":
                seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load_mapping(text: str, file: str) -> dict[str, Any]:
    """Returns the mapping that a YAML text holds, `{}` for an empty one. Raises FindingsError."""
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (a safe loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}" if mark else file
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise FindingsError([Finding(place, f"not valid YAML: {problem}")]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise FindingsError([Finding(file, "a mapping is expected at the top")])
    return content


def load_json(text: str) -> Any:
    """Returns what a JSON text holds. Raises ValueError, also where it is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def parse(model: type[Model], content: dict[str, Any], file: str) -> Model:
    """Returns the value. Raises FindingsError that lists every wrong key."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise FindingsError(_findings(error, model, file)) from error


def _findings(error: ValidationError, model: type[BaseModel], file: str) -> list[Finding]:
    known = _known_keys(model)
    found = []
    for problem in error.errors(include_url=False):
        path = [str(part) for part in problem["loc"]]
        place = f"{file}: {'.'.join(path)}" if path else file
        if problem["type"] == "extra_forbidden":
            found.append(Finding(place, "unknown key", did_you_mean(path[-1], known)))
        elif problem["type"] == "missing":
            found.append(Finding(place, "this key is required"))
        else:
            found.append(Finding(place, problem["msg"].removeprefix("Value error, ")))
    return found


def _known_keys(model: type[BaseModel]) -> set[str]:
    """Returns the keys of a model and of all models that it is made of."""
    definitions = [model.model_json_schema(), *model.model_json_schema().get("$defs", {}).values()]
    return {key for schema in definitions for key in schema.get("properties", {})}
