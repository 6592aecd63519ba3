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
from tests.repositories import (
    HttpServer,
    Repository,
    edit_contract,
    edit_pipeline,
    forget,
    http_server,
    make_library,
    make_pipeline,
    parameters_of,
)
from tests.test_release import note, releasable
from tests.workflows import FOLDER, Machine, callers
from waypost.release.conformance import write_tables
from waypost.system.scratch import remove

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
CALLERS = {content["name"]: content for content in callers(ROOT / "docs" / "ci.md")}
CHECK, RELEASE, NIGHTLY = (CALLERS[name] for name in ("check", "release", "nightly"))
TOKEN = "for-components"


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


@pytest.fixture
def private(hub: Github) -> Iterator[HttpServer]:
    """The hub's repositories over HTTP; from when its password is set, only with a token."""
    with http_server(hub.folder / "repos") as found:
        yield found


@pytest.fixture
def public(workplace: Path) -> Iterator[HttpServer]:
    """A server of somebody else with a library; it records what it is offered."""
    make_library(workplace.parent / "public" / "words", "say")
    with http_server(workplace.parent / "public") as found:
        yield found


def test_foreign_repositories(
    hub: Github, private: HttpServer, public: HttpServer, workplace: Path, call: Call
) -> None:
    """Twenty lines in a library and in a pipeline, whose components are private: checked, released and
    reproduced, updated by a pull request that is checked although no event says so; and nothing to do is no
    failure. Who takes the release can ask where it is from. The token is offered to the server that it is
    for, and to no other, not even one that asks for credentials.
    """
    own = workplace.parent / "own"
    hub.create("team/components", library_of(own / "components"))
    library = Machine(hub, "team/components", workplace / "library")
    assert library.run(RELEASE, "workflow_dispatch") == {"release": "success"}, library.log
    assert sorted(hub.state("team/components")["releases"]) == ["v1.0.0"]
    assert library.run(CALLERS["findings"], "push") == {"findings": "success"}, library.log
    source = make_pipeline(own / "grades", f"{private.url}/team/components.git")
    edit_pipeline(source.path, lambda content: add_words(content, public))
    assert call("python", "-m", "waypost", "lock", source.path).returncode == 0
    hub.create("team/grades", foreign(source, MLproject="name: grades"))
    forget(workplace)
    private.password = TOKEN
    inputs = {"environments": "local", "components-url": private.url}
    secrets = {"COMPONENTS_TOKEN": TOKEN}
    pipeline = Machine(hub, "team/grades", workplace / "pipeline", secrets=secrets, with_=inputs)
    assert pipeline.run(RELEASE, "workflow_dispatch") == {"release": "success"}, pipeline.log
    assert "waypost ci reproduce" in pipeline.steps
    assert "✓ reproduced" in pipeline.log[-1]
    assert pipeline.run(RELEASE, "push") == {"release": "success"}, pipeline.log
    assert "nothing to do" in pipeline.log[-1]
    released(hub, library)
    assert pipeline.run(NIGHTLY, "schedule") == {"pins": "success", "reproduce": "success"}, pipeline.log
    [pull] = hub.state("team/grades")["pulls"]
    commit = Repository(hub.bare("team/grades")).git("rev-parse", pull["head"])
    assert hub.state("team/grades")["statuses"] == {commit: "state=success"}
    public.password = TOKEN
    assert pipeline.run(CHECK, "push") == {"check": "failure"}
    assert "asks for credentials" in pipeline.log[-1]
    assert (set(private.offered), public.offered) == ({TOKEN}, [])
    private.password = public.password = ""
    verify = ("python", "-m", "waypost", "verify", f"{hub.url}/team/grades.git@1.0.0", "--attestation")
    told = call(*verify, "--signer-repo", "OWNER/waypost", env=hub.variables)
    assert (told.returncode, "as team/grades attests" in told.stdout) == (0, True), told.stdout
    assert "attestation-wrong" in call(*verify, env=hub.variables).stdout


def add_words(content: dict[str, Any], server: HttpServer) -> None:
    """Gives a pipeline a second library."""
    content["components"]["words"] = {"git": f"{server.url}/words/.git", "version": "~=1.0"}
    content["steps"]["say"] = {"uses": "words/say", "with": {"text": "b"}}


def released(hub: Github, library: Machine) -> None:
    """Releases a library again, with other code, by a pull request that the release itself has checked."""
    clone = hub.clone("team/components", hub.folder / "again")
    with (clone.path / "load" / "run.py").open("a") as code:
        code.write("# faster\n")
    note(clone, "- load is faster.")
    clone.git("push", "-q", "origin", "main")
    asked = library.run(RELEASE, "workflow_dispatch", {"pull-request": True})
    assert asked == {"release": "success"}, library.log
    [pull] = hub.state("team/components")["pulls"]
    commit = Repository(hub.bare("team/components")).git("rev-parse", pull["head"])
    assert hub.state("team/components")["statuses"] == {commit: "state=success"}
    clone.git("fetch", "-q", "origin")
    clone.git("merge", "-q", "--no-ff", "-m", "Merge", f"origin/{pull['head']}")
    clone.git("push", "-q", "origin", "main")
    assert library.run(RELEASE, "push") == {"release": "success"}, library.log
    assert sorted(hub.state("team/components")["releases"]) == ["v1.0.0", "v1.0.1"]


