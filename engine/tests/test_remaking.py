"""Any run is made again from what it kept of itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import pytest
import yaml

from tests.conftest import Call
from tests.pipelines import write_component
from tests.repositories import Repository, make_library, make_repository

pytestmark = pytest.mark.journey
WAYPOST = ("python", "-m", "waypost")
CODE = """
import mlflow, pathlib, sys, tempfile
given = " ".join(sys.argv[1:])
file = pathlib.Path(tempfile.mkdtemp(), "out.txt")
file.write_text(given)
mlflow.log_artifact(str(file))
mlflow.log_metric("letters", len(given))
"""


def write_step(root: Path, name: str) -> None:
    """Writes a component that writes down its parameter `text`."""
    write_component(root, name, CODE, text={"type": "string"})
    file = root / name / "MLproject"
    contract = yaml.safe_load(file.read_text())
    contract["entry_points"]["main"]["outputs"] = {"out": {"path": "out.txt", "description": "words"}}
    contract["entry_points"]["main"]["metrics"] = {"letters": {"description": "how many", "kind": "count"}}
    file.write_text(yaml.safe_dump(contract))


@pytest.fixture
def pipeline(workplace: Path) -> Repository:
    """A committed and locked pipeline: one step of a library, one of a folder of its own."""
    library = make_library(workplace / "core")
    shutil.rmtree(library.path / "load")
    write_step(library.path, "load")
    library.release("1.1.0")
    repository = make_repository(workplace / "pipe")
    write_step(repository.path / "parts", "own")
    content = {
        "name": "small",
        "components": {"core": {"git": str(library.path), "version": "~=1.1"}, "parts": {"path": "parts"}},
        "steps": {
            "load": {"uses": "core/load", "with": {"text": "${text}"}},
            "own": {"uses": "parts/own", "after": ["load"], "with": {"text": "${other}"}},
        },
    }
    (repository.path / "pipeline.yaml").write_text(yaml.safe_dump(content))
    (repository.path / "params.yaml").write_text("text: hi\nother: you\n")
    return repository


def test_a_run_is_made_again(pipeline: Repository, call: Call, workplace: Path) -> None:
    """A run with overrides, of a tree that was not committed, with steps taken over, is reproduced when all
    of that has changed since; another one starts from it. Where a component's content is gone, it is named.
    """
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    commit = pipeline.commit("lock")
    assert call(*WAYPOST, "run", "pipe", "--env", "local").returncode == 0
    code = pipeline.path / "parts" / "own" / "run.py"
    code.write_text(CODE.replace('" ".join', '"+".join'))
    (workplace / "more.yaml").write_text("other: [a, b]\n")
    overridden = [*WAYPOST, "run", "pipe", "--env", "local", "--params", "more.yaml", "other=x y", "--json"]
    result = call(*overridden)
    assert result.returncode == 0, result.stderr
    run = json.loads(result.stdout)
    assert [step["state"] for step in run["steps"]] == ["reused", "done"]
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    tags = client.get_run(run["run_id"]).data.tags
    assert tags["waypost.commit"] == commit
    assert tags["waypost.command"] == "waypost run . --params=more.yaml --env=local 'other=x y'"
    assert tags["waypost.overrides"] == "other=x y (you)"
    assert tags["waypost.dirty"] == "parts/own/run.py"
    assert tags["waypost.component.load"] == "core/load 1.1.0"

    pipeline.git("checkout", "-q", "parts")
    (pipeline.path / "params.yaml").write_text("text: ho\nother: them\nnew: 1\n")
    (workplace / "more.yaml").unlink()
    reproduce = (*WAYPOST, "reproduce", f"runs:/{run['run_id']}")
    same = call(*reproduce)
    assert same.returncode == 0, same.stdout + same.stderr
    assert f"✓ reproduced run {run['run_id']}: 4 equal" in same.stdout

    like = call(*WAYPOST, "run", "--like", f"runs:/{run['run_id']}", "text=bye", "--json")
    assert like.returncode == 0, like.stderr
    made = json.loads(like.stdout)
    assert [step["state"] for step in made["steps"]] == ["done", "reused"]
    tags = client.get_run(made["run_id"]).data.tags
    assert tags["waypost.like"] == run["run_id"]
    assert tags["waypost.overrides"] == "text=bye (hi)\nother=x y (you)"
    assert tags["waypost.dirty"] == "parts/own/run.py"

    (workplace / "core").rename(workplace / "elsewhere")
    gone = call(*reproduce)
    assert gone.returncode == 3
    assert "core/load 1.1.0" in gone.stderr
    assert "Traceback" not in gone.stderr


def test_a_folder_in_no_repository(call: Call, workplace: Path) -> None:
    """Without a repository the folder counts as it is: a component that is another one now is named."""
    write_step(workplace / "pipe" / "parts", "own")
    content = {
        "name": "small",
        "components": {"parts": {"path": "parts"}},
        "steps": {"own": {"uses": "parts/own", "with": {"text": "${text}"}}},
    }
    (workplace / "pipe" / "pipeline.yaml").write_text(yaml.safe_dump(content))
    (workplace / "pipe" / "params.yaml").write_text("text: hi\n")
    result = call(*WAYPOST, "run", "pipe", "--env", "local", "--json", "text=ho")
    run = json.loads(result.stdout)["run_id"]
    step = json.loads(result.stdout)["steps"][0]["run_id"]
    (workplace / "pipe" / "parts" / "own" / "run.py").write_text("print('other')\n")
    gone = call(*WAYPOST, "reproduce", f"runs:/{run}")
    assert gone.returncode == 4
    assert "✗ parts/own  content-gone" in gone.stderr
    wrong = call(*WAYPOST, "reproduce", f"runs:/{step}")
    assert wrong.returncode == 2
    assert f"it is a step of runs:/{run}" in wrong.stderr
