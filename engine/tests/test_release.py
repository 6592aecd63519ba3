"""Releases on real repositories: cut, refused, undone; run from the tag, reproduced, tampered with."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest
from packaging.version import Version

from tests.conftest import BIN, ROOT, Call, variables
from tests.forks import Forks
from tests.repositories import (
    Repository,
    add_parameter,
    edit_contract,
    edit_pipeline,
    git_daemon,
    make_library,
    make_pipeline,
    parameters_of,
    state_of,
)
from waypost.contracts.target import parse_target
from waypost.errors import UsageError
from waypost.interfaces.compare import compare
from waypost.interfaces.record import RunRecord
from waypost.release import cut, records
from waypost.release.kinds import read_product
from waypost.sources import git

pytestmark = pytest.mark.journey
WAYPOST = ("python", "-m", "waypost")
SETTINGS = "[bumpversion]\ncurrent_version = 0.1.0\ncommit = False\ntag = False\n"
LOG = "# Changelog\n\n## [Unreleased]\n### Added\n- Everything.\n"


def releasable(repository: Repository, tag: str = "v1.0.0") -> Repository:
    """Makes a repository ready for its first release."""
    if tag in repository.git("tag").split():
        repository.git("tag", "-d", tag)
    (repository.path / "setup.cfg").write_text(SETTINGS)
    (repository.path / "CHANGELOG.md").write_text(LOG)
    repository.git("config", "user.name", "t")
    repository.git("config", "user.email", "t@example.org")
    repository.commit("ready")
    return repository


def published(repository: Repository) -> Path:
    """Gives a repository an origin, a bare one beside it."""
    bare = repository.path.with_suffix(".git")
    subprocess.run(["git", "clone", "-q", "--bare", repository.path, bare], check=True)
    subprocess.run(["git", "-C", bare, "config", "uploadpack.allowFilter", "true"], check=True)
    repository.git("remote", "add", "origin", str(bare))
    return bare


def note(repository: Repository, text: str = "- More.") -> None:
    file = repository.path / "CHANGELOG.md"
    file.write_text(file.read_text().replace("## [Unreleased]\n", f"## [Unreleased]\n{text}\n"))
    repository.commit("change")


@pytest.fixture
def library(workplace: Path) -> Repository:
    return releasable(make_library(workplace.parent / "served" / "components"))


def test_first_release(library: Repository, call: Call) -> None:
    """Numbers, changelog, record, one commit, one annotated tag; the record lists what is in the tag. Asked
    again, `release` says that this commit is released, and how it is published.
    """
    result = call(*WAYPOST, "release", "-C", library.path)
    assert result.returncode == 0, result.stderr
    assert library.git("cat-file", "-t", "v1.0.0") == "tag"
    assert library.git("rev-parse", "v1.0.0^{commit}") == library.git("rev-parse", "HEAD")
    assert "current_version = 1.0.0" in (library.path / "setup.cfg").read_text()
    text = (library.path / "CHANGELOG.md").read_text()
    assert text.startswith("# Changelog\n\n## [Unreleased]\n\n## [1.0.0] - 20")
    record = json.loads((library.path / "releases" / "1.0.0.json").read_text())
    lines = library.git("ls-tree", "v1.0.0").splitlines()
    listed = {line.split("\t")[1]: line.split()[2] for line in lines}
    assert record["trees"] == {name: oid for name, oid in listed.items() if name != "releases"}
    assert record["components"]["load"]["tree"] == listed["load"]
    assert record["notes"] == "### Added\n- Everything."
    assert library.git("status", "--porcelain") == ""
    again = call(*WAYPOST, "release", "--push", "-C", library.path)
    assert again.returncode == 1
    publish = "git push --atomic origin main v1.0.0"
    assert f"this commit is the release 1.0.0; to publish it: {publish}" in again.stderr


@pytest.mark.parametrize("place", ["repository", "user"])
def test_records_are_committed_though_git_ignores_them(
    library: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A `.gitignore` with `*.json`, or the user's own file of such names, leaves no release without one."""
    if place == "repository":
        (library.path / ".gitignore").write_text("*.json\n")
    else:
        (tmp_path / "ignore").write_text("releases/\n")
        (tmp_path / "gitconfig").write_text(f"[core]\nexcludesFile = {tmp_path}/ignore\n")
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    library.commit("ignored")
    product = read_product(library.path)
    cut.cut(product, cut.next_version(product, "auto"), "main", print, push=False, offline=True)
    records.yank(read_product(library.path), "1.0.0", "slow")
    found = library.git("ls-tree", "-r", "--name-only", "HEAD", "releases/").split()
    assert found == ["releases/1.0.0.json", "releases/1.0.0.yanked.json"]
    assert library.git("ls-tree", "-r", "--name-only", "v1.0.0", "releases/") == found[0]


