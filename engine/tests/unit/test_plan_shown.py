"""A plan for people and for machines."""

from __future__ import annotations

import io
from typing import Any

from waypost.contracts.component import Component
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.plan import Plan
from waypost.contracts.planning import make_plan
from waypost.report.console import Console
from waypost.report.plan import plan_document, show_plan

PIPELINE = """
name: p
components: {a: {path: a}}
steps:
  one: {uses: a/b, with: {text: "${long}", model: "${model}"}}
  two: {uses: a/b, with: {text: x, model: "${steps.one.outputs.out}"}}
"""


def plan(*overrides: str) -> Plan:
    main: dict[str, Any] = {
        "parameters": {"text": {}, "model": {"type": "path"}},
        "outputs": {"out": {"path": "out"}},
        "command": "c {text} {model}",
    }
    contract = Component.model_validate({"name": "b", "entry_points": {"main": main}})
    parameters = merged([("params.yaml", f"long: {'x' * 200}\nmodel: {{a: 1, b: [2, y]}}\n")], overrides)
    found, findings = make_plan(parse_pipeline(PIPELINE), parameters, lambda _: contract)
    assert found is not None
    assert not findings
    return found


def shown(found: Plan) -> str:
    stream = io.StringIO()
    show_plan(Console(file=stream, width=80), found)
    return stream.getvalue()


def test_nothing_is_cut() -> None:
    """A value is there in full, however narrow the terminal is taken to be."""
    assert f"text = {'x' * 200}\n" in shown(plan())
    assert "p: 2 steps\n" in shown(plan())


def test_what_an_override_changes_in_a_mapping_is_shown() -> None:
    """A mapping is shown with all that is in it."""
    assert "model =\n" in shown(plan())
    assert [line.strip("│ ") for line in shown(plan("model.b[0]=7")).splitlines()][4:7] == [
        "a: 1",
        "b:",
        "- 7",
    ]


def test_json() -> None:
    """Steps with their arguments: texts, mappings as such, and references as they are written."""
    document = plan_document(plan("long=7"))
    assert document["name"] == "p"
    assert [step["arguments"] for step in document["steps"]] == [
        {"text": "7", "model": {"a": 1, "b": [2, "y"]}},
        {"text": "x", "model": "${steps.one.outputs.out}"},
    ]
    assert [step["needs"] for step in document["steps"]] == [[], ["one"]]
