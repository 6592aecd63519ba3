"""The plan: references, types, order, and every mistake at once."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.component import Component
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import Pipeline, component_name
from waypost.contracts.plan import Inline, Location, Plan, Reference
from waypost.contracts.planning import make_plan
from waypost.errors import Finding, FindingsError

COMPONENTS = {
    "load": Component.model_validate(
        {
            "name": "load",
            "entry_points": {
                "main": {
                    "parameters": {"url": {"format": "uri"}, "tries": {"type": "int", "default": 3}},
                    "outputs": {"data": {"path": "data"}},
                    "command": "x",
                }
            },
        }
    ),
    "learn": Component.model_validate(
        {
            "name": "learn",
            "entry_points": {
                "main": {
                    "parameters": {
                        "data": {"type": "path"},
                        "options": {"type": "path", "default": "/dev/null"},
                        "depth": {"type": "int", "default": 3, "minimum": 1},
                    },
                    "outputs": {"model": {"path": "model"}},
                    "command": "x",
                }
            },
        }
    ),
}


def find(uses: str) -> Component:
    name = component_name(uses)
    if name not in COMPONENTS:
        raise FindingsError([Finding(uses, f"no component {name!r}")])
    return COMPONENTS[name]


def planned(steps: dict[str, Any], parameters: str = "depth: 5\n") -> tuple[Plan | None, list[str]]:
    pipeline = Pipeline.model_validate({"name": "p", "components": {"core": {"path": "x"}}, "steps": steps})
    plan, findings = make_plan(pipeline, merged([("params.yaml", parameters)], []), find)
    return plan, [str(finding) for finding in findings]


LOAD: dict[str, Any] = {"uses": "core/load", "with": {"url": "a.csv"}}
LEARN: dict[str, Any] = {"uses": "core/learn", "with": {"data": "${steps.load.outputs.data}"}}


def test_arguments() -> None:
    """References, files, inline YAML and defaults are told apart; all parameters are there."""
    learn = {**LEARN, "with": {**LEARN["with"], "options": {"b": "${depth}", "a": 1}}}
    plan, findings = planned({"load": LOAD, "learn": learn})
    assert not findings
    assert plan
    assert plan.step("load").arguments == {"url": Location("a.csv"), "tries": "3"}
    assert plan.step("learn").arguments == {
        "data": Reference("load", "data"),
        "options": Inline("a: 1\nb: 5\n"),
        "depth": "3",
    }


def test_order_follows_the_graph() -> None:
    """Steps come after what they need, else in the order of the file; `after` is an edge too."""
    plan, findings = planned(
        {"learn": LEARN, "first": {**LOAD, "after": ["load"]}, "load": LOAD, "again": LEARN}
    )
    assert not findings
    assert plan
    assert [step.name for step in plan.steps] == ["load", "learn", "first", "again"]
    assert plan.select([], "load") == {"load", "learn", "first", "again"}
    assert plan.select([], "first") == {"first"}
    assert plan.select(["learn"], None) == {"learn"}
    with pytest.raises(FindingsError, match="no step 'lern'; did you mean 'learn'"):
        plan.select(["lern"], None)


def test_null_means_not_given() -> None:
    """A parameter that resolves to null takes its default."""
    plan, findings = planned({"load": {**LOAD, "with": {"url": "a", "tries": "${t}"}}}, "t: null\n")
    assert not findings
    assert plan
    assert plan.step("load").arguments["tries"] == "3"


@pytest.mark.parametrize(
    ("step", "finding"),
    [
        (
            {"uses": "core/lern"},
            "pipeline.yaml: steps.x.uses: no component 'lern'",
        ),
        ({"uses": "cor/learn"}, "pipeline.yaml: steps.x.uses: no source 'cor'; did you mean 'core'?"),
        (
            {**LEARN, "entry_point": "mein"},
            "pipeline.yaml: steps.x.entry_point: core/learn has no entry point 'mein'; did you mean 'main'?",
        ),
        (
            {**LEARN, "with": {**LEARN["with"], "dept": 3}},
            "pipeline.yaml: steps.x.with.dept: core/learn has no parameter 'dept'; did you mean 'depth'?",
        ),
        (
            {"uses": "core/learn"},
            "pipeline.yaml: steps.x.with: core/learn requires the parameter 'data'",
        ),
        (
            {**LEARN, "with": {**LEARN["with"], "depth": "deep"}},
            "pipeline.yaml: steps.x.with.depth: 'deep' is not an int",
        ),
        (
            {**LEARN, "with": {**LEARN["with"], "depth": 0}},
            "pipeline.yaml: steps.x.with.depth: 0 is less than the minimum, 1",
        ),
        (
            {"uses": "core/learn", "with": {"data": "${steps.lod.outputs.data}"}},
            "pipeline.yaml: steps.x.with.data: no step 'lod'; did you mean 'load'?",
        ),
        (
            {"uses": "core/learn", "with": {"data": "${steps.load.outputs.dat}"}},
            "pipeline.yaml: steps.x.with.data: step 'load' has no output 'dat'; did you mean 'data'?",
        ),
        (
            {**LEARN, "with": {**LEARN["with"], "depth": "${steps.load.outputs.data}"}},
            "pipeline.yaml: steps.x.with.depth: an output is a path, but the parameter is of type int",
        ),
        (
            {"uses": "core/learn", "with": {"data": "x/${steps.load.outputs.data}"}},
            "pipeline.yaml: steps.x.with.data: 'x/${steps.load.outputs.data}': a reference to an output"
            " must stand alone: ${steps.NAME.outputs.NAME}",
        ),
        (
            {**LEARN, "with": {**LEARN["with"], "depth": "${nope}"}},
            "pipeline.yaml: steps.x.with.depth: no parameter 'nope'; known: depth",
        ),
        (
            {**LEARN, "after": ["lod"]},
            "pipeline.yaml: steps.x.after: no step 'lod'; did you mean 'load'?",
        ),
    ],
)
def test_each_mistake_is_named(step: dict[str, Any], finding: str) -> None:
    """Each mistake is one finding with file, key, cause and the nearest right name."""
    _, findings = planned({"load": LOAD, "x": step})
    assert findings == [finding]


def test_cycle_is_named() -> None:
    """Steps that wait for each other are told in their order."""
    one = {"uses": "core/load", "with": {"url": "a"}, "after": ["two"]}
    two = {"uses": "core/load", "with": {"url": "a"}, "after": ["one"]}
    plan, findings = planned({"one": one, "two": two})
    assert plan is None
    assert findings[0].startswith("pipeline.yaml: steps: the steps wait for each other: ")


def test_version_of_a_folder() -> None:
    """A step cannot ask a folder for a version; it is told so, instead of getting whatever is there."""
    _, findings = planned({"load": {**LOAD, "uses": "core/load@~=1.0"}})
    assert findings == [
        "pipeline.yaml: steps.load.uses: 'core' is a folder, which has no versions;"
        " set its `git` and `version`"
    ]
