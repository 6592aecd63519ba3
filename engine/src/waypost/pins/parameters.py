"""What the components of a pipeline say of its params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.contracts.parameter_schema import parameters_schema
from waypost.contracts.pipeline import Pipeline
from waypost.contracts.schema_basis import basis
from waypost.pins.checkout import Checkout
from waypost.sources.files import read_text
from waypost.texts.json_text import read_json


def schema_of_parameters(pipeline: Pipeline, code: Mapping[str, Checkout]) -> dict[str, Any]:
    """Returns the schema of a params.yaml. Args: `code` are the components that are there, by `uses`; others
    add nothing. Raises FindingsError for a component's schema that cannot be read.
    """
    return parameters_schema(pipeline, *_contracts(pipeline, code))


def basis_of_parameters(pipeline: Pipeline, code: Mapping[str, Checkout]) -> str:
    """Returns what that schema is made from (`contracts/schema_basis.py`)."""
    return basis(pipeline, *_contracts(pipeline, code))


def _contracts(
    pipeline: Pipeline, code: Mapping[str, Checkout]
) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, Any]]]:
    """Returns (entry points by step, components' schemas by step and parameter)."""
    points, schemas = {}, {}
    for name, step in pipeline.steps.items():
        there = code.get(step.uses)
        point = there.component.entry_points.get(step.entry_point) if there else None
        if there is None or point is None:
            continue
        points[name] = point
        for key, parameter in point.parameters.items():
            if parameter.schema_:
                text = read_text(there.folder / parameter.schema_)
                schemas[name, key] = read_json(text, parameter.schema_)
    return points, schemas
