"""One component on its own: found by what it takes, or by its name, in the version that a pipeline pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines import write_component, write_pipeline
from waypost.errors import UsageError
from waypost.pins.workspace import Workspace, open_workspace
from waypost.runs.single import component_that_takes, one_step

_TAKEN = {"data": "path", "suggest": "bool"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A pipeline that uses a checker, one that takes no `suggest`, and one that takes a text so called."""
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    root = tmp_path / "small"
    write_component(root / "parts", "check", "", data={"type": "path"}, suggest={"type": "bool"})
    write_component(root / "parts", "clean", "", data={"type": "path"})
    write_component(root / "parts", "odd", "", data={"type": "path"}, suggest={"type": "string"})
    given = {"data": "params.yaml"}
    steps = {
        "a": {"uses": "parts/check", "with": {**given, "suggest": False}},
        "b": {"uses": "parts/clean", "with": given},
        "c": {"uses": "parts/odd", "with": {**given, "suggest": "x"}},
    }
    write_pipeline(root, steps)
    return open_workspace(root, lambda _: None)


def test_it_is_known_by_what_it_takes(workspace: Workspace) -> None:
    """The one component with these parameters, of these types, is meant; it is a pipeline of one step."""
    uses, code = component_that_takes(_TAKEN, workspace, "")
    assert uses == "parts/check"
    arguments = {"data": str(workspace.folder / "params.yaml"), "suggest": True}
    prepared = one_step(workspace.folder, "small-checks", "suggest", uses, code, arguments)
    [step] = prepared.plan.steps
    assert (step.name, step.uses, prepared.checkout(step)) == ("suggest", "parts/check", code)


@pytest.mark.parametrize(
    ("asked", "taken", "message"),
    [
        ("", {"data": "path"}, "uses 3 components that take data"),
        ("", {"rules": "path"}, "uses no component that takes rules"),
        ("parts/clean", _TAKEN, "parts/clean has no parameter suggest of type bool"),
        ("parts/chek", _TAKEN, "the pipeline uses no component 'parts/chek'"),
    ],
)
def test_what_is_not_clear_is_told(
    workspace: Workspace, asked: str, taken: dict[str, str], message: str
) -> None:
    """Several, none, one that lacks a parameter and a wrong name are told apart."""
    with pytest.raises(UsageError, match=message):
        component_that_takes(taken, workspace, asked)