def change_interface(library: Repository, change: str) -> None:
    """Changes what users of a library see of it, or its code alone."""
    if change == "code":
        (library.path / "load" / "run.py").write_text("print('x')\n")
    elif change == "removed":
        shutil.rmtree(library.path / "load")
    elif change == "default":
        edit_contract(library.path, "load", lambda c: parameters_of(c)["text"].update(default="bye"))
    else:
        given = {} if change == "required" else {"default": 1}
        add_parameter(library.path, "load", change, type="int", **given)
    note(library)


def test_versions_are_proved(library: Repository, call: Call) -> None:
    """`auto` takes the least bump that the interface change demands; less is refused, with what broke."""
    assert call(*WAYPOST, "release", "-C", library.path).returncode == 0
    for change, version, refused, least in (
        ("code", "1.0.1", "", ""),
        ("parameter", "1.1.0", "patch", "minor"),
        ("default", "1.2.0", "patch", "minor"),
        ("required", "2.0.0", "minor", "major"),
        ("removed", "3.0.0", "minor", "major"),
    ):
        change_interface(library, change)
        if refused:
            before = state_of(library)
            result = call(*WAYPOST, "release", refused, "-C", library.path)
            assert result.returncode == 1
            assert f"this demands a {least} release" in result.stderr
            assert state_of(library) == before
            check = call(*WAYPOST, "semver-check", "-C", library.path, "--bump", refused)
            assert check.returncode == 1
        shown = call(*WAYPOST, "semver-check", "-C", library.path, "--json")
        assert json.loads(shown.stdout)["least"] == version
        result = call(*WAYPOST, "release", "--json", "-C", library.path)
        assert json.loads(result.stdout)["version"] == version
        assert library.git("describe", "--tags") == f"v{version}"


