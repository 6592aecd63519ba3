"""The OpenAPI document of a server, generated from the model's signature."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from waypost import __version__
from waypost.contracts.mlmodel import Column, MLmodel
from waypost.inference.columnar import ARROW, PARQUET
from waypost.inference.layout import EXACT
from waypost.serving.protocol import CSV, JSON

_TYPES = {"number": "number", "integer": "integer", "boolean": "boolean", "text": "string", "other": ""}
_LARGEST = 3.4e38  # float32: scikit-learn's trees accept nothing larger


def example_of(mlmodel: MLmodel, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns a row that the model answers: the first of its input example, else one without values."""
    if rows:
        return {name: _valid(value) for name, value in rows[0].items()}
    empty = {"number": 0.0, "integer": 0, "boolean": False, "text": "", "other": None}
    return {c.name: empty[c.kind] if c.required else None for c in mlmodel.inputs}


def _valid(value: Any) -> Any:
    """Returns a value for JSON: NaN becomes null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def openapi(mlmodel: MLmodel, label: str, example: dict[str, Any], *, needs_token: bool) -> dict[str, Any]:
    """Returns the OpenAPI 3.1 document."""
    invocations = {
        "summary": "Predict",
        "operationId": "invocations",
        "requestBody": {"required": True, "content": _bodies(mlmodel, example)},
        "responses": _responses(needs_token=needs_token),
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": label,
            "version": mlmodel.model_id or __version__,
            "description": "MLflow's scoring protocol, served by Waypost.",
        },
        "paths": {
            "/invocations": {"post": invocations},
            **{path: {"get": _look(text, needs_token=False)} for path, text in _OPEN.items()},
            **{path: {"get": _look(text, needs_token=needs_token)} for path, text in _GUARDED.items()},
        },
        "components": {"schemas": {"Row": _row(mlmodel), "Answer": _answer(mlmodel), "Problem": _PROBLEM}},
    }
    if needs_token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        for path in _OPEN:
            document["paths"][path]["get"]["security"] = []
    return document


_OPEN = {"/ping": "Whether a model is ready", "/health": "Whether a model is ready"}
_GUARDED = {"/version": "The version of MLflow", "/model": "The current model, and its proof"}
_UNAUTHORIZED = "The bearer token is missing or wrong"


def _look(summary: str, *, needs_token: bool) -> dict[str, Any]:
    responses = {"200": {"description": "OK"}}
    if needs_token:
        responses["401"] = {"description": _UNAUTHORIZED}
    return {"summary": summary, "responses": responses}


def _responses(*, needs_token: bool) -> dict[str, Any]:
    problem = {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = {
        "400": "The body does not fit the model; `column` and `row` give the position",
        "408": "The body did not arrive in time",
        "413": "Too many bytes, rows or columns, or a table that is too large when unpacked",
        "415": "An unsupported Content-Type",
        "503": "The server is overloaded; Retry-After says when to retry",
        "504": "No answer in time",
        **({"401": _UNAUTHORIZED} if needs_token else {}),
    }
    answer = {JSON: {"schema": {"$ref": "#/components/schemas/Answer"}}}
    return {
        "200": {"description": "A prediction for each row", "content": answer},
        **{code: {"description": text, "content": problem} for code, text in sorted(refusals.items())},
    }


def _bodies(mlmodel: MLmodel, example: dict[str, Any]) -> dict[str, Any]:
    """Returns the allowed request bodies, by content type."""
    binary = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
    split = {"columns": list(example), "data": [list(example.values())]}
    examples = {
        "dataframe_split": {"value": {"dataframe_split": split}},
        "dataframe_records": {"value": {"dataframe_records": [example]}},
        "probabilities": {
            "value": {"dataframe_records": [example], "params": {"probabilities": True}},
        },
    }
    params = _PARAMS | {"properties": _PARAMS["properties"] | {name: {} for name in mlmodel.params}}
    body = {"oneOf": [_form(name, form, params) for name, form in _forms(mlmodel).items()]}
    return {
        JSON: {"schema": body, "examples": examples},
        CSV: {"schema": {"type": "string"}, "example": _csv(example)},
        PARQUET: binary,
        ARROW: binary,
    }


def _form(name: str, form: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "title": name,
        "required": [name],
        "additionalProperties": False,
        "properties": {name: form, "params": params},
    }


def _forms(mlmodel: MLmodel) -> dict[str, Any]:
    """Returns the schemas of a table in JSON, by its key."""
    cell = {"type": ["number", "string", "boolean", "null"]}
    rows = {"type": "array", "items": {"$ref": "#/components/schemas/Row"}}
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "additionalProperties": False,
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array", "items": cell}},
            "index": {"type": "array"},
        },
    }
    columns = {
        "type": "object",
        "properties": {c.name: {"type": "array", "items": _schema(c)} for c in mlmodel.inputs},
        "required": _required(mlmodel),
    }
    return {"dataframe_split": split, "dataframe_records": rows, "instances": rows, "inputs": columns}


def _row(mlmodel: MLmodel) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {c.name: _schema(c) for c in mlmodel.inputs},
        "required": _required(mlmodel),
    }


def _required(mlmodel: MLmodel) -> list[str]:
    return [c.name for c in mlmodel.inputs if c.required]


_PARAMS: dict[str, Any] = {
    "type": "object",
    "properties": {"probabilities": {"type": "boolean", "description": "also give each class's"}},
    "additionalProperties": False,
}
_PROBLEM = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {
        "error_code": {"type": "string"},
        "message": {"type": "string"},
        "hint": {"type": "string"},
        "column": {"type": "string"},
        "row": {"type": "integer"},
    },
}


def _answer(mlmodel: MLmodel) -> dict[str, Any]:
    output = mlmodel.outputs[0] if mlmodel.outputs else None
    is_one = output is not None and len(mlmodel.outputs) == 1 and output.kind != "other"
    label = {"type": _TYPES[output.kind]} if output and is_one else {}
    return {
        "type": "object",
        "required": ["predictions"],
        "properties": {
            "predictions": {"type": "array", "items": label} if is_one else {},
            "classes": {"type": "array", "description": "the columns of probabilities"},
            "probabilities": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        },
    }


def _schema(column: Column) -> dict[str, Any]:
    if not (kind := _TYPES[column.kind]):
        return {}  # a time, bytes, a list, an object: as MLflow reads it
    may_miss = column.kind in ("number", "text")
    found: dict[str, Any] = {"type": [kind, "null"] if may_miss else kind}
    if column.kind == "number":
        found |= {"minimum": -_LARGEST, "maximum": _LARGEST}
    if column.kind == "integer":
        found |= {"minimum": -EXACT, "maximum": EXACT}
    return found


def _csv(example: dict[str, Any]) -> str:
    def cell(value: Any) -> str:
        text = "" if value is None else str(value)
        return f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(',"\n') else text

    return f"{','.join(map(cell, example))}\n{','.join(map(cell, example.values()))}\n"
