"""What a shell completes while a command is typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.shell_completion import ShellComplete

from tests.pipelines import write_component
from waypost.cli import cli

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Returns what completes the last of some words, in a folder with a pipeline `grades`."""
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    choices = {"type": "string", "default": "gini", "choices": ["gini", "entropy"]}
    write_component(
        tmp_path / "grades" / "parts", "train", "print(1)", criterion=choices, quick={"type": "bool"}
    )
    content = {
        "name": "grades",
        "components": {"parts": {"path": "parts"}},
        "steps": {
            "train": {
                "uses": "parts/train",
                "with": {"criterion": "${model.criterion}", "quick": "${model.quick}"},
            }
        },
    }
    (tmp_path / "grades" / "pipeline.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "grades" / "params.yaml").write_text("model: {criterion: gini, quick: true}\nseed: 1\n")

    def completed(*words: str) -> list[str]:
        found = ShellComplete(cli, {}, "waypost", "_WAYPOST_COMPLETE").get_completions(
            list(words[:-1]), words[-1]
        )
        return [item.value for item in found if item.type == "plain"]

    return completed


def test_parameters(complete: Complete) -> None:
    """By the names in params.yaml of the pipeline that was typed; then by what the contract lets them be."""
    assert complete("run", "grades", "mod") == ["model.criterion=", "model.quick="]
    assert complete("run", "grades", "seed=2", "model.c") == ["model.criterion="]
    assert complete("run", "grades", "model.criterion=") == [
        "model.criterion=gini",
        "model.criterion=entropy",
    ]
    assert complete("run", "grades", "model.criterion=e") == ["model.criterion=entropy"]
    assert complete("run", "grades", "model.quick=") == ["model.quick=true", "model.quick=false"]
    assert complete("run", "grades", "seed=") == []


def test_components(complete: Complete) -> None:
    """By their names, with and without their source."""
    assert complete("outdated", "grades", "") == ["parts", "parts/train", "train"]
    assert complete("diff", "grades", "tr") == ["train"]


def test_what_cannot_be_read_completes_nothing(complete: Complete, tmp_path: Path) -> None:
    """No pipeline here, or a broken one: no words, and no error."""
    assert complete("run", "mod") == []
    (tmp_path / "grades" / "pipeline.yaml").write_text("a: [")
    assert complete("run", "grades", "mod") == []
    assert complete("run", "grades", "model.criterion=") == []
    assert complete("outdated", "grades", "") == []
