"""New repositories and components: made, checked, tested, locked and run as they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import Call
from tests.repositories import Repository, edit_contract, make_library, parameters_of
from waypost.commands.init import init
from waypost.scaffold import environment

WAYPOST = ("python", "-m", "waypost")


@pytest.mark.journey
def test_a_new_pipeline_and_a_new_library(workplace: Path, call: Call) -> None:
    """A pipeline runs on data that scikit-learn brings along, and passes its check at once.

    A component that is added to either has tests that pass, and a copy of it has its contract.
    """
    made = call(*WAYPOST, "init", "pipeline", "wine", "--name", "wines")
    assert made.returncode == 0, made.stderr
    wine = workplace / "wine"
    repository = Repository(wine)
    repository.git("init", "--quiet", ".")
    repository.commit("begin")
    for verb, said in (
        (("components", "new", "clean", "--library", "components"), "components/clean: 7 files"),
        (("components", "new", "tidy", "--like", "clean", "--library", "components"), "7 files"),
        (("check",), "4 components, nothing to mend"),
        (("lock",), "0 components"),
        (("run", "--env", "local"), "train: accuracy 1"),
    ):
        done = call(*WAYPOST, *verb, cwd=wine)
        assert done.returncode == 0, (verb, done.stdout, done.stderr)
        assert said in done.stdout + done.stderr, (verb, done.stdout, done.stderr)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "components"]
    tried = subprocess.run(tests, cwd=wine, capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stdout
    again = call(*WAYPOST, "init", "pipeline", "wine")
    assert again.returncode == 1
    assert "pipeline.yaml" in again.stderr
    assert "nothing was written" in again.stderr


def test_a_new_library(workplace: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """It passes its check, and what lints its code and its workflow; a contract that changed is taken into
    the README by --fix.
    """
    monkeypatch.setattr("waypost.commands.init.locked", lambda _: "mlflow==3.17.2 --hash=sha256:aa\n")
    monkeypatch.setattr("waypost.commands.init.engine_lock", lambda: "waypost==1.0 --hash=sha256:aa\n")
    init.main(["library", "lib"], standalone_mode=False)
    assert environment.LOCK in {path.name for path in (workplace / "lib" / "environment").iterdir()}
    for tool in (("check", "--isolated"), ("format", "--check", "--isolated", "--line-length", "110")):
        assert call("ruff", *tool, "lib").returncode == 0, call("ruff", *tool, "lib").stdout
    zizmor = call("zizmor", "--quiet", "--offline", "--no-progress", "lib/.github")
    assert zizmor.returncode == 0, zizmor.stdout
    assert call(*WAYPOST, "check", "lib").returncode == 0
    contract = workplace / "lib" / "train" / "MLproject"
    contract.write_text(contract.read_text().replace("number of trees", "how many trees"))
    assert call(*WAYPOST, "check", "lib").returncode == 1
    fixed = call(*WAYPOST, "check", "lib", "--fix")
    assert fixed.returncode == 0, fixed.stdout
    assert (
        "| `trees` | int, 1 to 10000 | 100 | how many trees |"
        in (workplace / "lib/train/README.md").read_text()
    )


def test_below_the_top_of_a_repository(workplace: Path, call: Call) -> None:
    """No workflow is written there, and nothing is said of what it would install."""
    git = Repository(workplace)
    git.git("init", "--quiet", ".")
    library = make_library(workplace / "core.git")
    for name in ("pipes/grades", "p w/Ünï"):
        chosen = ("--from", library.path, "--components", "load", name)
        made = call(*WAYPOST, "init", "pipeline", *chosen)
        assert made.returncode == 0, made.stderr
        assert "no workflow" in made.stdout
        assert "hashes" not in made.stdout + made.stderr
        assert not (workplace / name / ".github").exists()
    shutil.rmtree(library.path)


def test_components_of_another_library(workplace: Path, call: Call) -> None:
    """Without names it says which there are; with them the pipeline locks; its check names what is left."""
    library = make_library(workplace / "core.git")
    edit_contract(library.path, "load", lambda contract: parameters_of(contract)["text"].pop("default"))
    library.release("1.1.0")
    made = call(*WAYPOST, "init", "pipeline", "new", "--from", library.path)
    assert made.returncode == 2
    assert "--components clean,load" in made.stderr
    wrong = call(*WAYPOST, "init", "pipeline", "new", "--from", library.path, "--components", "laod")
    assert "did you mean 'load'?" in wrong.stderr
    chosen = ("--components", "load,clean", "--as", "parts")
    made = call(*WAYPOST, "init", "pipeline", "new", "--from", f"{library.path}@~=1.0", *chosen)
    assert made.returncode == 0, made.stderr
    content = yaml.safe_load((workplace / "new" / "pipeline.yaml").read_text())
    assert content["components"]["parts"] == {"git": str(library.path), "version": "~=1.0"}
    assert list(content["steps"]) == ["load", "clean"]
    locked = call(*WAYPOST, "lock", "new")  # also before values are given
    assert locked.returncode == 0, locked.stderr
    asked = call(*WAYPOST, "run", "new", "--dry-run")
    assert "load.text has no value yet; set it: load.text=…" in " ".join(asked.stderr.split())
    assert call(*WAYPOST, "run", "new", "--dry-run", "load.text=x").returncode == 0
    found = call(*WAYPOST, "check", "new")
    assert found.returncode == 1
    assert "is a place on this machine" in found.stdout
    assert "2 findings" in found.stdout
    shutil.rmtree(library.path)


def test_nothing_is_said_of_a_workflow_that_is_not_written(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the top of a repository there is no workflow: nobody asks an index for what it would install."""
    monkeypatch.setattr("waypost.commands.init.locked", lambda _: "mlflow==3.17.2 --hash=sha256:aa\n")
    monkeypatch.setattr("waypost.commands.init.engine_lock", lambda: pytest.fail("nobody installs it"))
    Repository(workplace).git("init", "--quiet", ".")
    for kind in ("library", "pipeline"):
        result = CliRunner().invoke(init, [kind, f"some/{kind}"])
        assert result.exit_code == 0, result.output
        assert "without hashes" not in result.output
        assert not (workplace / "some" / kind / ".github").exists()