def test_all_obstacles_at_once(library: Repository, call: Call, workplace: Path) -> None:
    """Everything in the way is told in one go, and nothing is touched."""
    published(library)
    other = Repository(workplace / "colleague")
    subprocess.run(["git", "clone", "-q", library.path.with_suffix(".git"), other.path], check=True)
    other.commit("ahead")
    other.git("tag", "v1.0.0")
    other.git("push", "-q", "origin", "main", "v1.0.0")
    (library.path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n### Added\n")
    before = state_of(library)
    result = call(*WAYPOST, "release", "-C", library.path)
    assert result.returncode == 1
    for words in (
        "not committed: CHANGELOG.md",
        "main is behind its origin",
        "there is nothing under [Unreleased]",
        "the tag already exists, on origin",
        "4 problems found, nothing was released",
    ):
        assert words in result.stderr
    library.git("switch", "--quiet", "-c", "topic")
    assert (
        "topic is checked out, releases come from main"
        in call(*WAYPOST, "release", "-C", library.path).stderr
    )
    library.git("switch", "--quiet", "main")
    library.git("branch", "-D", "topic")
    assert state_of(library) == before


@contextlib.contextmanager
def in_the_way(library: Repository, bare: Path, point: str) -> Iterator[None]:
    """Makes a release fail at one of its points, for as long as the context lasts."""
    file = library.path / "setup.cfg" if point == "numbers" else library.path / ".git" / "index.lock"
    if point in ("hook", "push"):
        name = "pre-receive" if point == "push" else "pre-commit"
        file = (bare if point == "push" else library.path / ".git") / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
        file.chmod(0o755)
    elif point.endswith("signature"):
        library.git("config", "tag.gpgSign" if point.startswith("tag") else "commit.gpgSign", "true")
        library.git("config", "gpg.program", "/bin/false")
    elif point == "numbers":
        file.write_text(SETTINGS + "\n[bumpversion:file:gone.txt]\n")
        library.commit()
        library.git("push", "-q", "origin", "main")
    elif point == "tag name":
        library.git("tag", "v1.0.0/in-the-way")
    else:
        file.touch()
    yield
    if point == "numbers":
        file.write_text(SETTINGS)
        library.commit()
        library.git("push", "-q", "origin", "main")
    elif point == "tag name":
        library.git("tag", "-d", "v1.0.0/in-the-way")
    elif point.endswith("signature"):
        library.git("config", "--unset", "tag.gpgSign" if point.startswith("tag") else "commit.gpgSign")
    else:
        file.unlink()


def test_failure_at_each_point(library: Repository, call: Call) -> None:
    """Wherever a release fails, the repository is as it was, byte by byte; once nothing is in the way, the
    next try succeeds.
    """
    bare = published(library)
    points = ("numbers", "hook", "signature", "tag signature", "push", "tag name", "branch")
    for point in points:
        with in_the_way(library, bare, point):
            before = state_of(library)
            remote = Repository(bare).git("for-each-ref")
            push = ["--push"] if point == "push" else []
            result = call(*WAYPOST, "release", "-C", library.path, *push)
            assert result.returncode != 0, point
            assert "Traceback" not in result.stderr
            assert state_of(library) == before, point
            assert Repository(bare).git("for-each-ref") == remote, point
    again = call(*WAYPOST, "release", "-C", library.path, "--push")
    assert again.returncode == 0, again.stderr
    assert (
        Repository(bare).git("rev-parse", "v1.0.0^{commit}", "main").split()
        == [library.git("rev-parse", "HEAD")] * 2
    )


def test_signed_release(library: Repository, call: Call, workplace: Path) -> None:
    """Commit and tag are signed where the user's git signs, here with an SSH key."""
    key = workplace / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingkey", f"{key}.pub"),
        ("commit.gpgsign", "true"),
        ("tag.gpgsign", "true"),
    ):
        library.git("config", name, value)
    assert call(*WAYPOST, "release", "-C", library.path).returncode == 0
    for thing in ("v1.0.0", "HEAD"):
        assert "BEGIN SSH SIGNATURE" in library.git("cat-file", "-p", thing)


def test_records_are_add_only(library: Repository, call: Call) -> None:
    """A changed or removed record is found, by its history and by its tag."""
    assert call(*WAYPOST, "release", "-C", library.path).returncode == 0
    assert call(*WAYPOST, "release", "check-records", "-C", library.path).returncode == 0
    yanked = call(*WAYPOST, "release", "yank", "1.0.0", "--reason", "slow", "-C", library.path)
    assert yanked.returncode == 0
    library.commit("yank")
    assert call(*WAYPOST, "release", "check-records", "-C", library.path).returncode == 0
    file = library.path / "releases" / "1.0.0.json"
    text = file.read_text()
    file.write_text(text.replace("Everything", "Something"))
    library.commit("tamper")
    result = call(*WAYPOST, "release", "check-records", "-C", library.path)
    assert result.returncode == 4
    assert "this record was changed after it was written" in result.stdout
    assert "it is not what the tag v1.0.0 holds" in result.stdout


