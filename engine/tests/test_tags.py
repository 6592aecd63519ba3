# ruff: noqa: E501 (texts of files and of messages)
"""Tags made again from records: in any clone the same ones, and none that is there is touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.repositories import Repository, make_repository, record_of
from waypost.contracts.target import parse_target
from waypost.errors import IntegrityError, RemoteError, UsageError
from waypost.pins.recorded_releases import described
from waypost.pins.verify import verify
from waypost.pins.workspace import open_workspace
from waypost.release import tags
from waypost.release.fetched import fetch_release
from waypost.release.kinds import read_product
from waypost.release.product import Product
from waypost.sources import git
from waypost.sources.store import Store

SETTINGS = "[bumpversion]\ncurrent_version = 1.0.0\ntag_name = {}v{{new_version}}\n"


@pytest.fixture(autouse=True)
def own_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "cache"))


def release(repository: Repository, version: str, folder: str = ".", tag: str = "") -> str:
    """Commits a release with a record of what lies in its folder, and tags it if asked."""
    repository.git("add", "--all")
    place = [] if folder == "." else [f"--prefix={folder}/"]
    tree = repository.git("write-tree", *place)
    text = record_of(repository, version, tree, notes="### Added\n- Everything.")
    file = repository.path / folder / "releases" / f"{version}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    commit = repository.commit(f"Release {version}")
    if tag:
        repository.git("tag", "-a", "-m", "the first one", tag)
    return commit


def product(repository: Repository, folder: str = ".", prefix: str = "", step: str = "one") -> None:
    place = repository.path / folder
    place.mkdir(exist_ok=True)
    (place / "setup.cfg").write_text(SETTINGS.format(prefix))
    (place / "pipeline.yaml").write_text(
        f"name: grades\ncomponents: {{}}\nsteps: {{{step}: {{uses: a/b}}}}\n"
    )


@pytest.fixture
def grades(tmp_path: Path) -> Repository:
    """A repository with a pipeline at its top, another product in a folder, and two releases of the first."""
    repository = make_repository(tmp_path / "grades")
    product(repository)
    product(repository, "sub", "sub-")
    release(repository, "1.0.0", tag="v1.0.0")
    (repository.path / "data.csv").write_text("a\n")
    release(repository, "1.1.0")
    release(repository, "1.0.0", "sub")
    (repository.path / "later").write_text("x")
    repository.commit("later")
    return repository


def clone(repository: Repository, name: str = "clone", *options: str) -> Repository:
    path = repository.path.with_name(name)
    command = ["git", "clone", "-q", "--no-tags", *options, f"file://{repository.path}", str(path)]
    subprocess.run(command, check=True)
    return Repository(path)


def products(repository: Repository) -> list[Product]:
    return tags.products_of(repository.path)


def states(found: tags.Tags) -> dict[str, str]:
    return {tag.name: tag.state for tag in found.tags}


def test_tags_are_made_again(grades: Repository) -> None:
    """Every product's tags, at the commits of the releases; two machines make the same objects."""
    one, two = clone(grades, "one"), clone(grades, "two")
    assert states(tags.list_tags(products(one))) == {
        "v1.0.0": "missing",
        "v1.1.0": "missing",
        "sub-v1.0.0": "missing",
    }
    assert tags.list_tags(products(one)).exit_code == 1
    assert one.git("tag") == ""
    for each in (one, two):
        found = tags.restore(products(each), offline=True)
        assert set(states(found).values()) == {"made"}
        assert found.exit_code == 0
        assert each.git("rev-parse", "v1.0.0^{commit}") == grades.git("rev-parse", "v1.0.0^{commit}")
        assert each.git("show", "sub-v1.0.0:sub/releases/1.0.0.json")
    assert one.git("for-each-ref", "refs/tags") == two.git("for-each-ref", "refs/tags")
    assert (
        one.git("tag", "-l", "--format=%(contents)", "sub-v1.0.0")
        == "Release pipeline 1.0.0\n\nAdded\n- Everything."
    )
    assert set(states(tags.list_tags(products(one))).values()) == {"there"}


