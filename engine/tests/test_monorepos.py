"""Libraries and pipelines below the top of one repository: each with its own version, tags and records."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import Call
from tests.pipelines import write_component
from tests.repositories import SCRIPT, Repository, edit_contract, git_daemon, make_repository
from waypost.cli import cli
from waypost.errors import WaypostError

Run = Callable[..., str]
SETTINGS = "[bumpversion]\ncurrent_version = {}\ncommit = False\ntag = False\ntag_name = {}v{{new_version}}\n"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n- The first.\n"


def product(folder: Path, name: str, prefix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "setup.cfg").write_text(SETTINGS.format("0.1.0", prefix or f"{name}-"))
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    (folder / "README.md").write_text(f"# {name}\n")


def library(folder: Path, name: str, word: str) -> None:
    """A library whose components share a folder `kit`, as another library does with another content."""
    product(folder, name)
    for component in ("load", "clean"):
        write_component(folder, component, SCRIPT, text={"type": "string", "default": "hello"})
        edit_contract(folder, component, lambda contract: contract.update(shared=["kit"]))
    (folder / "kit").mkdir()
    (folder / "kit" / "words.py").write_text(f"WORD = '{word}'\n")


def pipeline(folder: Path, name: str, sources: dict[str, Any], prefix: str = "", **steps: str) -> None:
    product(folder, name, prefix)
    content = {"name": name, "components": sources, "steps": {n: {"uses": uses} for n, uses in steps.items()}}
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (folder / "MLproject").write_text(
        f"name: {name}\nentry_points:\n  main:\n    command: python -m waypost run .\n"
    )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a verb in this process, with a cache of its own."""
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "t")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "t@example.org")
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")

    def invoke(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)
        error, said = result.exception, " ".join(result.output.split())
        if error is not None:
            assert isinstance(error, WaypostError), result.exc_info
            said = f"{said} {error} {error.hint}"
        assert (error.exit_code if error else result.return_value or 0) == code, (arguments, said)
        return said

    return invoke


@pytest.fixture
def mono(tmp_path: Path, run: Run) -> Repository:
    """A repository with two libraries, both released: parts 1.0.0, and more 0.2.0 with other content."""
    repository = make_repository(tmp_path / "mono")
    library(repository.path / "libs" / "parts", "parts", "one")
    library(repository.path / "libs" / "more", "more", "two")
    repository.commit("begin")
    run("release", "-C", repository.path / "libs" / "parts")
    run("release", "minor", "-C", repository.path / "libs" / "more")
    return repository


def source(mono: Repository, folder: str, version: str = "*") -> dict[str, str]:
    return {"git": f"file://{mono.path}", "folder": folder, "version": version}


def pins_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "components.lock.json").read_text())["components"]
    return found


def test_two_libraries_of_one_repository(mono: Repository, run: Run, tmp_path: Path) -> None:
    """Each has its own releases: what a pipeline locks of both are their own tags, trees and shared folders.

    `verify` and `outdated` ask for each, `update` moves one by its own tags, `--dry-run` runs.
    """
    folder = tmp_path / "here" / "grades"
    sources = {"parts": source(mono, "libs/parts", "~=1.0"), "more": source(mono, "libs/more")}
    pipeline(folder, "grades", sources, load="parts/load", clean="more/load")
    run("lock", folder)
    pins = pins_of(folder)
    assert {uses: (pin["version"], pin["tag"], pin["folder"]) for uses, pin in pins.items()} == {
        "parts/load": ("1.0.0", "parts-v1.0.0", "libs/parts"),
        "more/load": ("0.2.0", "more-v0.2.0", "libs/more"),
    }
    assert pins["parts/load"]["tree"] == pins["more/load"]["tree"]
    assert pins["parts/load"]["shared"] != pins["more/load"]["shared"]
    assert "as locked" in run("verify", folder)
    assert "2 steps" in run("run", folder, "--dry-run")
    (mono.path / "libs" / "parts" / "kit" / "words.py").write_text("WORD = 'three'\n")
    changelog = mono.path / "libs" / "parts" / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("[Unreleased]\n", "[Unreleased]\n- Fixed.\n"))
    mono.commit("fix")
    run("release", "-C", mono.path / "libs" / "parts")
    told = run("outdated", folder, code=1)
    assert "1.0.1" in told
    run("update", folder)
    assert {pin["version"] for pin in pins_of(folder).values()} == {"1.0.1", "0.2.0"}
    shutil.rmtree(tmp_path / "cache")  # another machine
    assert "as locked" in run("verify", folder)


