"""The workflows, executed from their YAML in repositories of others and in this one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, Call
from tests.github import Github, github
from tests.repositories import Repository, edit_contract, make_library, make_pipeline, parameters_of
from tests.test_release import note, releasable
from tests.workflows import FOLDER, Machine, callers
from waypost.release.conformance import write_tables
from waypost.system.scratch import remove

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
_, RELEASE, NIGHTLY = callers(ROOT / "docs" / "ci.md")


@pytest.fixture
def hub(workplace: Path) -> Iterator[Github]:
    with github(workplace.parent / "hub") as found:
        yield found
    for left in (workplace.parent / "temp").glob("waypost-*"):
        remove(left)


def foreign(repository: Repository, **more: str) -> Repository:
    """Makes a repository as its owners do who read docs/ci.md; here, what is pinned is installed already."""
    texts = {"LICENSE": "Ours.", "README.md": "What it does.", ".github/waypost.txt": "# nothing"}
    for name, text in (texts | more).items():
        file = repository.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{text}\n")
    return releasable(repository)


TABLES = "# A step\n<!-- contract -->\n<!-- /contract -->"


def library_of(place: Path) -> Repository:
    """A library whose components have all that users expect."""
    repository = make_library(place)
    texts = {"python_env.yaml": "dependencies: [-r requirements.txt]", "requirements.txt": "# nothing"}
    texts |= {"README.md": TABLES, "test_run.py": "def test_it():\n    pass"}

    def describe(contract: Any) -> None:
        contract["python_env"] = "python_env.yaml"
        contract["entry_points"]["main"]["description"] = "Says a word."
        parameters_of(contract)["text"]["description"] = "The word."

    for component in ("load", "clean"):
        edit_contract(repository.path, component, describe)
    for component in ("load", "clean"):
        for name, text in texts.items():
            (repository.path / component / name).write_text(f"{text}\n")
    write_tables(lambda _: None)(repository.path)
    return foreign(repository)


def test_foreign_repositories(hub: Github, workplace: Path, call: Call) -> None:
    """Twenty lines in a library and in a pipeline: checked, released and reproduced, updated by a pull
    request that is checked although no event says so; and nothing to do is no failure.
    """
    own = workplace.parent / "own"
    hub.create("team/components", library_of(own / "components"))
    library = Machine(hub, "team/components", workplace / "library")
    assert library.run(RELEASE, "workflow_dispatch") == {"release": "success"}, library.log
    assert sorted(hub.state("team/components")["releases"]) == ["v1.0.0"]
    hub.create(
        "team/grades", foreign(make_pipeline(own / "grades", "../components.git"), MLproject="name: grades")
    )
    clone = hub.clone("team/grades", own / "clone")
    assert call("python", "-m", "waypost", "lock", cwd=clone.path, env=hub.variables).returncode == 0
    clone.commit("lock")
    clone.git("push", "-q", "origin", "main")
    pipeline = Machine(hub, "team/grades", workplace / "pipeline", with_={"environments": "local"})
    assert pipeline.run(RELEASE, "workflow_dispatch") == {"release": "success"}, pipeline.log
    assert "waypost ci reproduce" in pipeline.steps
    assert "✓ reproduced" in pipeline.log[-1]
    assert pipeline.run(RELEASE, "push") == {"release": "success"}, pipeline.log
    assert "nothing to do" in pipeline.log[-1]
    released(hub, call)
    assert pipeline.run(NIGHTLY, "schedule") == {"pins": "success", "reproduce": "success"}, pipeline.log
    [pull] = hub.state("team/grades")["pulls"]
    commit = Repository(hub.bare("team/grades")).git("rev-parse", pull["head"])
    assert hub.state("team/grades")["statuses"] == {commit: "state=success"}


def released(hub: Github, call: Call) -> None:
    """Releases a library again, with other code."""
    clone = hub.clone("team/components", hub.folder / "again")
    with (clone.path / "load" / "run.py").open("a") as code:
        code.write("# faster\n")
    note(clone, "- load is faster.")
    clone.git("push", "-q", "origin", "main")
    done = call("python", "-m", "waypost", "ci", "release", cwd=clone.path, env=hub.variables)
    assert done.returncode == 0, done.stderr


def test_this_repository(hub: Github, workplace: Path, call: Call) -> None:
    """What this repository calls for itself: all products are checked, the library is released and given to
    its own repository. What its make targets do is not shown here, only that they are called.
    """
    source = Repository(workplace.parent / "waypost")
    subprocess.run(["git", "clone", "-q", "--no-tags", ROOT, source.path], check=True)
    source.git("switch", "-q", "-C", "main")
    note(Repository(source.path / "components-repo"), "### Fixed\n- A word.")
    hub.create("team/waypost", source)
    stub = hub.folder / "bin" / "make"
    stub.write_text(f'#!/bin/sh\necho "make $*" >>{hub.folder / "made"}\n')
    stub.chmod(0o755)
    url = f"{hub.url}/team/components.git"
    bare = hub.bare("team/components")
    exported = call("python", "-m", "waypost", "components", "export", bare, cwd=source.path)
    assert exported.returncode == 0, exported.stderr
    machine = Machine(hub, "team/waypost", workplace / "jobs", variables={"LIBRARY_URL": url})
    ci = yaml.safe_load((FOLDER / "ci.yml").read_text())
    ci["jobs"] = {"products": ci["jobs"]["products"]}
    for folder in ci["jobs"]["products"]["strategy"]["matrix"]["folder"]:
        machine.with_ = {"folder": folder}
        assert machine.run(ci, "push") == {"products": "success"}, (folder, machine.log)
    machine.with_ = {}
    release = yaml.safe_load((FOLDER / "components-release.yml").read_text())
    assert machine.run(release, "workflow_dispatch") == {"release": "success"}, machine.log
    [tag] = hub.state("team/components")["releases"]
    assert tag in Repository(bare).git("tag").split()
    assert (hub.folder / "made").read_text().splitlines().count("make check") == 1