def test_one_product(grades: Repository) -> None:
    """A named product is the only one looked at; a folder without tags of its own is a guest."""
    here = clone(grades)
    assert states(tags.restore([read_product(here.path / "sub")], offline=True)) == {"sub-v1.0.0": "made"}
    assert here.git("tag") == "sub-v1.0.0"
    (here.path / "sub" / "setup.cfg").write_text(SETTINGS.format(""))
    assert tags.list_tags(products(here)).guests == ("sub",)


def test_tags_of_origin_come_first(grades: Repository) -> None:
    """What origin has is fetched as it is there: its signature stays; only the rest is made, and pushed."""
    here = clone(grades)
    found = tags.restore(products(here), offline=False)
    assert states(found) == {"v1.0.0": "fetched", "v1.1.0": "made", "sub-v1.0.0": "made"}
    assert here.git("rev-parse", "v1.0.0") == grades.git("rev-parse", "v1.0.0")
    pushed = tags.push(products(here), found)
    assert [tag.name for tag in pushed.tags if tag.pushed] == ["v1.1.0", "sub-v1.0.0"]
    assert grades.git("tag").split() == ["sub-v1.0.0", "v1.0.0", "v1.1.0"]
    assert not any(tag.pushed for tag in tags.push(products(here), found).tags)


def test_moved_tags_stay(grades: Repository) -> None:
    """A tag at another commit, here or on origin, is told and left there; the others are made."""
    here = clone(grades)
    here.git("tag", "v1.1.0")
    grades.git("tag", "sub-v1.0.0", "HEAD~3")
    found = tags.restore(products(here), offline=False)
    assert states(found) == {"v1.0.0": "fetched", "v1.1.0": "moved", "sub-v1.0.0": "moved"}
    assert found.exit_code == 4
    assert here.git("rev-parse", "v1.1.0") == here.git("rev-parse", "HEAD")
    assert here.git("tag").split() == ["v1.0.0", "v1.1.0"]
    again = tags.push(products(here), found)
    assert not any(tag.pushed for tag in again.tags)
    assert grades.git("rev-parse", "sub-v1.0.0") == grades.git("rev-parse", "HEAD~3")


def test_clone_without_history(grades: Repository) -> None:
    """Where the history is not there, no commit is guessed."""
    with pytest.raises(UsageError, match="has no history") as caught:
        tags.list_tags(products(clone(grades, "shallow", "--depth=1")))
    assert caught.value.hint == "git fetch --unshallow"


def test_records_that_fit_nothing(grades: Repository) -> None:
    """A record whose trees no commit has, or with another version, makes no tag at all."""
    file = grades.path / "releases" / "1.1.0.json"
    content = json.loads(file.read_text())
    content["trees"]["data.csv"] = "0" * 40
    (file.with_name("1.2.0.json")).write_text(json.dumps({**content, "version": "1.2.0"}))
    (file.with_name("1.3.0.json")).write_text(json.dumps(content))
    grades.commit("wrong records")
    with pytest.raises(IntegrityError) as caught:
        tags.restore(products(grades), offline=True)
    found = [(finding.place, finding.problem) for finding in caught.value.findings]
    assert any(
        place == "releases/1.2.0.json" and "000000000000 for data.csv" in text for place, text in found
    )
    assert ("releases/1.3.0.json", "it says version 1.1.0") in found
    assert grades.git("tag") == "v1.0.0"


def test_record_of_another_history(grades: Repository) -> None:
    """A record that names a commit which is not part of the history makes no tag."""
    file = grades.path / "releases" / "1.1.0.json"
    content = {**json.loads(file.read_text()), "version": "1.2.0", "commit": "1" * 40}
    file.with_name("1.2.0.json").write_text(json.dumps(content))
    grades.commit("a record")
    _, [finding] = described(grades.path, "HEAD")
    assert finding.problem == "its commit is not in this history"


