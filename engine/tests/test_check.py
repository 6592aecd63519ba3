"""`waypost check` on folders: our library, a broken one, what is no library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import LIBRARY, Call
from tests.repositories import edit_contract
from waypost.errors import UsageError
from waypost.release.conformance import check_library
from waypost.release.kinds import read_product
from waypost.release.library import Library
from waypost.scaffold.library import component
from waypost.scaffold.writing import Link, write
from waypost.sources.git import git


def test_our_library_conforms() -> None:
    """The library of this repository has nothing to mend."""
    found = check_library(LIBRARY)
    assert len(found.components) == 8
    assert found.findings == ()


def test_a_broken_library(workplace: Path, call: Call) -> None:
    """Everything is told at once, in words and for machines, with exit code 1; a contract that cannot be read
    keeps no other component from being looked at.
    """
    ignored = shutil.ignore_patterns("__pycache__", "LICENSE", "scoring", ".*")
    shutil.copytree(LIBRARY, workplace / "lib", symlinks=True, ignore=ignored)
    lib = workplace / "lib"
    (lib / "download" / "MLproject").write_text("name: [\n")
    (lib / "preprocess" / "requirements.txt").unlink()
    (lib / "preprocess" / "requirements.txt").symlink_to("../../elsewhere.txt")
    (workplace / "elsewhere.txt").write_text("a==1 --hash=sha256:aa\n")
    (lib / "segregate" / "split.py").write_text("import scoring\n")
    for file in (lib / "check_data").glob("test_*.py"):
        file.unlink()
    result = call("python", "-m", "waypost", "check", lib, "--json")
    assert result.returncode == 1, result.stderr
    document = json.loads(result.stdout)
    found = {(finding["category"], finding["place"]) for finding in document["findings"]}
    assert len(document["components"]) == 8
    assert found == {
        ("licence", "LICENSE"),
        ("contract", "download/MLproject:2"),
        ("environment", "preprocess/python_env.yaml"),
        ("shared", "evaluate/MLproject: shared"),
        ("shared", "train_gradient_boosting/MLproject: shared"),
        ("shared", "train_linear/MLproject: shared"),
        ("shared", "train_random_forest/MLproject: shared"),
        ("tests", "check_data"),
    }
    told = call("python", "-m", "waypost", "check", lib)
    assert told.returncode == 1
    assert "8 findings" in told.stdout
    (lib / "scoring").mkdir()
    assert "imports" in {f.category for f in check_library(lib).findings if f.place == "segregate/MLproject"}


@pytest.mark.journey
def test_components_are_tried(workplace: Path, call: Call) -> None:
    """With --run tests and examples are executed: a shell script runs under stock MLflow; a trainer that
    never worked, and tests that need another machine, are told with what they say. The folder stays as it is.
    """
    lib = workplace / "lib"
    files = {**component("count", "shell"), **component("train", "train")}
    write(lib, {name: text for name, text in files.items() if not isinstance(text, Link)})
    for name in ("count", "train"):  # in the environment at hand
        (lib / name / "python_env.yaml").unlink()
        edit_contract(lib, name, lambda c: (c.pop("python_env"), c.pop("shared")))
    example = {"data": "example.csv", "target": "kind"}
    edit_contract(lib, "train", lambda c: c["entry_points"]["main"].update(example=example))
    (lib / "train" / "example.csv").write_text("a,kind\n1,x\n")
    (lib / "train" / "run.py").write_text("import sys\nsys.exit('error: it never worked')\n")
    (lib / "train" / "test_run.py").write_text(
        "import socket\ndef test_it():\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
    )
    before = sorted(lib.rglob("*"))
    result = call("python", "-m", "waypost", "check", lib, "--run", "--json")
    assert result.returncode == 1, result.stderr
    findings = json.loads(result.stdout)["findings"]
    found = {f["category"]: f for f in findings if f["category"].startswith("run-")}
    assert {f["place"].partition("/")[0] for f in found.values()} == {"train"}, found
    assert found["run-example"]["problem"] == "it fails: it never worked"
    assert "no network in tests: 192.0.2.1" in found["run-tests"]["problem"]
    assert sorted(lib.rglob("*")) == before


def test_what_is_no_library(workplace: Path) -> None:
    """A folder without components is a usage error, which names what has some."""
    with pytest.raises(UsageError, match="no components here") as error:
        check_library(workplace)
    assert error.value.hint == "the folder of a library, or of a pipeline (pipeline.yaml)"


def test_what_git_ignores_is_not_looked_at(workplace: Path) -> None:
    """Only what git would commit is a component: what was installed or built in its folder counts neither
    as a file that is there nor as code that imports.
    """
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    lib = workplace / "lib"
    shutil.copytree(LIBRARY, lib, symlinks=True, ignore=ignored)
    git(workplace, "init", "-q")
    (workplace / ".gitignore").write_text(".venv\n")
    installed = lib / "segregate" / ".venv" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "scored.py").write_text("import scoring\n")
    for odd in (":x", "[ab]", ":(exclude)segregate"):  # as git calls its patterns
        (lib / odd).mkdir()
    assert check_library(lib).findings == ()
    (workplace / ".gitignore").write_text(".venv\ntest_run.py\n")
    assert {finding.category for finding in check_library(lib).findings} == {"tests"}


def test_pipelines_in_a_library(workplace: Path) -> None:
    """A folder of a library with a pipeline.yaml, an example for its users, is none of its components: not
    looked at, not released, nor what makes a folder a library.
    """
    git(workplace, "init", "-q")
    contract = "entry_points: {main: {command: python run.py}}\n"
    for name in ("part", "example"):
        (workplace / name).mkdir()
        (workplace / name / "MLproject").write_text(contract)
    (workplace / "example" / "pipeline.yaml").write_text("name: example\n")
    for folder in (workplace, workplace / "example"):
        (folder / "setup.cfg").write_text("[bumpversion]\ncurrent_version = 1.0.0\n")
    assert check_library(workplace).components == ("part",)
    library = read_product(workplace)
    assert isinstance(library, Library)
    assert set(library.components) == {"part"}
    shutil.rmtree(workplace / "part")
    with pytest.raises(UsageError, match="nor components nor"):
        read_product(workplace)