def test_a_yank_is_committed_and_pushed(library: Repository, call: Call) -> None:
    """Alone, whatever else is staged; with --push only where nothing else would go along, else not at all."""
    assert call(*WAYPOST, "release", "-C", library.path).returncode == 0
    bare = published(library)
    (library.path / "more").write_text("staged\n")
    library.git("add", "more")
    yank = (*WAYPOST, "release", "yank", "1.0.0", "--reason", "slow", "-C", library.path)
    pushed = call(*yank, "--push")
    assert pushed.returncode == 0, pushed.stderr
    assert library.git("show", "--name-only", "--format=%s", "HEAD").split("\n\n") == [
        "Yank 1.0.0",
        "releases/1.0.0.yanked.json",
    ]
    assert library.git("status", "--porcelain") == "A  more"
    assert Repository(bare).git("rev-parse", "main") == library.git("rev-parse", "HEAD")
    library.git("reset", "-q", "--hard", "HEAD^")
    refused = call(*yank, "--push")
    assert refused.returncode == 2
    assert "main is not what origin has" in refused.stderr
    assert library.git("status", "--porcelain") == ""


def test_records_of_this_repository() -> None:
    """No record here was ever changed: those of the pipeline and those of the component library."""
    from waypost.release.kinds import read_product
    from waypost.release.records import tampered

    if git.is_shallow(ROOT):
        pytest.skip("this clone has no history")
    assert tampered(read_product(ROOT)) == []
    assert tampered(read_product(ROOT / "components-repo")) == []


@pytest.fixture
def server(library: Repository) -> Iterator[str]:
    with git_daemon(library.path.parent) as url:
        yield url


def test_journey(library: Repository, server: str, workplace: Path, call: Call) -> None:
    """Release a library, pin it, release the pipeline, run it from the tag in an empty folder by Waypost and
    by stock MLflow, record, reproduce; break an interface, release 2.0.0: the old release still reproduces.
    """
    home = {"WAYPOST_HOME": str(workplace.parent / "cache" / "other")}
    published(library)
    assert call(*WAYPOST, "release", "--push", "-C", library.path).returncode == 0
    pipeline = releasable(make_pipeline(workplace.parent / "served" / "grades", "../components.git"))
    (pipeline.path / "MLproject").write_text(
        json.dumps(
            {"name": "pinned", "entry_points": {"main": {"command": "python -m waypost run . --env local"}}}
        )
    )
    bare = published(pipeline)
    pipeline.git("remote", "set-url", "origin", f"{server}/grades.git")
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    pipeline.commit("lock")
    released = call(*WAYPOST, "release", "--push", "-C", pipeline.path)
    assert released.returncode == 0, released.stderr
    record = json.loads((pipeline.path / "releases" / "1.0.0.json").read_text())
    assert record["pins"]["core/load"]["version"] == "1.0.0"

    run = call(*WAYPOST, "run", f"{server}/grades.git@1.0.0", "--env", "local", "--json", env=home)
    assert run.returncode == 0, run.stderr
    assert "verified against its record" in run.stderr
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    tags = client.get_run(json.loads(run.stdout)["run_id"]).data.tags
    assert tags["waypost.release"] == "1.0.0"
    assert tags["waypost.commit"] == pipeline.git("rev-parse", "v1.0.0^{commit}")
    assert (
        call(*WAYPOST, "run", f"{server}/grades.git@~=1.0", "--dry-run", "--offline", env=home).returncode
        == 0
    )
    stock = call("mlflow", "run", f"{server}/grades.git", "-v", "v1.0.0", "--env-manager", "local", env=home)
    assert stock.returncode == 0, stock.stdout + stock.stderr

    recorded = call(*WAYPOST, "release", "record", "1.0.0", "-C", pipeline.path)
    assert recorded.returncode == 0, recorded.stderr
    pipeline.commit("record")
    pipeline.git("push", "-q", str(bare), "main")
    reproduce = (*WAYPOST, "reproduce", f"{server}/grades.git@1.0.0", "--env", "local")
    same = call(*reproduce)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "✓ reproduced" in same.stdout

    add_parameter(library.path, "load", "needed", type="int")
    note(library)
    assert call(*WAYPOST, "release", "minor", "-C", library.path).returncode == 1
    assert call(*WAYPOST, "release", "--push", "-C", library.path).returncode == 0
    assert library.git("describe", "--tags") == "v2.0.0"
    assert call(*reproduce).returncode == 0


