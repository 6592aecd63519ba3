"""JSON Schemas (draft 2020-12) of users' files, for editors, generated from the models that read them.

Pydantic's schema lacks what a model does before it validates keys: short forms, and other tools' keys. These
are added here. A schema refuses nothing that Waypost accepts; Waypost refuses more than a schema can express.
"""

from __future__ import annotations

from typing import Any

from waypost.contracts.component import FILE as PROJECT
from waypost.contracts.component import Component
from waypost.contracts.pipeline import FILE as PIPELINE
from waypost.contracts.pipeline import Pipeline

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALAR = ["string", "number", "boolean", "null"]
Schema = dict[str, Any]


def schema_of(file: str) -> Schema:
    """Returns the schema for a file name."""
    return {PIPELINE: _pipeline, PROJECT: _project}[file]()


FILES = (PIPELINE, PROJECT)


def _pipeline() -> Schema:
    found = Pipeline.model_json_schema()
    definitions = found["$defs"]
    # 1.10 is a valid version.
    _widen(definitions["Source"], "version", {"type": ["string", "number", "null"]})
    _widen(definitions["Step"], "with", {"type": ["object", "null"]})
    return _headed(found, "A pipeline of versioned components")


def _project() -> Schema:
    found = Component.model_json_schema(mode="validation")
    definitions = found["$defs"]
    for name in ("EntryPoint", "Parameter"):
        definitions[name]["additionalProperties"] = True  # MLflow's keys, or others'
    parameters = definitions["EntryPoint"]["properties"]["parameters"]
    parameters["additionalProperties"] = {"anyOf": [{"$ref": "#/$defs/Parameter"}, {"type": "string"}]}
    _widen(definitions["Parameter"], "type", {"type": ["string", "null"]})
    _widen(found, "name", {"type": _SCALAR})
    _widen(definitions["Deprecated"], "since", {"type": ["string", "number"]})
    _widen(found, "deprecated", {"anyOf": [{"$ref": "#/$defs/Deprecated"}, {"type": ["boolean", "null"]}]})
    return _headed(found, "A component, or a pipeline for stock MLflow")


def _widen(place: Schema, key: str, schema: Schema) -> None:
    """Lets a key accept more than its model does, and keeps its description."""
    said = {k: v for k, v in place["properties"][key].items() if k in ("default", "description", "title")}
    place["properties"][key] = {**said, **schema}


def _headed(schema: Schema, title: str) -> Schema:
    return {"$schema": _DIALECT, **schema, "title": title}