@pytest.mark.journey
@pytest.mark.long
def test_a_lock_without_folders_stays_what_it_was(mono: Repository, run: Run, tmp_path: Path) -> None:
    """Only a lock with a folder asks for an engine that knows them; with another folder it is stale."""
    folder = tmp_path / "here" / "grades"
    pipeline(folder, "grades", {"core": source(mono, "libs/parts")}, load="core/load")
    run("lock", folder)
    assert json.loads((folder / "components.lock.json").read_text())["schema"] == 2
    pipeline(folder, "grades", {"core": source(mono, "libs/more")}, load="core/load")
    told = run("lock", folder, "--check", code=4)
    assert "pipeline.yaml says folder: libs/more, the lock has libs/parts" in told
    mono.git("tag", "-a", "-m", "top", "v3.0.0")
    pipeline(folder, "grades", {"core": source(mono, "libs")}, load="core/load")
    assert "no component 'load'" in run("lock", folder, code=1)
    write_component(mono.path, "load", "print(1)")
    mono.release("3.1.0")
    top = {"git": f"file://{mono.path}", "version": "*"}
    pipeline(folder, "grades", {"core": top}, load="core/load")
    run("lock", folder)
    assert json.loads((folder / "components.lock.json").read_text())["schema"] == 1
    assert pins_of(folder)["core/load"]["tag"] == "v3.1.0"


@pytest.mark.journey
@pytest.mark.long
def test_a_repository_without_releases_at_its_top(mono: Repository, run: Run, tmp_path: Path) -> None:
    """Whoever names no folder hears which products have tags, and how to name one."""
    folder = tmp_path / "here" / "grades"
    pipeline(folder, "grades", {"core": {"git": f"file://{mono.path}", "version": "*"}}, load="core/load")
    told = run("lock", folder, code=1)
    assert "more-v0.2.0, parts-v1.0.0: releases of products in folders; name one: `folder: …`" in told
    pipeline(folder, "grades", {"core": source(mono, "libs/part")}, load="core/load")
    assert "more-v0.2.0, parts-v1.0.0: releases of products in folders" in run("lock", folder, code=1)
    told = run("run", f"file://{mono.path}@1.0.0", "--dry-run", code=2)
    assert f"name one: file://{mono.path}#FOLDER@VERSION" in told


@pytest.mark.journey
@pytest.mark.long
def test_a_moved_tag_and_a_yanked_release_of_one_library(mono: Repository, run: Run, tmp_path: Path) -> None:
    """Both are told of the library that they are of, and the other one's pins are as locked."""
    folder = tmp_path / "here" / "grades"
    sources = {"parts": source(mono, "libs/parts"), "more": source(mono, "libs/more")}
    pipeline(folder, "grades", sources, load="parts/load", clean="more/load")
    run("lock", folder)
    run("release", "yank", "0.2.0", "--reason", "leaks", "-C", mono.path / "libs" / "more")
    (mono.path / "libs" / "parts" / "kit" / "words.py").write_text("WORD = 'evil'\n")
    mono.commit("more")
    mono.git("tag", "-f", "-a", "-m", "moved", "parts-v1.0.0")
    told = run("verify", folder, code=4)
    assert "parts parts-v1.0.0 tag-moved" in told
    assert "more 0.2.0 yanked" in told
    (folder / "components.lock.json").unlink()
    told = run("lock", folder, code=4)
    assert "parts libs/parts" in told or "parts releases/1.0.0.json" in told


@pytest.mark.journey
@pytest.mark.long
def test_two_pipelines_of_one_repository(mono: Repository, run: Run, tmp_path: Path) -> None:
    """Each is checked, released and verified by itself: same version, its own tag and record."""
    for name, prefix, uses in (("grades", "", "core/load"), ("prices", "prices/", "core/clean")):
        folder = mono.path / "pipes" / name
        pipeline(folder, name, {"core": source(mono, "libs/parts")}, prefix, only=uses)
        (folder / "LICENSE").write_text("free\n")
        run("lock", folder)
        told = run("check", folder, code=1)  # a server of its own would make it none
        assert "core.git paths" in told
        assert "1 finding" in told
        mono.commit(name)
        run("release", "-C", folder)
    assert {"grades-v1.0.0", "prices/v1.0.0"} <= set(mono.git("tag").split())
    url = f"file://{mono.path}"
    shown = run("run", f"{url}#pipes/grades@1.0.0", "--dry-run")
    assert "grades-v1.0.0" in shown
    assert "core/load" in shown
    assert "core/clean" in run("run", f"{url}#pipes/prices@latest", "--dry-run")
    told = run("verify", f"{url}#pipes/prices@1.0.0")
    assert "prices/v1.0.0" in told
    assert "as the default branch records it" in told
    shutil.rmtree(mono.path / "pipes" / "grades" / "steps", ignore_errors=True)
    (mono.path / "pipes" / "grades" / "README.md").write_text("other\n")
    mono.commit("other")
    mono.git("tag", "-f", "-a", "-m", "moved", "grades-v1.0.0")
    told = run("run", f"{url}#pipes/grades@1.0.0", "--dry-run", code=4)
    assert "README.md is not what the default branch's record lists" in told
    run("run", f"{url}#pipes/prices@1.0.0", "--dry-run")