def test_tampering_with_releases(library: Repository, server: str, workplace: Path, call: Call) -> None:
    """A moved release tag, a record that does not fit, a record of another run: each has its own word."""
    assert call(*WAYPOST, "release", "-C", library.path).returncode == 0
    pipeline = releasable(make_pipeline(workplace.parent / "served" / "grades", f"{server}/components"))
    (pipeline.path / "data.csv").write_text("a\n1\n")
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    pipeline.commit("lock")
    assert call(*WAYPOST, "release", "-C", pipeline.path).returncode == 0
    run = (*WAYPOST, "run", f"{server}/grades@1.0.0", "--dry-run")
    assert call(*run).returncode == 0
    first = pipeline.git("rev-parse", "v1.0.0^{commit}")
    (pipeline.path / "data.csv").write_text("a\n2\n")
    pipeline.release("1.0.0", force=True)
    moved = call(*run)
    assert moved.returncode == 4
    assert "tag-moved" in moved.stderr
    assert f"this machine knows it as commit {first[:12]}" in moved.stderr
    assert call(*WAYPOST, "run", f"{server}/grades@{first}", "--dry-run").returncode == 0
    fresh = call(*run, env={"WAYPOST_HOME": str(workplace.parent / "cache" / "fresh")})
    assert fresh.returncode == 4
    assert "record-differs" in fresh.stderr
    assert "data.csv is not what the record lists" in fresh.stderr


def test_two_pipelines_are_no_release(library: Repository, workplace: Path, call: Call) -> None:
    """Of two pipelines none is taken by its name: both are named; one that git ignores does not count."""
    assert call(*WAYPOST, "release", "-C", library.path).returncode == 0
    pipeline = releasable(make_pipeline(workplace / "grades", str(library.path)))
    (pipeline.path / "other").mkdir()
    shutil.copy(pipeline.path / "pipeline.yaml", pipeline.path / "other")
    (pipeline.path / ".gitignore").write_text("other/\n")
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    pipeline.commit("one, and a copy")
    result = call(*WAYPOST, "release", "--dry-run", "-C", pipeline.path)
    assert result.returncode == 0, result.stderr
    (pipeline.path / ".gitignore").write_text("")
    pipeline.commit("two")
    for command in (["release", "--dry-run"], ["semver-check"]):
        result = call(*WAYPOST, *command, "-C", pipeline.path)
        assert result.returncode == 2
        assert "several pipelines: other/pipeline.yaml, pipeline.yaml" in result.stderr


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a parameter that the command does not use": (
        lambda lib: edit_contract(lib, "load", lambda c: parameters_of(c).update(depth={"default": "1"})),
        "the command does not use the parameter 'depth'",
    ),
    "no requirements.txt": (
        lambda lib: (lib / "load" / "requirements.txt").unlink(),
        "requirements.txt is not a file in load",
    ),
    "packages in any version": (
        lambda lib: (lib / "load" / "requirements.txt").write_text("pandas>=2\n"),
        "pandas without one version; generate it: uv pip compile --generate-hashes",
    ),
    "no run.py": (lambda lib: (lib / "load" / "run.py").unlink(), "it runs run.py, which does not exist"),
    "no shared folder": (lambda lib: shutil.rmtree(lib / "kit"), "the library has no folder 'kit'"),
    "another name": (
        lambda lib: edit_contract(lib, "load", lambda c: c.update(name="loader")),
        "its name is 'loader', its folder's 'load'",
    ),
    "a default below its minimum": (
        lambda lib: edit_contract(
            lib, "load", lambda c: parameters_of(c)["text"].update(type="int", default=0, minimum=1)
        ),
        "0 is less than the minimum, 1",
    ),
}


