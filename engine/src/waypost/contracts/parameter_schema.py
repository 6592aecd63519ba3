"""The JSON Schema of a pipeline's params.yaml, for editors, derived from the contracts that use its values.

It refuses nothing that a run accepts: a reference may stand for any value, and a file may contain only some
of the keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from waypost.contracts.component import EntryPoint, Parameter
from waypost.contracts.parameter_uses import uses_of
from waypost.contracts.pipeline import Pipeline
from waypost.contracts.schema_basis import COMMENT, basis

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
Schemas = Mapping[tuple[str, str], Schema]
"""What components declare of their YAML parameters, by step and parameter."""

_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
_REFERRED: Schema = {"$ref": "#/$defs/reference"}
_TEXTS: dict[str, str] = {
    "int": r"^\s*[+-]?[0-9_]+\s*$",
    "float": r"^\s*[+-]?([0-9_.]+([eE][+-]?[0-9]+)?|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])\s*$",
    "bool": r"^\s*([tT][rR][uU][eE]|[fF][aA][lL][sS][eE]|[yY][eE][sS]|[nN][oO]|[oO]([nN]|[fF][fF])|[01])\s*$",
}
_TYPES: dict[str, Any] = {"int": "integer", "float": "number", "bool": ["boolean", "integer"]}
_SUBSCHEMAS = ("additionalProperties", "items")
_LEFT_OUT = ("required", "$schema", "$id")


def parameters_schema(
    pipeline: Pipeline, entry_points: Mapping[str, EntryPoint], schemas: Schemas | None = None
) -> Schema:
    """Returns the schema of a params.yaml: type, choices and range follow from the uses of each value.

    Args: `entry_points` are those of the steps, by name; a step without one adds nothing. `schemas` are None
    if the components' own schemas were not read.
    """
    definitions: Schema = {"reference": _REFERENCE}
    found: Schema = {"type": "object", "properties": {}}
    for step, parameter, names, key in uses_of(pipeline, entry_points):
        declared = entry_points[step].parameters[parameter]
        schema = (schemas or {}).get((step, parameter))
        pointer = ""
        if schema is not None:
            name = f"{step}.{parameter}"
            definitions[name] = _loosened(schema, f"#/$defs/{name}")
            pointer = _pointer(schema, f"#/$defs/{name}", names)
        if not names or pointer:
            _put(found, key, _leaf(declared, pointer, whole=not names))
    made_from = basis(pipeline, entry_points, schemas)
    head = {"$schema": DIALECT, COMMENT: made_from, **found}
    return {**head, "$defs": definitions, "title": f"Parameters of {pipeline.name}"}


def _put(place: Schema, key: tuple[str, ...], leaf: Schema) -> None:
    """Adds the requirements of one more use of a key."""
    for name in key[:-1]:
        place = place["properties"].setdefault(name, {})
        place.setdefault("properties", {})
    properties = place["properties"]
    before = properties.get(key[-1])
    if before is None:
        properties[key[-1]] = leaf
    elif "anyOf" in before and before["anyOf"] != leaf["anyOf"]:
        said = {k: v for k, v in before.items() if k in ("description", "default")}
        properties[key[-1]] = {**said, "allOf": [{"anyOf": before["anyOf"]}, {"anyOf": leaf["anyOf"]}]}
    elif "allOf" in before:
        before["allOf"].append({"anyOf": leaf["anyOf"]})
    elif "anyOf" not in before:  # what is below it is given by itself, too
        properties[key[-1]] = {**before, **leaf}


def _leaf(parameter: Parameter, pointer: str, *, whole: bool) -> Schema:
    """Returns the allowed values; for a whole parameter also its description and default."""
    if not whole:
        return {"anyOf": [{"$ref": pointer}, _REFERRED]}
    said: Schema = {"description": parameter.description} if parameter.description else {}
    if parameter.default not in (None, "", "/dev/null"):
        said["default"] = parameter.default
    return {**said, "anyOf": [*_values(parameter, pointer), {"type": "null"}, _REFERRED]}


def _values(parameter: Parameter, pointer: str) -> Iterator[Schema]:
    kind = parameter.type
    if kind == "path":
        yield {"type": "string"}  # a file or a URL
        yield {"$ref": pointer} if pointer else {"type": ["object", "array"]}
    elif parameter.choices:
        texts = [str(choice) for choice in parameter.choices]
        yield {"enum": [*parameter.choices, *(text for text in texts if text not in parameter.choices)]}
    elif kind in _TYPES:
        limits = {"minimum": parameter.minimum, "maximum": parameter.maximum}
        yield {"type": _TYPES[kind], **{name: value for name, value in limits.items() if value is not None}}
        yield {"type": "string", "pattern": _TEXTS[kind]}
    else:
        yield {"type": ["string", "number", "boolean"]}


def _loosened(schema: Any, root: str) -> Any:
    """Returns a component's schema below `root`, with references allowed for any part of a value, and
    required keys left to other files.
    """
    if isinstance(schema, list):
        return [_loosened(each, root) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = ((key, value) for key, value in schema.items() if key not in _LEFT_OUT)
    return {"anyOf" if key == "oneOf" else key: _part(key, value, root) for key, value in kept}


def _part(key: str, value: Any, root: str) -> Any:
    """Returns a keyword's value in a component's schema below `root`."""
    if key == "$ref" and isinstance(value, str) and value.startswith("#/"):
        return f"{root}{value[1:]}"
    if key == "properties" and isinstance(value, dict):
        return {name: _or_reference(each, root) for name, each in value.items()}
    if key in ("$defs", "definitions") and isinstance(value, dict):
        return {name: _loosened(each, root) for name, each in value.items()}
    if key in _SUBSCHEMAS and isinstance(value, dict):
        return _or_reference(value, root)
    return _loosened(value, root) if key in ("anyOf", "oneOf") else value


def _or_reference(schema: Any, root: str) -> Schema:
    said = {k: v for k, v in schema.items() if k in ("description", "title", "default")} if schema else {}
    return {**said, "anyOf": [_loosened(schema, root), _REFERRED]}


def _pointer(schema: Schema, root: str, names: tuple[str, ...]) -> str:
    """Returns the pointer to the subschema for some keys in the schema below `root`, empty if it has none."""
    node: Any = schema
    pointer = root
    for name in names:
        node, pointer = _followed(schema, node, root, pointer)
        properties = node.get("properties") if isinstance(node, dict) else None
        if not isinstance(properties, dict) or name not in properties:
            return ""
        escaped = name.replace("~", "~0").replace("/", "~1")
        node, pointer = properties[name], f"{pointer}/properties/{escaped}/anyOf/0"
    return pointer


def _followed(schema: Schema, node: Any, root: str, pointer: str) -> tuple[Any, str]:
    """Returns the target of a reference within a schema, and its pointer."""
    for _ in range(10):
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        pointer, node = f"{root}{reference[1:]}", schema
        for part in reference[2:].split("/"):
            node = node.get(part) if isinstance(node, dict) else None
    return node, pointer