STUBS = {
    "make": """#!/bin/sh
echo "make $*" >>{made}
if [ "$1" = requirements ]; then echo "# moved" >>pipeline/requirements.txt; fi
""",
    "docker": """#!/bin/sh
echo "docker $*" >>{made}
case $1 in
login) read -r token && test -n "$token" ;;
inspect) echo "ghcr.io/team/waypost-serve@sha256:feed" ;;
esac
""",
}


@pytest.fixture
def ourselves(hub: Github, workplace: Path, call: Call) -> Machine:
    """This repository as it is at HEAD, where its library has a repository of its own. `make` and `docker`
    only note what they are asked for: what the targets do is shown by others.
    """
    source = Repository(workplace.parent / "waypost")
    subprocess.run(["git", "clone", "-q", "--no-tags", ROOT, source.path], check=True)
    source.git("switch", "-q", "-C", "main")
    for folder in (".", "components-repo", "engine"):
        note(Repository(source.path / folder), "### Fixed\n- A word.")
    hub.create("team/waypost", source)
    for name, text in STUBS.items():
        stub = hub.folder / "bin" / name
        stub.write_text(text.format(made=hub.folder / "made"))
        stub.chmod(0o755)
    bare = hub.bare("team/components")
    exported = call("python", "-m", "waypost", "components", "export", bare, cwd=source.path)
    assert exported.returncode == 0, exported.stderr
    variables = {"LIBRARY_URL": f"{hub.url}/team/components.git"}
    return Machine(hub, "team/waypost", workplace / "jobs", variables=variables)


def ours(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text())


def made(hub: Github) -> list[str]:
    return (hub.folder / "made").read_text().splitlines()


@pytest.mark.long
def test_this_repository(ourselves: Machine) -> None:
    """What this repository calls for itself: all products are checked; the pipeline is executed, released
    and, at night, reproduced, without news of its pins; the library is given to its own repository.
    """
    hub, machine = ourselves.hub, ourselves
    ci = ours("ci")
    ci["jobs"] = {"products": ci["jobs"]["products"]}
    for folder in ci["jobs"]["products"]["strategy"]["matrix"]["folder"]:
        machine.with_ = {"folder": folder}
        assert machine.run(ci, "push") == {"products": "success"}, (folder, machine.log)
    machine.with_ = {"environments": "local", "reproduce": False}  # the night does
    assert machine.run(ours("pipeline-release"), "workflow_dispatch") == {"release": "success"}, machine.log
    [tag] = hub.state("team/waypost")["releases"]
    assert machine.run(ours("nightly"), "schedule") == {"reproduce": "success", "pins": "success"}, (
        machine.log
    )
    assert any(f"✓ reproduced {tag}" in said for said in machine.log)
    machine.with_ = {}
    assert machine.run(ours("components-release"), "workflow_dispatch") == {"release": "success"}, machine.log
    [tag] = hub.state("team/components")["releases"]
    assert tag in Repository(hub.bare("team/components")).git("tag").split()
    assert made(hub).count("make check") == 2


@pytest.mark.long
def test_this_repositorys_engine(ourselves: Machine) -> None:
    """The engine is released, and from its tag goes to PyPI and, as an image, to the registry, which the
    release starts itself: its own push of a tag would start nothing. Weekly, moved locks are proposed.
    The last release was never published there, and is left behind.
    """
    hub, machine = ourselves.hub, ourselves
    ended = machine.run(ours("engine-release"), "workflow_dispatch", {"new": True})
    assert ended == {"release": "success", "package": "success"}, machine.log
    [[file, tag]] = hub.state("team/waypost")["started"]
    version = tag.removeprefix("engine-v")
    assert (file, sorted(hub.state("team/waypost")["releases"])) == ("engine-package.yml", [tag])
    ended = machine.run(ours("engine-package"), "push", ref=f"refs/tags/{tag}")
    assert ended == dict.fromkeys(("build", "pypi", "image"), "success"), machine.log
    assert machine.packages == [f"waypost-{version}-py3-none-any.whl", f"waypost-{version}.tar.gz"]
    image = f"ghcr.io/team/waypost-serve:{version}"
    assert f"docker push --quiet {image}" in made(hub)
    assert machine.run(ours("engine-package"), "workflow_dispatch") == dict.fromkeys(ended, "skipped")
    assert machine.run(ours("weekly"), "schedule") == {"locks": "success"}, machine.log
    [pull] = hub.state("team/waypost")["pulls"]
    assert (pull["head"], pull["title"]) == ("waypost/update-locks", "Update locks")
