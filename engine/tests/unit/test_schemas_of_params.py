"""The schema of a params.yaml: made of the contracts of the steps that its values are given to."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import LIBRARY, ROOT
from waypost.contracts.component import Component, EntryPoint, parse_component
from waypost.contracts.parameter_schema import parameters_schema
from waypost.contracts.pipeline import Pipeline, parse_pipeline
from waypost.contracts.schema_basis import basis, is_stale, schema_named_in

COMPONENT = """
entry_points:
  main:
    parameters:
      depth: {type: int, minimum: 1, maximum: 9, default: 4, description: levels of a tree}
      share: {type: float, maximum: 1}
      kind: {type: string, choices: [gini, entropy], default: gini}
      quick: {type: bool, default: false}
      name: {type: string}
      recipe: {type: path, schema: recipe.json}
      data: {type: path}
    command: x
"""
RECIPE = {
    "$defs": {"Column": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    "properties": {
        "drop": {"type": "array", "items": {"type": "string"}, "description": "columns to leave out"},
        "first": {"$ref": "#/$defs/Column"},
        "mode": {"enum": ["a", "b"]},
    },
    "required": ["drop"],
    "additionalProperties": False,
    "type": "object",
}
PIPELINE = """
name: grades
components: {own: {path: .}}
steps:
  train:
    uses: own/train
    with:
      depth: ${model.depth}
      share: ${ share }
      kind: ${model.kind}
      quick: ${quick}
      name: prefix-${name}
      recipe: ${recipe}
      data: ${steps.load.outputs.data}
  again:
    uses: own/train
    with: {depth: "${model.depth}", name: "${share}", recipe: {drop: "${columns}", first: {name: "${first}"}}}
  gone: {uses: own/gone, with: {x: "${nowhere}"}}
"""


def schema() -> dict[str, Any]:
    point = parse_component(COMPONENT, "MLproject").entry_points["main"]
    schemas = {("train", "recipe"): RECIPE, ("again", "recipe"): RECIPE}
    return parameters_schema(parse_pipeline(PIPELINE), {"train": point, "again": point}, schemas)


def now(component: str = COMPONENT, text: str = PIPELINE, recipe: Any = RECIPE) -> str:
    """Returns what a schema would be made from."""
    point = parse_component(component, "MLproject").entry_points["main"]
    schemas = {("train", "recipe"): recipe, ("again", "recipe"): recipe}
    return basis(parse_pipeline(text), {"train": point, "again": point}, schemas)


@pytest.mark.parametrize(
    ("changed", "is_it"),
    [
        (now(), False),
        (now(COMPONENT.replace("levels of a tree", "how deep a tree is")), False),
        (now(COMPONENT.replace("data: {type: path}", "data: {type: path}\n      more: {type: int}")), False),
        (now(text=PIPELINE.replace("name: prefix-${name}", "name: ${name}")), True),
        (now(COMPONENT.replace("maximum: 9", "maximum: 12")), True),
        (now(COMPONENT.replace("[gini, entropy]", "[gini, entropy, log_loss]")), True),
        (now(recipe={**RECIPE, "additionalProperties": True}), True),
        (now().replace("waypost 1:", "waypost 2:"), False),
    ],
)
def test_a_schema_that_no_longer_fits(changed: str, is_it: bool) -> None:
    """What a value has to fit is compared, no description, and nothing that params.yaml does not give."""
    assert is_stale(schema(), changed) == is_it


def test_schemas_without_a_basis_are_not_judged() -> None:
    """Those of older engines and of people; and the components' own schemas, where they were not read."""
    assert not is_stale({key: value for key, value in schema().items() if key != "$comment"}, now())
    assert not is_stale([], now())
    point = parse_component(COMPONENT, "MLproject").entry_points["main"]
    made = parameters_schema(parse_pipeline(PIPELINE), {"train": point, "again": point})
    assert not is_stale(made, now())
    assert is_stale(made, now(COMPONENT.replace("maximum: 9", "maximum: 12")))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("# yaml-language-server: $schema=.schemas/params.json\nx: 1\n", ".schemas/params.json"),
        ("# yaml-language-server: $schema=https://host/params.json\n", ""),
        ("x: 1\n# yaml-language-server: $schema=.schemas/params.json\n", ""),
        ("", ""),
    ],
)
def test_the_schema_that_a_file_names(text: str, path: str) -> None:
    """Its first line names it; a URL is nobody's file here."""
    assert schema_named_in(text) == path


def test_it_is_a_schema_with_what_the_contracts_say() -> None:
    """Keys that are a value by themselves have types, choices, descriptions and defaults."""
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    assert set(found["properties"]) == {"model", "share", "quick", "recipe", "columns", "first"}
    depth = found["properties"]["model"]["properties"]["depth"]
    assert (depth["description"], depth["default"]) == ("levels of a tree", 4)
    assert {"type": "integer", "minimum": 1, "maximum": 9} in depth["anyOf"]
    assert found["properties"]["model"]["properties"]["kind"]["anyOf"][0] == {"enum": ["gini", "entropy"]}
    assert "allOf" in found["properties"]["share"]


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("model: {depth: 3, kind: gini}", True),
        ("model: {depth: 10}", False),
        ("model: {depth: deep}", False),
        ("model: {depth: '3'}", True),
        ("model: {depth: '${other}', kind: '???'}", True),
        ("model: {kind: ginni}", False),
        ("share: 2", False),
        ("share: .5\nquick: yes", True),
        ("quick: perhaps", False),
        ("quick: null\nmore: {of: mine}", True),
        ("recipe: {drop: [a], mode: b}", True),
        ("recipe: {drop: '${columns}', first: {name: '???'}}", True),
        ("recipe: {}", True),  # another file may give it
        ("recipe: recipe.yaml", True),
        ("recipe: {dorp: [a]}", False),
        ("recipe: {first: {name: 3}}", False),
        ("columns: [a, b]\nfirst: x", True),
        ("columns: a", False),
    ],
)
def test_what_it_takes(text: str, is_right: bool) -> None:
    """All that a run takes, references in any place included; what a contract refuses is told."""
    found = list(jsonschema.Draft202012Validator(schema()).iter_errors(yaml.safe_load(text)))
    assert bool(found) != is_right, found


def test_the_reference_pipeline() -> None:
    """Its parameters, and those of its examples, fit the schema of its own components."""
    pipeline: Pipeline = parse_pipeline((ROOT / "pipeline" / "pipeline.yaml").read_text())
    points: dict[str, EntryPoint] = {}
    schemas = {}
    for name, step in pipeline.steps.items():
        folder = LIBRARY / step.component
        contract: Component = parse_component((folder / "MLproject").read_text(), "MLproject")
        points[name] = contract.entry_points["main"]
        for key, parameter in points[name].parameters.items():
            if parameter.schema_:
                schemas[name, key] = json.loads((folder / parameter.schema_).read_text())
    validator = jsonschema.Draft202012Validator(parameters_schema(pipeline, points, schemas))
    files = [ROOT / "pipeline" / "params.yaml", *sorted((ROOT / "pipeline" / "examples").glob("*.yaml"))]
    assert len(files) > 1
    for file in files:
        assert not [f"{file}: {e.message}" for e in validator.iter_errors(yaml.safe_load(file.read_text()))]
    assert list(validator.iter_errors({"split": {"test_size": 2}}))
    assert list(validator.iter_errors({"train": {"permutation": {"rwos": 3}}}))