def test_a_library_that_nobody_can_use_is_not_released(library: Repository, call: Call) -> None:
    """What keeps a component from being locked or run, and what misleads its users, is told by `check` and
    before a release, by --dry-run like by the release itself, each with its place and what mends it.
    """
    edit_contract(library.path, "load", lambda c: c.update(python_env="env.yaml"))
    (library.path / "load" / "env.yaml").write_text("dependencies: [-r requirements.txt]\n")
    (library.path / "load" / "requirements.txt").write_text("# none\n")
    good = library.commit("with an environment")
    assert not refused(library.path)
    for name, (break_it, words) in BROKEN.items():
        break_it(library.path)
        assert any(words in each for each in refused(library.path)), (name, refused(library.path))
        library.git("reset", "-q", "--hard", good)
        library.git("clean", "-qfd")
    for name in ("no requirements.txt", "no run.py", "no shared folder", "another name"):
        BROKEN[name][0](library.path)
    library.commit("broken")
    before = state_of(library)
    asked = (("release",), ("release", "--dry-run"), ("check", library.path))
    told = [call(*WAYPOST, *each, *(["-C", library.path] if each[0] == "release" else [])) for each in asked]
    assert [result.returncode for result in told] == [1, 1, 1]
    assert told[0].stderr == told[1].stderr
    for words in (
        "✗ load/MLproject: shared shared the library has no folder 'kit'",
        "✗ load/env.yaml environment requirements.txt is not a file in load",
        "✗ load/MLproject: entry_points.main.command command it runs run.py, which does not exist",
        "✗ load/MLproject name its name is 'loader', its folder's 'load'",
    ):
        assert words in " ".join(told[0].stderr.split())
        assert words in " ".join(told[2].stdout.split())
    assert state_of(library) == before


def refused(library: Path) -> list[str]:
    """Returns what a library is not released with."""
    return [str(finding) for finding in read_product(library).findings(Version("1.0.0"))]


def test_what_its_owner_lives_with_is_released(library: Repository, call: Call) -> None:
    """A finding that is ignored for a reason stands in the way of no release; advice is told, and is none."""
    edit_contract(library.path, "load", lambda c: parameters_of(c).update(depth={"default": "1"}))
    library.commit("unused")
    assert call(*WAYPOST, "release", "--dry-run", "-C", library.path).returncode == 1
    with (library.path / "setup.cfg").open("a") as file:
        file.write("\n[waypost:ignore]\nunused-parameter@load = read from the MLproject\n")
    library.commit("reason")
    released = call(*WAYPOST, "release", "-C", library.path)
    assert released.returncode == 0, released.stderr
    assert "that a release allows (described, files, " in " ".join(
        released.stderr.split() + released.stdout.split()
    )
    assert "unused-parameter@load" in (library.path / "setup.cfg").read_text()


