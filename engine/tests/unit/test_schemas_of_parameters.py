"""YAML that is given to a step, against the schema that the component declares for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from waypost.contracts.checks import entry_point_problems
from waypost.contracts.component import Component, EntryPoint
from waypost.contracts.plan import Inline, Location, Plan, PlannedStep, Reference
from waypost.interfaces.interface import component_with, interface_digest, interface_of
from waypost.pins.checkout import Checkout
from waypost.runs.schemas import schema_findings

SCHEMA = {"type": "object", "properties": {"rename": {"type": "object"}}, "additionalProperties": False}


def told(folder: Path, argument: Any, schema: Any = SCHEMA) -> list[str]:
    (folder / "recipe.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    entry = EntryPoint.model_validate(
        {"command": "x {recipe}", "parameters": {"recipe": {"type": "path", "schema": "recipe.json"}}}
    )
    step = PlannedStep("clean", "core/clean", entry, {"recipe": argument}, ())
    component = Component.model_validate({"name": "clean", "entry_points": {"main": entry}})
    code = {"core/clean": Checkout(folder, component, {})}
    found = schema_findings(Plan("p", (step,)), code, lambda location: folder / location.text)
    return [str(finding) for finding in found]


@pytest.mark.parametrize("text", ["rename: {a: b}\n", "{}\n"])
def test_what_fits(tmp_path: Path, text: str) -> None:
    """A mapping from params.yaml, or a file of the user's; an empty file is an empty mapping."""
    (tmp_path / "own.yaml").write_text(text if text != "{}\n" else "")
    assert told(tmp_path, Inline(text)) == []
    assert told(tmp_path, Location("own.yaml")) == []
    assert told(tmp_path, Reference("other", "recipe")) == []
    assert told(tmp_path, Location("not there.yaml")) == []
    assert told(tmp_path, "/dev/null") == []


def test_what_does_not_fit(tmp_path: Path) -> None:
    """The key is told before step 1, with the nearest right one, wherever the YAML comes from."""
    expected = ["pipeline.yaml: steps.clean.with.recipe.renam: unknown key; did you mean 'rename'?"]
    (tmp_path / "own.yaml").write_text("renam: {a: b}\n")
    assert told(tmp_path, Inline("renam: {a: b}\n")) == expected
    assert told(tmp_path, Location("own.yaml")) == expected
    (tmp_path / "own.yaml").write_text("a: [\n")
    [finding] = told(tmp_path, Location("own.yaml"))
    assert finding.startswith("pipeline.yaml: steps.clean.with.recipe: own.yaml")


@pytest.mark.parametrize("schema", ["{", {"$ref": "#/$defs/lost"}, {"type": 7}])
def test_a_schema_that_is_none(tmp_path: Path, schema: Any) -> None:
    """A component's own mistake is told as one, in one line."""
    [finding] = told(tmp_path, Inline("rename: {}\n"), schema)
    assert finding.startswith("pipeline.yaml: steps.clean.with.recipe: ")
    assert "recipe.json" in finding


def test_a_schema_is_for_a_file() -> None:
    """Only a path can have one; it is part of the interface, and old contracts are read as before."""
    text = EntryPoint.model_validate({"command": "{p}", "parameters": {"p": {"schema": "a.json"}}})
    assert entry_point_problems(text) == [("parameters.p.schema", "type string is not a file", "type: path")]
    with_one = Component.model_validate(
        {
            "name": "c",
            "entry_points": {
                "main": {"command": "x", "parameters": {"p": {"type": "path", "schema": "a.json"}}}
            },
        }
    )
    assert with_one.schema_files == ("a.json",)
    assert interface_of(with_one)["main"]["parameters"]["p"]["schema"] == "a.json"
    assert interface_digest(component_with("c", interface_of(with_one))) == interface_digest(with_one)
