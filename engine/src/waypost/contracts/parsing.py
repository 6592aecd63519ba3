"""From YAML text to pydantic values; every mistake becomes a finding with file and key."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from waypost.contracts.limits import WRITTEN, Limits, shortened
from waypost.contracts.yaml_text import read_yaml
from waypost.errors import Finding, FindingsError, did_you_mean


class Strict(BaseModel):
    """A value from a file: it does not change, and keys that are not known are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


_MESSAGE = 500  # characters; what is wrong may repeat a value
Model = TypeVar("Model", bound=BaseModel)


def load_mapping(text: str, file: str, limits: Limits = WRITTEN) -> dict[str, Any]:
    """Returns the mapping that a YAML text holds, `{}` for an empty one. Raises FindingsError."""
    content = read_yaml(text, file, limits)
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
    known = _known_keys(model)
    found = []
    for problem in error.errors(include_url=False):
        path = [shortened(part) for part in problem["loc"]]
        place = f"{file}: {'.'.join(path)}" if path else file
        if problem["type"] == "extra_forbidden":
            found.append(Finding(place, "unknown key", did_you_mean(path[-1], known)))
        elif problem["type"] == "missing":
            found.append(Finding(place, "this key is required"))
        else:
            found.append(Finding(place, shortened(problem["msg"].removeprefix("Value error, "), _MESSAGE)))
    return found


def _known_keys(model: type[BaseModel]) -> set[str]:
    """Returns the keys of a model and of all models that it is made of."""
    definitions = [model.model_json_schema(), *model.model_json_schema().get("$defs", {}).values()]
    return {key for schema in definitions for key in schema.get("properties", {})}