def test_release_of_a_pipeline_needs_its_lock(
    library: Repository, server: str, workplace: Path, call: Call
) -> None:
    """A stale lock, one that git ignores, a moved tag of a component, a folder outside: a pipeline is not
    released with these.
    """
    assert call(*WAYPOST, "release", "-C", library.path).returncode == 0
    pipeline = releasable(make_pipeline(workplace / "grades", f"{server}/components"))
    shutil.copytree(library.path / "load", workplace / "outside" / "load")
    edit_pipeline(pipeline.path, lambda p: p["components"].update(mine={"path": "../outside"}))
    edit_pipeline(pipeline.path, lambda p: p["steps"].update(more={"uses": "mine/load"}))
    pipeline.commit("no lock")
    refused = call(*WAYPOST, "release", "-C", pipeline.path)
    assert refused.returncode == 1
    assert "there is no lock" in refused.stderr
    assert "is outside of this repository" in refused.stderr
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    (pipeline.path / ".gitignore").write_text("*.json\n")
    pipeline.commit("lock")
    library.release("1.0.0", force=True)
    refused = call(*WAYPOST, "release", "-C", pipeline.path)
    assert "tag-moved" in refused.stderr
    assert "git ignores it: the release would not have it" in refused.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/o/r@1.2.3", ("https://h/o/r", "", "1.2.3")),
        ("https://me:x@h/o/r.git#sub/dir@~=1.2", ("https://me:x@h/o/r.git", "sub/dir", "~=1.2")),
        ("git@h:o/r.git@latest", ("git@h:o/r.git", "", "*")),
        ("github:o/r@1.0.0", ("https://github.com/o/r", "", "1.0.0")),
        ("../r.git@1.0.0", ("/a/r.git", "", "1.0.0")),
    ],
)
def test_targets(text: str, expected: tuple[str, str, str]) -> None:
    """URL[#folder]@VERSION in all its forms."""
    target = parse_target(text, "/a/b")
    assert target
    assert (target.url, target.folder, target.version) == expected
    assert "me:x" not in str(target)


def test_targets_that_are_none() -> None:
    """A folder is no target; a URL without a version is asked for one."""
    assert parse_target("pipeline", "/") is None
    with pytest.raises(UsageError, match="which version"):
        parse_target("https://me@h/o/r", "/")


def test_comparison_tells_each_difference() -> None:
    """Another digest, metric or signature is different; a model's bytes cannot be compared."""
    one = RunRecord(
        version="1",
        commit="c",
        date="d",
        run_id="r",
        platform="p",
        made_with={},
        outputs={"a": {"x": "1", "model": "2"}},
        metrics={"a": {"m": 0.5}},
        models=("a.model",),
        signature={"inputs": [{"name": "n", "type": "long"}]},
    )
    assert {c.state for c in compare(one, one)} == {"equal"}
    other = one.model_copy(
        update={"outputs": {"a": {"x": "9", "model": "9"}}, "metrics": {}, "signature": {}}
    )
    assert {c.what: c.state for c in compare(one, other)} == {
        "a.x": "different",
        "a.model": "cannot compare",
        "a/m": "different",
        "model signature": "different",
    }


