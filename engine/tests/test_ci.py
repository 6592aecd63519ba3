"""`waypost ci` against a GitHub of our own: releases that are killed and gone on with, pull requests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Call
from tests.github import Github, github
from tests.repositories import Repository, add_parameter, make_library, make_pipeline, make_repository
from tests.test_release import note, releasable
from waypost.system.scratch import remove

pytestmark = pytest.mark.journey
LIBRARY, PIPELINE = "team/components", "team/grades"
CI = ("python", "-m", "waypost", "ci")


@pytest.fixture
def hub(workplace: Path) -> Iterator[Github]:
    """A service with a library that is ready for its first release, as its own repository."""
    with github(workplace.parent / "hub") as found:
        found.create(LIBRARY, releasable(make_library(workplace.parent / "own" / "components")))
        yield found


class Runner:
    """Jobs on machines that are new each time: a fresh clone, variables of the service."""

    def __init__(self, hub: Github, call: Call, place: Path) -> None:
        self.hub, self.call, self.place, self.count = hub, call, place, 0
        self.said = ""

    def fresh(self, slug: str) -> Repository:
        self.count += 1
        return self.hub.clone(slug, self.place / f"clone-{self.count}")

    def job(self, slug: str, *arguments: str, **variables: str) -> int:
        """Runs a verb of `waypost ci` in a fresh clone; returns its exit code."""
        clone = self.fresh(slug)
        result = self.call(*CI, *arguments, cwd=clone.path, env={**self.hub.variables, **variables})
        self.said = result.stdout + result.stderr
        return result.returncode


@pytest.fixture
def runner(hub: Github, call: Call, workplace: Path) -> Iterator[Runner]:
    yield Runner(hub, call, workplace)
    for left in (workplace.parent / "temp").glob(
        "waypost-*"
    ):  # of what was killed; the next run would sweep it
        remove(left)


@pytest.fixture
def pipeline(runner: Runner, workplace: Path) -> str:
    """A pipeline that pins the library, which is released by CI, and is ready for its own first release."""
    assert runner.job(LIBRARY, "release") == 0, runner.said
    own = releasable(make_pipeline(workplace.parent / "own" / "grades", "../components.git"))
    runner.hub.create(PIPELINE, own)
    clone = runner.fresh(PIPELINE)
    locked = runner.call("python", "-m", "waypost", "lock", cwd=clone.path, env=runner.hub.variables)
    assert locked.returncode == 0, locked.stderr
    # Records are committed though git ignores such names.
    (clone.path / ".gitignore").write_text("*.run.json\n")
    clone.commit("lock")
    clone.git("push", "-q", "origin", "main")
    return PIPELINE


KILLED = (
    "bundle create --quiet",  # the candidate was run and recorded, and nobody has seen it
    "push --quiet --atomic waypost",  # the commits arrived on main
    "half gh release create",  # the draft has its first asset
    "gh release create",  # the draft has all
    "waypost refs/tags/",  # the tag is there
    "gh release edit",  # everybody sees it
)


def change(runner: Runner, slug: str) -> None:
    clone = runner.fresh(slug)
    note(clone, "- More.")
    clone.git("push", "-q", "origin", "main")


def whole(hub: Github, slug: str, version: str) -> None:
    """One tag, one release with all assets, records of the very commit."""
    main = Repository(hub.bare(slug))
    commit = main.git("rev-parse", f"v{version}^{{commit}}")
    release = hub.state(slug)["releases"][f"v{version}"]
    assert not release["draft"]
    assert {
        f"record-{version}.json",
        f"record-{version}.run.json",
        f"bundle-{version}.tar",
        "SHA256SUMS",
    } < set(release["assets"])
    run = json.loads(main.git("show", f"main:releases/{version}.run.json"))
    assert run["commit"] == commit
    assert not main.git("ls-tree", "--name-only", "main", f"releases/{version}.run.2.json")
    assert main.git("merge-base", "--is-ancestor", commit, "main") == ""


def test_a_release_that_is_killed_is_gone_on_with(runner: Runner, pipeline: str) -> None:
    """Killed with -9 after each step, started again on another machine: one tag, one release, complete
    assets, the right record; no version number is lost.
    """
    for number, words in enumerate(KILLED):
        if number:
            change(runner, pipeline)
        runner.hub.kill_after(words)
        assert runner.job(pipeline, "release", "--env", "local") != 0
        assert runner.hub.killed, words
        assert (
            runner.job(pipeline, "release", "--env", "local") == 0
            or "nothing under [Unreleased]" in runner.said
        )
        whole(runner.hub, pipeline, f"1.0.{number}")
    main = Repository(runner.hub.bare(pipeline))
    versions = [f"v1.0.{number}" for number in range(len(KILLED))]
    assert main.git("tag").split() == versions == sorted(runner.hub.state(pipeline)["releases"])
    assert runner.job(pipeline, "release", "--recorded") == 0
    assert "nothing to do" in runner.said
    assert (
        runner.call("python", "-m", "waypost", "release", "tags", cwd=runner.fresh(pipeline).path).returncode
        == 0
    )


@pytest.mark.long
def test_a_guests_release_that_is_killed_is_gone_on_with(runner: Runner, workplace: Path) -> None:
    """The same for a library in a folder of another repository: everything arrives in its own one, and the
    repository around it gets no tag and no release.
    """
    hub, own = runner.hub, "team/parts"
    source = releasable(make_library(workplace.parent / "own" / "all"))
    (source.path / "parts").mkdir()
    for name in ("load", "clean", "kit", "setup.cfg", "CHANGELOG.md"):
        (source.path / name).rename(source.path / "parts" / name)
    source.commit("a guest")
    hub.create("team/all", source)
    url = hub.create(own, make_repository(workplace.parent / "own" / "empty"))
    for number, words in enumerate((*KILLED[:2], "refs/tags/v1.0", *KILLED[2:4], KILLED[5])):
        clone = runner.fresh("team/all")
        note(Repository(clone.path / "parts"), f"- Number {number}.")
        clone.git("push", "-q", "origin", "main")
        hub.kill_after(words)
        assert runner.job("team/all", "release", "-C", "parts", "--to", url) != 0
        assert hub.killed, words
        again = runner.job("team/all", "release", "-C", "parts", "--to", url)
        assert again == 0 or "nothing under [Unreleased]" in runner.said
        release = hub.state(own)["releases"][f"v1.0.{number}"]
        assert (release["draft"], sorted(release["assets"])) == (
            False,
            ["SHA256SUMS", f"record-1.0.{number}.json"],
        )
    tags = [f"v1.0.{number}" for number in range(6)]
    assert Repository(hub.bare(own)).git("tag").split() == tags == sorted(hub.state(own)["releases"])
    assert Repository(hub.bare("team/all")).git("tag") == ""
    assert not hub.state("team/all")["releases"]


def merge(runner: Runner, slug: str, branch: str, *, squash: bool = False) -> None:
    """Merges a pull request, as a person with the right to does."""
    runner.hub.protect(slug, yes=False)
    clone = runner.fresh(slug)
    clone.git("merge", "-q", *(["--squash"] if squash else ["--no-ff", "-m", "Merge"]), f"origin/{branch}")
    if squash:
        clone.git("commit", "-q", "-m", "Release (#1)")
    clone.git("push", "-q", "origin", "main", f":{branch}")
    runner.hub.protect(slug)


def test_a_protected_branch_gets_a_pull_request(runner: Runner, pipeline: str) -> None:
    """A protected branch refuses the push, and says what mends it; the pull request has numbers, changelog
    and results; merged, it is published; squashed, its run is recorded again, of the commit there. A person
    opens the same one by `waypost release --pull-request`.
    """
    hub, local = runner.hub, ("--env", "local")
    hub.protect(pipeline)
    assert runner.job(pipeline, "release", *local) == 3
    assert "GH006" in runner.said
    assert "--pull-request" in runner.said
    assert runner.job(pipeline, "release", *local, "--pull-request") == 0, runner.said
    [pull] = hub.state(pipeline)["pulls"]
    assert (pull["head"], pull["title"]) == ("waypost/release-v1.0.0", "Release 1.0.0")
    assert "First release, 1.0.0." in pull["body"]
    assert "- Everything." in pull["body"]
    assert "Production run of commit" in pull["body"]
    main = Repository(hub.bare(pipeline))
    assert main.git("tag") == ""
    assert runner.job(pipeline, "release", "--recorded") == 0
    assert "nothing to do" in runner.said
    merge(runner, pipeline, pull["head"])
    assert runner.job(pipeline, "release", *local, "--recorded") == 0, runner.said
    whole(hub, pipeline, "1.0.0")
    # The next one, with a person's commit on its branch, is squashed.
    hub.protect(pipeline, yes=False)
    change(runner, pipeline)
    hub.protect(pipeline)
    clone = runner.fresh(pipeline)
    release = ("python", "-m", "waypost", "release", "--pull-request", *local)
    refused = runner.call(*release, "--push", cwd=clone.path, env=hub.variables)
    assert (refused.returncode, "goes to origin by itself" in refused.stderr) == (2, True)
    proposed = runner.call(*release, cwd=clone.path, env=hub.variables)
    assert proposed.returncode == 0, proposed.stderr
    assert clone.git("status", "--porcelain") == ""
    clone = runner.fresh(pipeline)
    clone.git("switch", "-q", "waypost/release-v1.0.1")
    reviewed = clone.commit("better words")
    clone.git("push", "-q", "origin", "HEAD")
    assert runner.job(pipeline, "release", *local, "--pull-request") == 0, runner.said
    assert main.git("rev-parse", "waypost/release-v1.0.1") == reviewed
    merge(runner, pipeline, "waypost/release-v1.0.1", squash=True)
    assert runner.job(pipeline, "release", *local, "--recorded", "--pull-request") == 0, runner.said
    merge(runner, pipeline, "waypost/release-v1.0.1")
    assert runner.job(pipeline, "release", *local, "--recorded") == 0, runner.said
    run = json.loads(main.git("show", "main:releases/1.0.1.run.2.json"))
    assert run["commit"] == main.git("rev-parse", "v1.0.1^{commit}")
    assert run["supersedes"] == "1.0.1.run.json"
    assert runner.job(pipeline, "reproduce", *local, "--json") == 0, runner.said
    assert '"equal": true' in runner.said


def test_update_pins(runner: Runner, pipeline: str, workplace: Path) -> None:
    """Nothing relevant, nothing happens; else a pull request with what changes. One that says the same is
    left alone, without a run. A pipeline that does not run with what is newer is proposed all the same, with
    the reason (1); a person's commits are never overwritten. A remote that is away is no news (3), nor is a
    moved tag (4).
    """
    hub, out = runner.hub, workplace / "delivery"
    options = ("--env", "local", "-o", str(out))
    assert runner.job(pipeline, "update-pins", *options) == 0, runner.said
    assert "nothing relevant is newer" in runner.said
    clone = runner.fresh(LIBRARY)
    add_parameter(clone.path, "load", "more", type="int", default=1)
    note(clone, "- load has `more`.")
    clone.git("push", "-q", "origin", "main")
    assert runner.job(LIBRARY, "release") == 0, runner.said
    assert runner.job(pipeline, "update-pins", *options) == 0, runner.said
    assert runner.job(pipeline, "publish", str(out)) == 0, runner.said
    [pull] = hub.state(pipeline)["pulls"]
    assert "| `core/load` | 1.0.0 | 1.1.0 | **added**: `parameter 'more'` |" in pull["body"]
    assert "- load has `more`." in pull["body"]
    main = Repository(hub.bare(pipeline))
    lock = json.loads(main.git("show", "waypost/update-pins:components.lock.json"))
    assert lock["components"]["core/load"]["version"] == "1.1.0"
    before = main.git("for-each-ref")
    again = ("--env", "local", "-o", str(workplace / "second"))
    assert runner.job(pipeline, "update-pins", *again) == 0, runner.said
    assert "says the same already" in runner.said
    assert not (workplace / "second").exists()
    person = runner.fresh(pipeline)
    person.git("switch", "-q", "waypost/update-pins")
    (person.path / "components.lock.json").write_text("{}")
    person.commit("mine")
    person.git("push", "-q", "origin", "HEAD")
    clone = runner.fresh(LIBRARY)
    (clone.path / "load" / "run.py").write_text("raise SystemExit('no more')\n")
    note(clone, "- load is faster.")
    clone.git("push", "-q", "origin", "main")
    assert runner.job(LIBRARY, "release") == 0, runner.said
    before = main.git("for-each-ref")
    assert runner.job(pipeline, "update-pins", *again) == 1, runner.said
    body = json.loads((workplace / "second" / "delivery.json").read_text())["body"]
    assert "### The pipeline does not run with these" in body
    assert runner.job(pipeline, "publish", str(workplace / "second")) == 0, runner.said
    assert "a person's commits" in runner.said
    assert main.git("for-each-ref") == before
    Repository(hub.bare(LIBRARY)).git("update-ref", "refs/tags/v1.0.0", "main")
    third = ("--env", "local", "-o", str(workplace / "third"))
    assert runner.job(pipeline, "update-pins", *third) == 4, runner.said
    hub.bare(LIBRARY).rename(hub.bare(LIBRARY).with_name("gone.git"))
    assert runner.job(pipeline, "update-pins", *third) == 3, runner.said
    assert not (workplace / "third").exists()


@pytest.mark.long
def test_pipelines_in_folders_of_one_repository(runner: Runner, workplace: Path) -> None:
    """Each is checked, released, reproduced and updated by its folder: tags, releases and pull requests of
    its own, and what one gets leaves the other as it is.
    """
    hub, slug, local = runner.hub, "team/mono", ("--env", "local")
    assert runner.job(LIBRARY, "release") == 0, runner.said
    hub.create(slug, two_pipelines(workplace.parent / "own" / "mono"))
    clone = runner.fresh(slug)
    for name in ("grades", "prices"):
        lock = ("python", "-m", "waypost", "lock", f"pipes/{name}")
        assert runner.call(*lock, cwd=clone.path, env=hub.variables).returncode == 0
    clone.commit("lock")
    clone.git("push", "-q", "origin", "main")
    for name in ("grades", "prices"):
        there = ("-C", f"pipes/{name}")
        assert runner.job(slug, "check", *there) == 1
        assert "3 findings" in runner.said  # what only people and stock MLflow need
        assert "content, tags and lock are the same" in runner.said
        assert runner.job(slug, "release", *there, *local) == 0, runner.said
        assert runner.job(slug, "reproduce", *there, *local, "--json") == 0, runner.said
        assert '"equal": true' in runner.said
    tags = ["grades-v1.0.0", "prices/v1.0.0"]
    assert Repository(hub.bare(slug)).git("tag").split() == tags == sorted(hub.state(slug)["releases"])
    assert runner.job(slug, "reproduce", "1.0.0", "-C", "pipes/grades", *local) == 0, runner.said
    assert runner.job(slug, "reproduce", *local) == 2, runner.said
    library = runner.fresh(LIBRARY)
    add_parameter(library.path, "load", "more", type="int", default=1)
    note(library, "- load has `more`.")
    library.git("push", "-q", "origin", "main")
    assert runner.job(LIBRARY, "release") == 0, runner.said
    for name in ("grades", "prices"):
        update = ("update-pins", f"pipes/{name}", *local, "-o", str(workplace / name))
        assert runner.job(slug, *update) == 0, runner.said
        assert runner.job(slug, "publish", str(workplace / name)) == 0, runner.said
        assert runner.job(slug, *update[:-1], str(workplace / "again")) == 0, runner.said
        assert f"waypost/update-pins-{name} says the same already" in runner.said
    assert [(pull["head"], pull["title"]) for pull in hub.state(slug)["pulls"]] == [
        (f"waypost/update-pins-{name}", f"Update components of {name}") for name in ("grades", "prices")
    ]


def two_pipelines(place: Path) -> Repository:
    """A repository with two pipelines in folders, ready for their first releases under tags of their own."""
    mono = make_repository(place)
    for name, prefix in (("grades", "grades-"), ("prices", "prices/")):
        folder = mono.path / "pipes" / name
        releasable(make_pipeline(folder, "../components.git"))
        shutil.rmtree(folder / ".git")
        settings = folder / "setup.cfg"
        settings.write_text(f"{settings.read_text()}tag_name = {prefix}v{{new_version}}\n")
    mono.commit("two pipelines")
    return mono
