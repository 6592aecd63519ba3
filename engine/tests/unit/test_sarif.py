"""Findings as services show them beside the lines of a pull request."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from waypost.contracts.exemptions import Ignored
from waypost.contracts.rules import RULES
from waypost.contracts.sarif import sarif
from waypost.errors import Finding
from waypost.texts.lines import line_of

SCHEMA = Path(__file__).parents[1] / "sarif-2.1.0.schema.json"
FOUND = [
    Finding("load/MLproject: entry_points.main.command", "no {x}", "did you mean 'y'?", "command"),
    Finding("a b/run.py:12", "a place", "", "paths"),
    Finding("load", "no tests", "", "tests"),
    Finding("core/load", "moved", "", "tag-moved"),
    Finding("what it says: x", "odd"),
]


def test_every_finding_fits_the_schema() -> None:
    """Rules with their reasons, levels, files and lines; what is ignored carries its reason."""
    every = [Finding("load/MLproject", "x", "", name) for name in RULES]
    log = sarif([*FOUND, *every], [Ignored(FOUND[1], "ours")], "1.2.3", lambda file, _: (file, 7))
    jsonschema.Draft7Validator(json.loads(SCHEMA.read_text())).validate(log)
    [run] = log["runs"]
    first = run["results"][0]
    assert first["level"] == "error"
    assert first["message"]["text"] == "entry_points.main.command: no {x}; did you mean 'y'?"
    place = first["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "load/MLproject"}, "region": {"startLine": 7}}
    second = run["results"][1]["locations"][0]["physicalLocation"]
    assert second == {"artifactLocation": {"uri": "a%20b/run.py"}, "region": {"startLine": 12}}
    assert run["results"][1]["level"] == "warning"
    assert run["results"][-1]["suppressions"][0]["justification"] == "ours"
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {*RULES, "tag-moved"}


TEXT = """\
name: load
entry_points:
  other:
    parameters: {depth: {type: int}}
    command: x
  main:
    parameters:
      data: {type: path}
      depth: {type: int, default: 3}
    command: "python run.py"
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("", 1),
        ("name", 1),
        ("entry_points.main.command", 10),
        ("entry_points.main.parameters.depth.default", 9),
        ("entry_points.other.parameters.depth", 4),
        ("entry_points.gone.command", 2),
    ],
)
def test_lines_of_keys(key: str, line: int) -> None:
    """The line of a key, or of the nearest one above it."""
    assert line_of(TEXT, key) == line
    assert line_of("[waypost:ignore]\nexample@load = x\n", "ignore.example@load") in (1, 2)