def test_release_of_a_merged_branch(grades: Repository) -> None:
    """A release that was cut on a branch, and merged into a main that had gone on: the tag is at the branch's commit."""
    grades.git("switch", "-q", "-c", "next")
    (grades.path / "pipeline.yaml").write_text("name: grades\ncomponents: {}\nsteps: {two: {uses: a/b}}\n")
    commit = release(grades, "2.0.0")
    grades.git("switch", "-q", "main")
    (grades.path / "data.csv").write_text("b\n")
    grades.commit("main goes on")
    grades.git("merge", "-q", "--no-ff", "-m", "merge", "next")
    found, findings = described(grades.path, "main")
    assert findings == []
    assert {each.record.version: each.commit for each in found}["2.0.0"] == commit


def test_record_that_came_back(grades: Repository) -> None:
    """A record that was removed by mistake and brought back belongs to the commit that it fits."""
    commit = grades.git("log", "--format=%H", "--diff-filter=A", "--", "releases/1.1.0.json")
    text = (grades.path / "releases" / "1.1.0.json").read_text()
    (grades.path / "releases" / "1.1.0.json").unlink()
    grades.commit("by mistake")
    (grades.path / "releases" / "1.1.0.json").write_text(text)
    grades.commit("back")
    found, _ = described(grades.path, "HEAD")
    assert {each.record.version: each.commit for each in found}["1.1.0"] == commit


def test_records_of_another_branch(grades: Repository) -> None:
    """What counts is the default branch, whatever is checked out."""
    here = clone(grades)
    here.git("switch", "-q", "-c", "topic")
    product(here, step="other")
    release(here, "9.0.0")
    assert "v9.0.0" not in states(tags.list_tags(products(here)))


def test_a_release_without_its_tag(grades: Repository) -> None:
    """A release that has a record and no tag is told with the command that makes it; others are not."""
    target = parse_target(f"file://{grades.path}@1.1.0", "/")
    assert target
    store = Store(grades.path.parent / "cache", lambda _: None)
    with pytest.raises(UsageError, match="no such release") as caught:
        fetch_release(store, target)
    assert "1.1.0 has a record on the default branch, its tag is missing" in caught.value.hint
    assert "waypost release tags --restore --push" in caught.value.hint
    tags.restore(products(grades), offline=True)
    found = fetch_release(Store(grades.path.parent / "other", lambda _: None), target)
    assert found.version == "1.1.0"
    unknown = parse_target(f"file://{grades.path}@7.0.0", "/")
    assert unknown
    with pytest.raises(UsageError) as caught:
        fetch_release(store, unknown)
    assert caught.value.hint == "there are: 1.0.0"


def test_library_that_was_never_exported(tmp_path: Path) -> None:
    """A remote that is a folder which is not there, made from a local one: the command that makes it is told."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "main" / "pipeline")
    (tmp_path / "main" / "components-repo").mkdir()
    repository = Repository(tmp_path / "main")
    repository.git("init", "--quiet")
    repository.commit()
    workspace = open_workspace(repository.path / "pipeline", lambda _: None)
    with pytest.raises(RemoteError) as caught:
        workspace.mirror("core").tags()
    assert caught.value.hint.startswith("make it: waypost components export ")
    hints = [finding.hint for finding in verify(workspace).findings if finding.category == "unreachable"]
    assert hints == [caught.value.hint]


def test_tags_of_this_repository() -> None:
    """The commits of all releases here have what their records list, those of the engine, too."""
    if git.is_shallow(ROOT):
        pytest.skip("this clone has no history")
    assert {"v1.0.0", "engine-v1.0.0"} <= set(states(tags.list_tags(tags.products_of(ROOT))))


def test_settings_without_a_release(grades: Repository) -> None:
    """A setup.cfg for bump2version in a folder that was never released, as in a template, is no product."""
    (grades.path / "template").mkdir()
    (grades.path / "template" / "setup.cfg").write_text(SETTINGS.format(""))
    grades.commit("Add a template")
    assert [each.prefix for each in tags.products_of(grades.path)] == [".", "sub"]
    for folder in list(grades.path.rglob("releases")):
        shutil.rmtree(folder)
    grades.commit("Begin again")
    nothing = tags.restore(tags.products_of(grades.path), offline=True)
    assert (tags.push([], nothing), nothing.exit_code) == (tags.Tags(()), 0)
