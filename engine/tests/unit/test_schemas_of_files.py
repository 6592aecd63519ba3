"""Schemas for editors: they take every file that Waypost takes, and name what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import ROOT
from waypost.cli import cli
from waypost.contracts.component import parse_component
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.schemas import FILES, schema_of

PIPELINES = sorted(ROOT.glob("pipeline/**/pipeline.yaml"))
PROJECTS = sorted(
    [*ROOT.glob("components-repo/*/MLproject"), *ROOT.glob("engine/src/**/templates/*/MLproject")]
)


def problems(file: str, content: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema_of(file)).iter_errors(content)]


@pytest.mark.parametrize("name", FILES)
def test_schemas_are_schemas(name: str) -> None:
    """Each is a JSON Schema by its dialect's own."""
    jsonschema.Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize("file", PIPELINES, ids=lambda path: path.parent.name)
def test_pipelines_of_this_repository_fit(file: Path) -> None:
    """What runs here is what the schema takes."""
    assert not problems("pipeline.yaml", yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("file", PROJECTS, ids=lambda path: path.parent.name)
def test_components_of_this_repository_fit(file: Path) -> None:
    """What runs here is what the schema takes."""
    text = file.read_text()
    if "@" not in text.partition("\n")[0] and "$" not in text.partition("\n")[0]:
        assert not problems("MLproject", yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "components: {c: {git: ../c.git, version: 1.10, cooldown: 7d, hold: true}}\nsteps: {a: {uses: c/a}}",
        "components: {c: {path: .}}\nsteps: {a: {uses: c/a, with: null, resources: {cpus: 2}}}",
        "components: {c: {path: .}}\nsigners: keys\nvariables: [TOKEN]\nsteps: {a: {uses: c/a, after: [b]}}",
    ],
)
def test_short_forms_of_pipelines(text: str) -> None:
    """What Waypost takes, the schema takes."""
    parse_pipeline(f"name: x\n{text}")
    assert not problems("pipeline.yaml", yaml.safe_load(f"name: x\n{text}"))


@pytest.mark.parametrize(
    "text",
    [
        "name: null\nx: 1\nentry_points: {main: {parameters: {a: int, b: {type: null, my: x}}, command: x}}",
        "deprecated: {since: 1.1}\nentry_points: {main: {metrics: {a: what it is}, command: x}}",
        "deprecated: true\nentry_points: {main: {outputs: {a: {path: a}}, command: x, mine: y}}",
    ],
)
def test_short_forms_of_projects(text: str) -> None:
    """What Waypost takes, the schema takes; keys of others too."""
    parse_component(text, "MLproject")
    assert not problems("MLproject", yaml.safe_load(text))


def test_what_is_wrong_is_named() -> None:
    """A key that is none, a value of another type."""
    wrong = {"name": "x", "components": {"c": {"path": "."}}, "steps": {"a": {"uses": "c/a", "witth": {}}}}
    assert any("witth" in problem for problem in problems("pipeline.yaml", wrong))
    assert problems("MLproject", {"entry_points": {"main": {"command": 3}}})


def test_the_verb_prints_and_writes(tmp_path: Path) -> None:
    """To standard output, or into a file."""
    printed = CliRunner().invoke(cli, ["schema", "pipeline.yaml"], standalone_mode=False)
    assert json.loads(printed.stdout) == schema_of("pipeline.yaml")
    target = tmp_path / "x.json"
    CliRunner().invoke(cli, ["schema", "MLproject", "-o", str(target)], standalone_mode=False)
    assert json.loads(target.read_text()) == schema_of("MLproject")
