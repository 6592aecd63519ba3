"""Whoever can push makes a version run other content than the default branch's record says, or tries to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repositories import Repository, make_repository, record_of
from waypost.contracts.target import Target
from waypost.errors import FindingsError, UsageError, WaypostError
from waypost.interfaces.record import RunRecord, record_text
from waypost.pins.workspace import FetchedRelease
from waypost.release.fetched import fetch_release
from waypost.sources import git
from waypost.sources.store import Store

HONEST, EVIL = "text: hi\n", "text: EVIL\n"


def write_record(repository: Repository, version: str, folder: str = "one") -> None:
    """Writes the record of what lies in a work tree, as a release does."""
    repository.git("add", "--all")
    text = record_of(repository, version, repository.git("write-tree"), pipeline=folder)
    (repository.path / "releases").mkdir(exist_ok=True)
    (repository.path / "releases" / f"{version}.json").write_text(text)


def write_run(repository: Repository, version: str) -> None:
    """Writes that the production run of a version was of the commit that its tag names."""
    content = {
        "version": version,
        "commit": repository.git("rev-parse", f"v{version}^{{commit}}"),
        "date": "2026-01-02",
        "run_id": "r",
        "platform": "p",
        "made_with": {},
        "outputs": {},
        "metrics": {},
    }
    file = repository.path / "releases" / f"{version}.run.json"
    file.write_text(record_text(RunRecord.model_validate(content)))
    repository.commit(f"run of {version}")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two pipelines; 1.0.0 and 1.1.0 of the first are released, 1.1.0 was yanked."""
    repository = make_repository(tmp_path_factory.mktemp("origin") / "grades")
    for name, text in (("one", HONEST), ("two", EVIL)):
        (repository.path / name).mkdir()
        (repository.path / name / "pipeline.yaml").write_text("name: grades\nsteps: {}\n")
        (repository.path / name / "params.yaml").write_text(text)
    for version in ("1.0.0", "1.1.0"):
        write_record(repository, version)
        repository.release(version)
    (repository.path / "releases" / "1.1.0.yanked.json").write_text(
        json.dumps({"version": "1.1.0", "reason": "leaks", "date": "2026-01-03"})
    )
    write_run(repository, "1.0.0")
    return repository.path


@pytest.fixture
def origin(template: Path, tmp_path: Path) -> Repository:
    return Repository(shutil.copytree(template, tmp_path / "grades", symlinks=True))


def fetched(
    origin: Repository, home: Path, version: str = "1.0.0", *, offline: bool = False
) -> FetchedRelease:
    target = Target(f"file://{origin.path}", "", version)
    return fetch_release(Store(home, lambda _: None), target, offline=offline)


def params_of(release: FetchedRelease) -> str:
    return (release.folder / "params.yaml").read_text()


def elsewhere(origin: Repository, change: Callable[[], None], tag: str = "v1.0.0") -> None:
    """Tags a commit that no branch has, and goes back."""
    origin.git("checkout", "-q", "--detach", "v1.0.0")
    change()
    origin.commit("other")
    origin.git("tag", "-f", "-a", "-m", tag, tag)
    origin.git("checkout", "-q", "-f", "main")


def other_content(origin: Repository) -> None:
    (origin.path / "one" / "params.yaml").write_text(EVIL)


def other_record(origin: Repository, version: str = "1.0.0", folder: str = "one") -> None:
    other_content(origin)
    write_record(origin, version, folder)


def moved(origin: Repository) -> None:
    elsewhere(origin, lambda: other_content(origin))


def recut(origin: Repository) -> None:
    elsewhere(origin, lambda: other_record(origin))


def without_record(origin: Repository) -> None:
    def change() -> None:
        other_content(origin)
        shutil.rmtree(origin.path / "releases")

    elsewhere(origin, change)


def other_folder(origin: Repository) -> None:
    elsewhere(origin, lambda: write_record(origin, "1.0.0", "two"))


def lightweight(origin: Repository) -> None:
    moved(origin)
    origin.git("tag", "-f", "v1.0.0", "v1.0.0^{commit}")


def another_spelling(origin: Repository) -> None:
    elsewhere(origin, lambda: other_record(origin), "1.0.0")
    origin.git("tag", "-d", "v1.0.0")


def on_a_branch(origin: Repository) -> None:
    recut(origin)
    origin.git("branch", "feature", "v1.0.0^{commit}")


def run_of_another(origin: Repository) -> None:
    """The default branch has no record of the release itself, only that of its run."""
    origin.git("rm", "-q", "releases/1.0.0.json")
    origin.commit("no record")
    origin.git("branch", "feature")
    recut(origin)
    origin.git("branch", "-f", "feature", "v1.0.0^{commit}")


def a_file(origin: Repository) -> None:
    origin.git("tag", "-f", "v1.0.0", "main:one/params.yaml")


def a_branch(origin: Repository) -> None:
    recut(origin)
    origin.git("branch", "v1.0.0", "v1.0.0^{commit}")
    origin.git("tag", "-d", "v1.0.0")


ATTACKS: list[tuple[Callable[[Repository], None], str]] = [
    (moved, "record-differs"),
    (recut, "record-differs"),
    (without_record, "record-differs"),
    (other_folder, "record-differs"),
    (lightweight, "record-differs"),
    (another_spelling, "record-differs"),
    (on_a_branch, "record-differs"),
    (run_of_another, "tag-moved"),
    (a_file, ""),
    (a_branch, ""),
]