@pytest.mark.journey
@pytest.mark.long
@pytest.mark.parametrize("odd", ["README.md", "link", "sub", "libs/parts/load"])
def test_a_folder_that_is_none(run: Run, tmp_path: Path, odd: str) -> None:
    """A file, a link, a submodule and a component are no library, and are told so; a file `releases` is no
    record.
    """
    top = make_repository(tmp_path / "top")
    library(top.path / "libs" / "parts", "parts", "one")
    (top.path / "README.md").write_text("x")
    (top.path / "releases").write_text("x")
    (top.path / "link").symlink_to("libs/parts")
    top.commit("begin")
    top.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    top.git("commit", "--quiet", "-m", "sub")
    top.git("tag", "-a", "-m", "x", "v1.0.0")
    folder = tmp_path / "here" / "grades"
    pipeline(folder, "grades", {"core": source(top, odd)}, load="core/load")
    assert f"top#{odd}" in run("lock", folder, code=1)


@pytest.mark.journey
@pytest.mark.long
def test_a_library_at_the_top_may_have_tags_of_its_own(run: Run, tmp_path: Path) -> None:
    """Who names no folder gets what the setup.cfg at the top declares, where no tag is plain."""
    top = make_repository(tmp_path / "top")
    library(top.path, "parts", "one")
    top.commit("begin")
    run("release", "-C", top.path)
    folder = tmp_path / "here" / "grades"
    pipeline(folder, "grades", {"core": {"git": f"file://{top.path}", "version": "~=1.0"}}, load="core/load")
    run("lock", folder)
    assert pins_of(folder)["core/load"]["tag"] == "parts-v1.0.0"
    assert "as locked" in run("verify", folder)


def test_a_guest_has_the_tags_of_its_host(run: Run, tmp_path: Path) -> None:
    """A library without tags of its own is taken from its folder at the tags of the top."""
    host = make_repository(tmp_path / "host")
    library(host.path / "lib", "lib", "one")
    (host.path / "lib" / "setup.cfg").write_text("[bumpversion]\ncurrent_version = 0.1.0\n")
    host.release("2.0.0")
    folder = tmp_path / "here" / "grades"
    pipeline(folder, "grades", {"core": source(host, "lib/")}, load="core/load")
    run("lock", folder)
    assert pins_of(folder)["core/load"]["tag"] == "v2.0.0"
    assert "as locked" in run("verify", folder)


@pytest.mark.journey
@pytest.mark.long
@pytest.mark.parametrize("form", ["file://{}#libs/more", "{}/libs/more"])
def test_a_catalogue_of_one_library(mono: Repository, run: Run, form: str) -> None:
    """By its address and from its folder: its own releases, and the example names the folder."""
    told = run("components", "info", "load", "--in", form.format(mono.path))
    assert "0.2.0" in told
    assert "1.0.0" not in told
    mono.git("remote", "add", "origin", "https://example.org/ml.git")
    run("components", "site", form.format(mono.path), "-o", "out")
    [page] = Path("out").glob("*/load.html")
    assert "folder: libs/more" in page.read_text()
    assert "#libs/more/load" in page.read_text()
    assert "-v more-v0.2.0" in page.read_text()


@pytest.mark.journey
@pytest.mark.long
def test_a_pipeline_below_the_top_is_run_recorded_and_reproduced(
    mono: Repository, run: Run, workplace: Path, call: Call, tmp_path: Path
) -> None:
    """It runs from its tag, a component by stock MLflow; its run is recorded, reproduced and bundled."""
    with git_daemon(mono.path.parent) as server:
        url = f"{server}/mono/.git"
        folder = mono.path / "pipes" / "grades"
        core = {"git": url, "folder": "libs/parts", "version": "*"}
        pipeline(folder, "grades", {"core": core}, only="core/load")
        for verb in (("lock", folder), ("release", "-C", folder)):
            if verb[0] == "release":
                mono.commit("grades")
            done = call("python", "-m", "waypost", *verb)
            assert done.returncode == 0, done.stderr
        target = f"{url}#pipes/grades@1.0.0"
        done = call("python", "-m", "waypost", "run", "--env", "local", target)
        assert done.returncode == 0, done.stderr
        done = call("python", "-m", "waypost", "release", "record", "1.0.0", "-C", folder)
        assert done.returncode == 0, done.stderr
        mono.commit("record")
        mono.git("remote", "add", "origin", url)
        for words, said in (
            (("reproduce", "--env", "local", target), "reproduced grades-v1.0.0"),
            (("ci", "reproduce", "1.0.0", "-C", folder, "--env", "local"), "reproduced grades-v1.0.0"),
            (("bundle", "--env", "local", target, "-o", "g.tar"), "grades 1.0.0"),
            (("verify", target), "as the default branch records it"),
        ):
            done = call("python", "-m", "waypost", *words)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            assert said in done.stdout + done.stderr
        part = f"{url}#libs/parts/load"
        stock = call("mlflow", "run", part, "-v", "parts-v1.0.0", "--env-manager", "local")
        assert stock.returncode == 0, stock.stderr
    done = call(
        "python", "-m", "waypost", "run", "--env", "local", "g.tar", env={"WAYPOST_HOME": str(tmp_path / "x")}
    )
    assert done.returncode == 0, done.stderr