@pytest.fixture(scope="module")
def once_bundled(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a released pipeline: a component with an environment, data of the release's own."""
    folder = tmp_path_factory.mktemp("bundled")
    env = variables(folder)

    def done(*arguments: str | Path) -> None:
        result = forks.run([*WAYPOST, *map(str, arguments)], folder, env)
        assert result.returncode == 0, result.stderr

    library = releasable(make_library(folder / "served" / "components"))
    requirements = (ROOT / "engine" / "requirements" / "dev.txt").read_text()
    [pinned] = re.findall(r"^iniconfig==.*\n(?: .*\n)+", requirements, re.MULTILINE)
    (library.path / "load" / "requirements.txt").write_text(pinned)
    (library.path / "load" / "python_env.yaml").write_text('dependencies: ["-r requirements.txt"]\n')
    (library.path / "load" / "run.py").write_text("import iniconfig, sys\nprint(open(sys.argv[2]).read())\n")

    def change(contract: dict[str, object]) -> None:
        contract["python_env"] = "python_env.yaml"
        parameters_of(contract)["text"] = {"type": "path"}

    edit_contract(library.path, "load", change)
    library.commit()
    done("release", "-C", library.path)
    with git_daemon(library.path.parent) as server:
        pipeline = releasable(make_pipeline(folder / "served" / "grades", f"{server}/components"))
        (pipeline.path / "data.csv").write_text("a\n1\n")
        edit_pipeline(pipeline.path, lambda p: p["steps"]["load"].update({"with": {"text": "data.csv"}}))
        done("lock", pipeline.path)
        pipeline.commit("lock")
        done("release", "-C", pipeline.path)
        done("bundle", f"{server}/grades@1.0.0", "-o", "grades.tar")
        done("bundle", f"{server}/grades@1.0.0", "-o", "again.tar")
        done("bundle", f"{server}/grades@1.0.0", "--engine", "-o", "engine.tar")
    assert (folder / "grades.tar").read_bytes() == (folder / "again.tar").read_bytes()
    return folder / "grades.tar"


@pytest.fixture
def bundled(once_bundled: Path, workplace: Path) -> Path:
    """A copy of it in the workplace."""
    return Path(shutil.copy(once_bundled, workplace))


@pytest.mark.xdist_group("bundle")
def test_bundle_runs_without_network(bundled: Path, workplace: Path, call: Call) -> None:
    """In a network namespace without any route, on an empty cache: the bundle runs, with its wheels."""
    assert call(*WAYPOST, "verify-bundle", bundled).returncode == 0
    home = {"WAYPOST_HOME": str(workplace.parent / "cache" / "alone"), "UV_CACHE_DIR": str(workplace / "uv")}
    result = call("unshare", "--net", "--map-root-user", *WAYPOST, "run", bundled, "--json", env=home)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    assert client.get_run(document["run_id"]).data.tags["waypost.release"] == "1.0.0"
    log = client.download_artifacts(document["steps"][0]["run_id"], "logs/load.log")
    assert Path(log).read_text() == "a\n1\n\n"


@pytest.mark.long
@pytest.mark.xdist_group("bundle")
def test_a_bare_machine_starts_with_a_bundle(once_bundled: Path, workplace: Path, call: Call) -> None:
    """Python, uv and a bundle made with --engine: without network, the engine is installed from it, every
    wheel by its hash, and runs it.
    """
    bundled = once_bundled.with_name("engine.tar")
    alone = ("unshare", "--net", "--map-root-user")
    subprocess.run(["tar", "-xf", bundled, "wheels"], cwd=workplace, check=True)
    python = workplace / ".venv" / "bin" / "python"
    uv = {"UV_CACHE_DIR": str(workplace / "uv"), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    made = call(*alone, "uv", "venv", "--python", sys.executable, env=uv)
    assert made.returncode == 0, made.stderr
    options = ("--no-index", "--find-links", "wheels", "--require-hashes", "-r", "wheels/waypost.txt")
    made = call(*alone, "uv", "pip", "install", "--python", python, *options, env=uv)
    assert made.returncode == 0, made.stderr
    (workplace / "mlflow.db").unlink()
    home = {"WAYPOST_HOME": str(workplace.parent / "cache" / "bare"), **uv}
    done = call(*alone, python.with_name("waypost"), "run", bundled, env=home)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.xdist_group("bundle")
@pytest.mark.parametrize("change", ["wheel removed", "wheel changed", "more", "cut off"])
def test_bundle_that_is_not_whole(bundled: Path, workplace: Path, call: Call, change: str) -> None:
    """With one wheel removed or changed, a file more, or cut off: refused at the start."""
    folder = workplace / "inside"
    subprocess.run(["mkdir", folder], check=True)
    subprocess.run(["tar", "-xf", bundled, "-C", folder], check=True)
    wheel = min((folder / "wheels").glob("*.whl"))
    if change == "wheel removed":
        wheel.unlink()
    elif change == "wheel changed":
        wheel.write_bytes(wheel.read_bytes() + b"x")
    elif change == "more":
        (folder / "trees" / "stray").write_text("x")
    subprocess.run(["tar", "-cf", bundled, "-C", folder, "."], check=True)
    if change == "cut off":
        bundled.write_bytes(bundled.read_bytes()[:2000])
    for command in ("run", "verify-bundle"):
        result = call(*WAYPOST, command, bundled)
        assert result.returncode == (2 if change == "cut off" else 4)
        words = {
            "wheel removed": f"wheels/{wheel.name} is missing",
            "wheel changed": f"wheels/{wheel.name} is not what the list says",
            "more": "trees/stray is not listed",
            "cut off": "not a bundle, or cut off",
        }
        assert words[change] in result.stderr
