"""Releases that are too young, components that are deprecated, several pipelines in one call."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.repositories import (
    Repository,
    edit_contract,
    edit_pipeline,
    make_library,
    make_pipeline,
    parameters_of,
)
from waypost.cli import cli
from waypost.contracts.lock import FILE as LOCK

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)


def young(library: Repository, version: str, changelog: str, *, commit_is_young: bool = True) -> None:
    """Releases what is there with the date of now: of its commit and tag, or of the tag alone."""
    (library.path / "CHANGELOG.md").write_text(changelog)
    edit_contract(library.path, "load", lambda c: c.update(name="load", note=version))
    if not commit_is_young:
        library.commit(version)
    person = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    git = ["git", "-C", str(library.path), *person]
    if commit_is_young:
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", version], check=True)
    subprocess.run([*git, "tag", "-a", "-m", version, f"v{version}"], check=True)


@pytest.fixture
def core(tmp_path: Path) -> Repository:
    return make_library(tmp_path / "core")


@pytest.fixture
def pipeline(core: Repository, tmp_path: Path, run: Run) -> Path:
    """A pipeline that has locked 1.0.0, and waits a week for others."""
    folder = tmp_path / "grades"
    make_pipeline(folder, f"file://{core.path}", cooldown="7d")
    assert run("lock", folder).exit_code == 0
    return folder


def locked(folder: Path) -> set[str]:
    return {pin["version"] for pin in json.loads((folder / LOCK).read_text())["components"].values()}


@pytest.mark.parametrize("commit_is_young", [True, False])
def test_a_young_release_waits(core: Repository, pipeline: Path, run: Run, commit_is_young: bool) -> None:
    """Neither update nor outdated takes it, which say until when; its tag's date counts as well as its
    commit's. Whoever names it gets it.
    """
    young(core, "1.1.0", "## [1.1.0]\n### Fixed\n- x\n", commit_is_young=commit_is_young)
    found = run("outdated", pipeline)
    assert found.return_value == 0
    assert "(cooldown: 1.1.0 until 2" in found.output
    assert run("update", pipeline).return_value == 0
    assert locked(pipeline) == {"1.0.0"}
    assert run("update", pipeline, "--to", "1.1.0").return_value == 0
    assert locked(pipeline) == {"1.1.0"}
    assert run("update", pipeline).return_value == 0
    assert locked(pipeline) == {"1.1.0"}, "nobody goes back because of an age"


def test_what_mends_security_does_not_wait(core: Repository, pipeline: Path, run: Run) -> None:
    """The newest release of those that are old enough or mend security is taken."""
    young(core, "1.1.0", "## [1.1.0]\n### Security\n- x\n")
    young(core, "1.2.0", "## [1.2.0]\n### Fixed\n- y\n\n## [1.1.0]\n### Security\n- x\n")
    assert run("update", pipeline).return_value == 0
    assert locked(pipeline) == {"1.1.0"}


def test_nothing_old_enough_is_told(core: Repository, pipeline: Path, run: Run) -> None:
    """A new lock of releases that are all too young says so, and how to have one all the same."""
    young(core, "2.0.0", "## [2.0.0]\n")
    edit_pipeline(pipeline, lambda content: content["components"]["core"].update(version="~=2.0"))
    error = run("lock", pipeline).exception
    assert "too young: 2.0.0 until" in str(error)
    assert "ask for one by name: ==2.0.0" in str(error)


def test_what_is_deprecated_is_said(core: Repository, pipeline: Path, run: Run) -> None:
    """By lock, outdated and whatever reads the components, once each."""
    edit_contract(core.path, "load", lambda c: c.update(deprecated={"since": "1.1.0", "use": "core/clean"}))
    core.release("1.1.0")
    said = "core/load is deprecated since 1.1.0: use core/clean instead"
    for verb in (("outdated",), ("update",), ("lock",), ("components", "list")):
        assert run(*verb, pipeline).output.count(said) == 1, verb


def test_several_pipelines_at_once(core: Repository, pipeline: Path, run: Run, tmp_path: Path) -> None:
    """In one table; one that cannot be looked at keeps nobody else from it; the worst exit code counts."""
    other = tmp_path / "other"
    make_pipeline(other, f"file://{core.path}")
    assert run("lock", other).exit_code == 0
    edit_contract(core.path, "load", lambda c: c.update(note="new"))
    core.release("1.1.0")
    found = run("outdated", pipeline, other, "load")
    assert found.return_value == 1
    assert found.output.count("1.0.0 → 1.1.0") == 2
    fine = run("verify", pipeline, other)
    assert (fine.return_value, fine.output.count("as locked")) == (0, 2)
    (other / LOCK).unlink()
    mixed = run("verify", pipeline, other, "--json")
    assert mixed.return_value == 4
    assert [one["pipeline"] for one in json.loads(mixed.stdout)] == [str(pipeline), str(other)]
    assert run("outdated", pipeline, other).return_value == 4


def test_a_schema_for_editors_that_no_longer_fits(core: Repository, pipeline: Path, run: Run) -> None:
    """A new contract makes the schema that params.yaml names stale: check says so, and --fix writes it."""
    (pipeline / "params.yaml").write_text("# yaml-language-server: $schema=.schemas/params.json\nsaid: a\n")
    edit_pipeline(pipeline, lambda content: content["steps"]["load"].update({"with": {"text": "${said}"}}))
    file = pipeline / ".schemas" / "params.json"
    assert run("lock", pipeline).exit_code == 0
    assert run("schema", "params.yaml", "-p", pipeline, "-o", file).exit_code == 0
    stale = "the contracts of the components have changed since it was written"
    assert stale not in run("check", pipeline).output
    edit_contract(core.path, "load", lambda c: parameters_of(c)["text"].update(choices=["a", "hello"]))
    core.release("1.1.0")
    assert run("update", pipeline).return_value == 0
    found = run("check", pipeline).output
    assert stale in found
    assert "waypost check --fix" in found
    fixed = run("check", pipeline, "--fix").output
    assert stale not in fixed
    assert "it fits the contracts now" in fixed
    assert stale not in run("check", pipeline).output
    assert "hello" in file.read_text()
