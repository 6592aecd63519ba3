"""The JSON Schemas in new repositories, for editors, and the lines that name them."""

from __future__ import annotations

from collections.abc import Mapping

from waypost.contracts.component import FILE as PROJECT
from waypost.contracts.component import Component
from waypost.contracts.parameter_schema import parameters_schema
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, parse_pipeline
from waypost.contracts.schema_basis import LINE
from waypost.contracts.schemas import schema_of
from waypost.texts.pretty_json import json_text

FOLDER = ".schemas"
_PIPELINE, _PARAMETERS, _CONTRACT = (f"{FOLDER}/{name}.json" for name in ("pipeline", "params", PROJECT))


def of_contracts(below: str = "") -> dict[str, str]:
    """Returns the schema of the contracts of a library."""
    return {f"{below}{_CONTRACT}": json_text(schema_of(PROJECT)) + "\n"}


def of_pipeline(pipeline: str, parameters: str, components: Mapping[str, Component]) -> dict[str, str]:
    """Returns a pipeline.yaml and a params.yaml that name their schemas, and the schemas.

    Args: `components` are the contracts by the steps' `uses`.
    """
    parsed = parse_pipeline(pipeline)
    points = {
        name: components[step.uses].entry_points[step.entry_point]
        for name, step in parsed.steps.items()
        if step.uses in components
    }
    return {
        FILE: f"{LINE}{_PIPELINE}\n{pipeline}",
        PARAMETERS_FILE: f"{LINE}{_PARAMETERS}\n{parameters}",
        _PIPELINE: json_text(schema_of(FILE)) + "\n",
        _PARAMETERS: json_text(parameters_schema(parsed, points)) + "\n",
    }