@pytest.mark.parametrize(("attack", "category"), ATTACKS, ids=[a.__name__ for a, _ in ATTACKS])
def test_another_content_for_a_version(
    origin: Repository, tmp_path: Path, attack: Callable[[Repository], None], category: str
) -> None:
    """Nothing runs, on a fresh machine and on one that knew the release; what that knew still runs offline,
    and what was refused is not remembered.
    """
    fresh, knowing = tmp_path / "fresh", tmp_path / "knowing"
    assert params_of(fetched(origin, knowing)) == HONEST
    attack(origin)
    for home in (fresh, knowing):
        with pytest.raises(WaypostError) as error:
            fetched(origin, home)
        if category:
            assert isinstance(error.value, FindingsError)
            assert error.value.exit_code == 4
            assert category in {finding.category for finding in error.value.findings}
    assert params_of(fetched(origin, knowing, offline=True)) == HONEST
    with pytest.raises(UsageError, match="not in the cache"):
        fetched(origin, fresh, offline=True)


@pytest.mark.parametrize(
    ("tag", "recorded"), [("v1.0.1", None), ("v1.0.0-1", None), ("v1.2.0", "1.2.0"), ("v1.3.0", "1.2.0")]
)
def test_a_version_that_nobody_released(
    origin: Repository, tmp_path: Path, tag: str, recorded: str | None
) -> None:
    """A tag alone makes no release where the default branch records releases, whatever is in it."""
    change = (lambda: other_record(origin, recorded)) if recorded else (lambda: other_content(origin))
    elsewhere(origin, change, tag)
    with pytest.raises(FindingsError) as error:
        fetched(origin, tmp_path / "home", "~=1.0")
    assert error.value.exit_code == 4
    assert {f.category for f in error.value.findings} == {"record-missing"}


def test_a_tag_that_only_looks_like_a_version(origin: Repository, tmp_path: Path) -> None:
    """`vv1.0.0` is no version, though it sorts before `v1.0.0`, and PEP 440 takes it for one."""
    elsewhere(origin, lambda: other_record(origin), "vv1.0.0")
    assert params_of(fetched(origin, tmp_path / "home")) == HONEST


def test_a_commit_is_what_was_asked_for(origin: Repository, tmp_path: Path) -> None:
    """Whoever names a commit gets it, but not under the name of a release that it is not."""
    recut(origin)
    commit = git.object_at(origin.path, "v1.0.0^{commit}") or ""
    release = fetched(origin, tmp_path / "home", commit)
    assert (release.version, release.tag, release.is_attested) == ("", "", False)
    assert "is not taken for release 1.0.0" in release.warnings[0]
    assert "waypost.release" not in release.tags


def test_a_release_of_another_branch(origin: Repository, tmp_path: Path) -> None:
    """A release that was cut on a branch for mending runs; it is not said to be verified."""
    origin.git("checkout", "-q", "-b", "1.0.x", "v1.0.0")
    write_record(origin, "1.0.1")
    origin.release("1.0.1")
    origin.git("checkout", "-q", "main")
    release = fetched(origin, tmp_path / "home", "==1.0.1")
    assert (release.version, release.is_attested) == ("1.0.1", False)
    assert fetched(origin, tmp_path / "home").is_attested


def rewritten(origin: Repository, name: str, change: Callable[[], None]) -> None:
    """Rewrites the default branch, as a force-push does, so that it never had a file in releases/."""
    (origin.path / "releases" / name).unlink()
    change()
    origin.git("add", "--all")
    tree = origin.git("write-tree")
    origin.git("reset", "-q", "--hard", origin.git("commit-tree", tree, "-m", "one commit"))


def test_a_yank_that_was_pushed_away(origin: Repository, tmp_path: Path) -> None:
    """A machine that heard of a yank does not forget it; the reason is told, and that it is gone."""
    home = tmp_path / "home"
    assert fetched(origin, home, "~=1.0").version == "1.0.0"
    rewritten(origin, "1.1.0.yanked.json", lambda: None)
    assert fetched(origin, home, "~=1.0").version == "1.0.0"
    [warning] = fetched(origin, home, "==1.1.0").warnings
    assert warning.startswith("release 1.1.0 was yanked: leaks; the default branch had this record")
    assert fetched(origin, tmp_path / "fresh", "~=1.0").version == "1.1.0"


def test_a_record_that_was_pushed_away(origin: Repository, tmp_path: Path) -> None:
    """A machine that saw another record of a version than the default branch has now runs nothing."""
    home = tmp_path / "home"
    fetched(origin, home, "==1.1.0")
    rewritten(origin, "1.0.0.json", lambda: other_record(origin))
    with pytest.raises(FindingsError, match=r"had this record; it was changed since"):
        fetched(origin, home)
    (origin.path / "releases" / "1.0.0.json").unlink()
    origin.commit("gone")
    with pytest.raises(FindingsError, match=r"had this record; it was removed since"):
        fetched(origin, home)


def test_a_tag_that_was_pushed_away(origin: Repository, tmp_path: Path) -> None:
    """A tag that this machine saw is missed: where an older release would run, and where none is left."""
    home = tmp_path / "home"
    fetched(origin, home, "==1.1.0")
    commit = origin.git("rev-parse", "v1.1.0^{commit}")
    origin.git("tag", "-d", "v1.1.0")
    release = fetched(origin, home, "~=1.0")
    assert release.version == "1.0.0"
    assert f"the tag v1.1.0, which this machine saw at commit {commit[:12]}, is gone" in release.warnings[0]
    with pytest.raises(UsageError) as error:
        fetched(origin, home, "==1.1.0")
    assert error.value.hint.endswith(f"to run that: @{commit}")
