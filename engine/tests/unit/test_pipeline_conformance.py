"""The rules of `waypost check` for pipelines, without a pipeline's folder."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.component import Component
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import Pipeline
from waypost.contracts.pipeline_conformance import (
    deprecated_steps,
    two_versions,
    unpinned_data,
    unused_parameters,
)
from waypost.contracts.planning import make_plan


def pipeline(**steps: Any) -> Pipeline:
    """Returns a pipeline with steps, each by its `with` or by all of it."""
    content = {
        name: step if "uses" in step else {"uses": f"core/{name}", "with": step}
        for name, step in steps.items()
    }
    components = {"core": {"git": "https://example.org/core.git", "version": "~=1.0"}}
    return Pipeline.model_validate({"name": "p", "components": components, "steps": content})


@pytest.mark.parametrize(
    ("given", "content", "unused"),
    [
        ({"a": "${x}"}, {"x": 1, "y": 2}, ["y"]),
        ({"a": "${m}"}, {"m": {"depth": 1, "trees": 2}}, []),  # a mapping goes whole
        ({"a": "${m.depth}"}, {"m": {"depth": 1, "trees": 2}}, ["m.trees"]),
        ({"a": "from ${x} to ${y.b}"}, {"x": 1, "y": {"b": 2}}, []),
        ({"a": {"deep": ["${x}"]}}, {"x": 1}, []),
        ({"a": "${x}"}, {"x": "${y}", "y": 1}, []),  # by another parameter
        ({"a": "${m.${x}}"}, {"x": "b", "m": {"b": 1, "c": 2}, "y": 1}, ["y"]),  # any of m may be meant
        ({"a": r"\${x}"}, {"x": 1}, ["x"]),  # no reference
        ({"a": "${oc.env:x}"}, {"x": 1}, ["x"]),
        ({"a": "${.x}"}, {"x": 1}, []),  # relative: nobody knows here
        ({}, {}, []),
    ],
)
def test_parameters_that_nothing_uses(
    given: dict[str, Any], content: dict[str, Any], unused: list[str]
) -> None:
    """Whoever sets such a one changes nothing, and thinks otherwise."""
    found = list(unused_parameters(pipeline(one=given), content))
    assert [finding.place for finding in found] == [f"params.yaml: {name}" for name in unused]


@pytest.mark.parametrize(
    ("url", "sha256", "problem"),
    [
        ("https://example.org/a.csv", "", "set sha256"),
        ("https://example.org/a.csv", "0" * 64, ""),
        ("s3://bucket/a.csv", "", "set sha256"),
        ("data/a.csv", "", ""),  # the content of a file counts
        ("runs:/0123/a.csv", "", ""),
        ("file:///data/a.csv", "", ""),
    ],
)
def test_data_that_may_change(url: str, sha256: str, problem: str) -> None:
    """An address has a digest beside it, or names what never changes."""
    parameters = {"url": {"format": "uri", "sha256": "sha256"}, "sha256": {"default": ""}}
    main = {"parameters": parameters, "command": "x"}
    component = Component.model_validate({"name": "one", "entry_points": {"main": main}})
    plan, findings = make_plan(
        pipeline(one={"url": url, "sha256": sha256}), merged((), ()), lambda _: component
    )
    assert plan, findings
    assert [finding.hint for finding in unpinned_data(plan)] == ([problem] if problem else [])


def test_two_versions_of_a_component() -> None:
    """Steps that use different versions of one component are named, each with its version."""
    one, two = {"uses": "core/a"}, {"uses": "core/a@==1.2.0"}
    [finding] = two_versions(pipeline(x=one, y=two, z=one))
    assert finding.place == "pipeline.yaml: core/a"
    assert finding.problem == "it is used in two versions: x, z: version of the source; y: ==1.2.0"
    assert not list(two_versions(pipeline(x=one, y=one, z={"uses": "core/b@==1.2.0"})))


@pytest.mark.parametrize(
    ("deprecated", "problem", "hint"),
    [
        (None, "", ""),
        ({"since": "2.1.0", "use": "core/train"}, "core/one is deprecated since 2.1.0", "uses: core/train"),
        (True, "core/one is deprecated", "look for another one: waypost components search"),
    ],
)
def test_steps_with_deprecated_components(deprecated: Any, problem: str, hint: str) -> None:
    """A step that uses one is told, with what to use instead."""
    contract = {"entry_points": {"main": {"command": "x"}}, "deprecated": deprecated}
    found = list(deprecated_steps(pipeline(one={}), {"core/one": Component.model_validate(contract)}))
    assert len(found) == bool(problem)
    for finding in found:
        assert finding.place == "pipeline.yaml: steps.one.uses"
        assert finding.problem.startswith(problem)
        assert (finding.hint, finding.category) == (hint, "deprecated")
