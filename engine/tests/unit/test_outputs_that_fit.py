"""Whether an output fits the parameter that takes it, at the plan, where both ends declare what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from waypost.contracts.checks import entry_point_problems
from waypost.contracts.component import Component, EntryPoint
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import Pipeline
from waypost.contracts.planning import make_plan
from waypost.interfaces.interface import component_with, interface_changes, interface_digest, interface_of
from waypost.runs.outputs import model_problem

MODEL = {"type": "mlflow-model", "metadata": ["classes", "target"]}
TRAIN: dict[str, Any] = {
    "model": {"path": "model", **MODEL},
    "scores": {"path": "scores.csv", "type": "table"},
}

READS = {"takes": "mlflow-model", "metadata": {"target": "target", "features": ""}}


def component(name: str, parameters: dict[str, Any], outputs: dict[str, Any] | None = None) -> Component:
    main = {"parameters": parameters, "outputs": outputs or {}, "command": "x"}
    return Component.model_validate({"name": name, "entry_points": {"main": main}})


def findings(
    outputs: dict[str, Any], takes: dict[str, Any], output: str = "model", **given: str
) -> list[str]:
    """Returns what the plan says where `evaluate` takes an output of `train`."""
    known = {
        "core/train": component("train", {}, outputs),
        "core/evaluate": component(
            "evaluate", {"model": {"type": "path", **takes}, "target": {"default": ""}}
        ),
    }
    reference = f"${{steps.train.outputs.{output}}}"
    steps = {
        "train": {"uses": "core/train"},
        "evaluate": {"uses": "core/evaluate", "with": {"model": reference, **given}},
    }
    pipeline = Pipeline.model_validate({"name": "p", "components": {"core": {"path": "x"}}, "steps": steps})
    return [str(found) for found in make_plan(pipeline, merged([], []), known.__getitem__)[1]]


def test_the_type_that_is_taken() -> None:
    """A table for a parameter that takes a model is a mistake of the pipeline, found before anything runs;
    what would fit is named.
    """
    assert findings(TRAIN, {"takes": "mlflow-model"}) == []
    [found] = findings(TRAIN, {"takes": "mlflow-model"}, "scores")
    assert "steps.evaluate.with.model" in found
    assert "train.scores: it takes type mlflow-model, not table" in found
    assert "of that type: model" in found


def test_who_declares_nothing_is_not_compared() -> None:
    """An output without a type may be anything, and a parameter that says nothing takes anything."""
    assert findings({"model": {"path": "model"}}, READS) == []
    assert findings({"model": {"path": "model", "type": "mlflow-model"}}, READS) == []
    assert findings(TRAIN, {}, "scores") == []


def test_what_is_read_of_a_models_metadata() -> None:
    """A key that the trainer does not declare is told at the plan, with the parameter that may say it; given
    that, nothing is missing.
    """
    wanted = {"takes": "mlflow-model", "metadata": {"target": "target"}}
    assert findings(TRAIN, wanted) == []
    bare = {"model": {**TRAIN["model"], "metadata": ["classes"]}}
    [found] = findings(bare, wanted)
    assert "it reads 'target' in the model's metadata, which has classes" in found
    assert "set the parameter 'target' instead" in found
    assert findings(bare, wanted, target="grade") == []
    [other] = findings(TRAIN, READS, target="grade")
    assert "it reads 'features'" in other
    assert "say it" not in other
    [nothing] = findings({"model": TRAIN["scores"]}, {"takes": "mlflow-model"})
    assert "of that type" not in nothing


def test_declarations_that_make_no_sense() -> None:
    """Only a path takes an output, only a model has metadata, and what says it instead is a parameter."""
    parameters = {
        "a": {"takes": "table"},
        "b": {"type": "path", "metadata": {"target": ""}},
        "c": {"type": "path", "takes": "mlflow-model", "metadata": {"target": "goal"}},
    }
    entry_point = EntryPoint.model_validate({"parameters": parameters, "command": "x {a} {b} {c}"})
    found = {key: (problem, hint) for key, problem, hint in entry_point_problems(entry_point)}
    assert found == {
        "parameters.a.takes": ("type string takes no output", "type: path"),
        "parameters.b.metadata": ("only a model has metadata", "takes: mlflow-model"),
        "parameters.c.metadata.target": ("no parameter 'goal'", ""),
    }
    with pytest.raises(ValidationError, match="only a model has metadata"):
        component("c", {}, {"out": {"path": "x", "type": "table", "metadata": ["target"]}})


def test_the_model_has_what_is_declared(tmp_path: Path) -> None:
    """A step fails where its model lacks a key of the metadata that its contract declares."""
    assert model_problem(tmp_path, ()) == "is not an MLflow model"
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {}}\nmetadata: {target: grade}\n")
    assert model_problem(tmp_path, ["target"]) == ""
    assert "without 'classes' in its metadata" in model_problem(tmp_path, ["target", "classes"])
    (tmp_path / "MLmodel").write_text("[")
    assert "is not a readable MLflow model" in model_problem(tmp_path, ["target"])


def test_it_is_part_of_the_interface() -> None:
    """What is declared more changes nothing for users; a key of the metadata that goes breaks those who
    read it; and a contract that declares nothing has the digest that it always had.
    """
    plain = component("c", {"model": {"type": "path"}}, {"model": {"path": "model", "type": "mlflow-model"}})
    declared = component("c", {"model": {"type": "path", **READS}}, {"model": TRAIN["model"]})
    assert "metadata" not in str(interface_of(plain))
    assert interface_digest(plain) != interface_digest(declared)
    assert interface_of(component_with("c", interface_of(declared))) == interface_of(declared)
    assert {change.kind for change in interface_changes(plain, declared)} == {"added", "changed"}
    assert list(interface_changes(declared, declared)) == []
    gone = [str(change) for change in interface_changes(declared, plain)]
    assert "breaking: metadata of output 'model': 'target' was removed" in gone
    assert "changed: parameter 'model': takes mlflow-model became anything" in gone
    table = component("c", {"model": {"type": "path", "takes": "table"}})
    assert "breaking: parameter 'model': takes mlflow-model became table" in map(
        str, interface_changes(declared, table)
    )
