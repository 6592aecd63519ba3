"""The user's git: its settings, variables and repositories change nothing, or are told."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from tests.repositories import Repository, make_repository
from waypost.compat.git import foreign_folder
from waypost.errors import WaypostError
from waypost.release.cut import clone_of
from waypost.sources import changes, git, remotes
from waypost.sources.git import ForeignRepositoryError
from waypost.sources.git_settings import git_environment
from waypost.sources.refusals import meaning_of
from waypost.sources.snapshots import trees_of
from waypost.sources.store import Store, exact_tree
from waypost.sources.waiting import waiting
from waypost.system.process import ProcessError

Maker = Callable[..., Repository]


@pytest.fixture
def library(tmp_path: Path) -> Repository:
    """A repository with one component, released as 1.0.0."""
    return made(tmp_path / "core")


def made(folder: Path, *options: str) -> Repository:
    folder.mkdir()
    found = Repository(folder)
    found.git("init", "--quiet", *options)
    for name in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        found.git("config", name, "true")
    (folder / "load").mkdir()
    (folder / "load" / "MLproject").write_text('name: load\nentry_points: {main: {command: "true"}}\n')
    found.commit()
    found.git("tag", "-am", "1.0.0", "v1.0.0")
    return found


def test_nothing_local_is_left() -> None:
    """No variable of a repository (`git rev-parse --local-env-vars`) reaches a git of ours, as it is."""
    listed = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
    )
    ours = {"GIT_CONFIG_COUNT", "GIT_NO_REPLACE_OBJECTS"}
    more = [
        "GIT_NAMESPACE",
        "GIT_QUARANTINE_PATH",
        "GIT_DEFAULT_HASH",
        "GIT_DEFAULT_REF_FORMAT",
        "GIT_TEMPLATE_DIR",
    ]
    more += [
        "GIT_EXTERNAL_DIFF",
        "GIT_ICASE_PATHSPECS",
        "GIT_TRACE",
        "GIT_ATTR_SOURCE",
        "GIT_CONFIG_PARAMETERS",
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name in [*listed.stdout.split(), *more]:
            patch.setenv(name, "1")
        patch.setenv("GIT_CONFIG_COUNT", "nonsense")
        patch.setenv("GIT_SSH_COMMAND", "ssh -x")
        found = git_environment()
    assert {name for name in [*listed.stdout.split(), *more] if name in found} == ours
    assert found["GIT_SSH_COMMAND"] == "ssh -x"


def test_settings_of_the_user_stay_but_for_ours(monkeypatch: pytest.MonkeyPatch, library: Repository) -> None:
    """What the user says by variables counts, and what would change git's words does not."""
    for index, (key, value) in enumerate({"user.name": "Anna", "log.showSignature": "true"}.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{index}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{index}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    assert git.git(library.path, "config", "user.name").strip() == "Anna"
    assert git.git(library.path, "config", "log.showSignature").strip() == "false"


@pytest.mark.parametrize(
    "settings",
    [
        {"safe.bareRepository": "explicit"},
        {"protocol.version": "0"},
        {"log.showSignature": "true", "log.follow": "true", "log.showRoot": "false", "format.pretty": "full"},
        {"color.ui": "always", "column.ui": "always", "core.abbrev": "7", "log.decorate": "full"},
        {"i18n.logOutputEncoding": "utf-16", "core.quotePath": "false"},
        {"fetch.prune": "true", "fetch.pruneTags": "true", "fetch.recurseSubmodules": "true"},
        {"diff.orderFile": "/nowhere", "diff.context": "0"},
        {"init.defaultObjectFormat": "sha256", "init.templateDir": "/nowhere", "core.bare": "true"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_that_change_nothing(
    settings: dict[str, str], library: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any of them a library is fetched, read and unpacked as without."""
    config = tmp_path / "gitconfig"
    for key, value in settings.items():
        subprocess.run(["git", "config", "--file", config, key, value], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    check_fetch(library, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_SHALLOW_FILE",
        "GIT_QUARANTINE_PATH",
        "GIT_DEFAULT_HASH",
        "GIT_DIR",
    ],
)
def test_variables_that_change_nothing(
    name: str, library: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any of them, as a hook has them, a library is fetched, read and unpacked as without."""
    monkeypatch.setenv(name, "sha256" if name == "GIT_DEFAULT_HASH" else str(tmp_path / "elsewhere"))
    check_fetch(library, tmp_path)


def check_fetch(library: Repository, tmp_path: Path) -> None:
    said: list[str] = []
    store = Store(tmp_path / "home", said.append)
    mirror = store.mirror(f"file://{library.path}")
    (release,) = mirror.sound(mirror.releases(), with_head=True)
    trees = git.git(mirror.folder, "rev-parse", f"{release.commit}:load").split()
    place = store.obtain({"load": trees[0]}, mirror)
    assert (place / "load" / "MLproject").read_text() == (library.path / "load" / "MLproject").read_text()
    assert trees_of(library.path, ["load"]) == {"load": trees[0]}
    assert int(git.git(mirror.folder, "log", "-1", "--format=%ct", release.commit))
    assert remotes.is_reached(mirror.url, release.commit)
    assert remotes.commit_of(mirror.url, release.commit[:10]) == release.commit
    assert not said


def test_changes_come_back_whatever_git_shows_of_them(
    library: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The diff of uncommitted files is applied to its commit, though its user's diffs have no context."""
    settings = "[diff]\ncontext = 0\ninterHunkContext = 9\norderFile = /nowhere\nnoprefix = true\n"
    (tmp_path / "gitconfig").write_text(f"{settings}[apply]\nwhitespace = error\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    contract, commit = library.path / "load" / "MLproject", library.git("rev-parse", "HEAD")
    copy = tmp_path / "copy"
    shutil.copytree(library.path / "load", copy / "load")
    contract.write_text(contract.read_text().replace('"true"', "python run.py"))
    changed = changes.changed(library.path, [library.path / "load"])
    assert changed == ["load/MLproject"]
    changes.apply(copy, changes.diff_of(library.path, commit, changed) or b"")
    assert (copy / "load" / "MLproject").read_text() == contract.read_text()


def test_a_clone_of_ours_has_an_origin(
    library: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their user calls the remote of a clone: a release and an update are cut in one."""
    (tmp_path / "gitconfig").write_text("[clone]\ndefaultRemoteName = upstream\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    assert git.has_origin(clone_of(library.path, tmp_path))


def test_longer_ids(tmp_path: Path) -> None:
    """A repository of the object format sha256 is fetched, read and unpacked like any other."""
    library = made(tmp_path / "core", "--object-format=sha256")
    assert git.digits_of(library.path) == 64
    check_fetch(library, tmp_path)


@pytest.mark.parametrize("annotated", [False, True])
@pytest.mark.parametrize("what", ["load/MLproject", "load"])
def test_a_version_tag_that_names_no_commit(
    what: str, annotated: bool, library: Repository, tmp_path: Path
) -> None:
    """It is said, and passed over: the newest release with a commit counts."""
    options = ["-am", "x"] if annotated else []
    library.git("tag", *options, "v1.0.4", f"HEAD:{what}")
    said: list[str] = []
    mirror = Store(tmp_path / "home", said.append).mirror(f"file://{library.path}")
    assert [release.tag for release in mirror.sound(mirror.releases(), with_head=True)] == ["v1.0.0"]
    assert [release.tag for release in mirror.sound(mirror.releases())] == ["v1.0.0"]
    assert "the tag v1.0.4 names no commit, but a file or folder; skipped" in said[0]
    assert not mirror.has(mirror.releases()[0].commit)


def test_a_repository_of_another_owner(library: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no folder outside of any repository: the command that trusts it is told."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    real = git_environment
    monkeypatch.setattr(
        git, "git_environment", lambda *a, **b: real(*a, **b) | {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    )
    for look in (git.top_of, git.head_of, git.is_shallow):
        with pytest.raises(ForeignRepositoryError, match="belongs to another user") as caught:
            look(library.path / "load")
        assert caught.value.hint.endswith(f"git config --global --add safe.directory {library.path}")


def test_words_of_another_owner() -> None:
    """What git says of it is known; other words are not."""
    said = "fatal: detected dubious ownership in repository at '/srv/it's'\nTo add an exception"
    assert foreign_folder(said) == "/srv/it's"
    assert foreign_folder("fatal: not a git repository") is None


def test_a_cache_that_cannot_be_written_to(tmp_path: Path) -> None:
    """What has to be fetched is told with what mends the cache; so is a full disk."""
    (tmp_path / "home").write_text("a file")
    held = waiting(filelock.FileLock(tmp_path / "home" / "x.lock"), lambda _: None, "waits")
    with pytest.raises(WaypostError, match="the cache cannot be written to") as caught, held:
        pass
    assert "WAYPOST_HOME" in caught.value.hint
    said = "fatal: failed to write to /c/x.git/shallow.lock: No space left on device"
    found = meaning_of("https://h/x", ProcessError(["git"], 128, said))
    assert "the cache's disk is full" in str(found)
    assert found.hint == caught.value.hint


def test_file_names_that_are_not_utf_8(tmp_path: Path) -> None:
    """On disk they count by their bytes, as in git."""
    folder = tmp_path / "core"
    library = made(folder)
    name = os.fsencode(folder / "load") + b"/caf\xe9"
    with open(name, "w") as file:  # noqa: PTH123 (a path of bytes)
        file.write("x")
    library.commit()
    tree = library.git("rev-parse", "HEAD:load")
    assert exact_tree(folder / "load") == tree
    assert trees_of(folder, ["load"]) == {"load": tree}


@pytest.mark.parametrize(
    ("value", "is_on"), [("true", True), ("yes", True), ("1", True), ("On", True), ("no", False), ("", False)]
)
def test_a_setting_of_git_is_on_in_each_of_its_words(tmp_path: Path, value: str, is_on: bool) -> None:
    """Whoever writes `tag.gpgSign = yes` gets signed tags, as from git itself."""
    repository = make_repository(tmp_path / "x")
    repository.git("config", "tag.gpgSign", value)
    assert git.is_on(repository.path, "tag.gpgsign") == is_on
    assert not git.is_on(repository.path, "tag.forcesignannotated")
