"""Deliveries, prepared and published in this process: what is refused, and what a user's git decides."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Call
from tests.github import Github, github
from tests.repositories import (
    Repository,
    add_parameter,
    make_library,
    make_pipeline,
    make_repository,
    record_of,
)
from tests.test_release import LOG, SETTINGS, published, releasable
from waypost.ci.admission import require_own_tags
from waypost.ci.delivery import ASSETS, FILE
from waypost.ci.preparing import Wish, prepare
from waypost.ci.publishing import publish
from waypost.ci.updates import update_locks, update_pins
from waypost.contracts.lock import lock_text
from waypost.errors import FindingsError, IntegrityError, UsageError, WaypostError
from waypost.pins import locking
from waypost.pins.updating import plan_update
from waypost.pins.workspace import fresh_lock, open_workspace, required_lock
from waypost.release.kinds import read_product
from waypost.runs.events import Reporter

pytestmark = [pytest.mark.journey, pytest.mark.long]


@pytest.fixture
def library(workplace: Path) -> Repository:
    """A library that is ready for its first release, with an origin."""
    found = releasable(make_library(workplace.parent / "components"))
    published(found)
    return found


def prepared(repository: Repository, place: Path, folder: str = ".", to: str = "") -> Path:
    product = read_product(repository.path / folder)
    assert prepare(product, Wish(place, to=to), None, Reporter())
    return place


def origin(repository: Repository) -> Repository:
    return Repository(Path(repository.git("remote", "get-url", "origin")))


def silent(_: str) -> None:
    pass


def guest(repository: Repository) -> Repository:
    """Makes a library one that lies in a folder of a repository."""
    folder = repository.path / "parts"
    folder.mkdir()
    for name in ("load", "clean", "kit", "setup.cfg", "CHANGELOG.md"):
        (repository.path / name).rename(folder / name)
    repository.commit("a guest")
    repository.git("push", "-q", "origin", "main")
    return repository


def test_a_guest_is_published_in_its_own_repository_alone(library: Repository, workplace: Path) -> None:
    """Its tag would be among those of the repository around it, which are of another product: without
    `--to` nothing is published; for anything else `--to` is refused.
    """
    place = prepared(guest(library), workplace / "delivery", "parts")
    before = origin(library).git("for-each-ref")
    with pytest.raises(UsageError, match="parts is a guest in this repository") as error:
        publish(library.path, place, silent)
    assert "--to URL" in error.value.hint
    assert origin(library).git("for-each-ref") == before
    with pytest.raises(UsageError, match="was prepared for this repository alone"):
        publish(library.path, place, silent, to="https://elsewhere.test/x.git")
    own = releasable(make_library(workplace.parent / "own"))
    with pytest.raises(UsageError, match="--to is for a component library that is a guest"):
        require_own_tags(read_product(own.path), "https://elsewhere.test/x.git")


def test_two_releases_race(library: Repository, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that were prepared from one commit the first is published. The other one is told that the
    branch moved on, which is no sign of tampering, and changes nothing.
    """
    first = prepared(library, workplace / "first")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-05T06:07:08+0000")
    second = prepared(library, workplace / "second")
    publish(library.path, first, silent)
    before = origin(library).git("for-each-ref")
    with pytest.raises(WaypostError, match=r"main has moved on to .* nothing was published") as error:
        publish(library.path, second, silent)
    assert error.value.exit_code == 1
    assert origin(library).git("for-each-ref") == before


def test_a_tag_that_is_there_with_other_content(library: Repository, workplace: Path) -> None:
    """Somebody made the tag meanwhile, at another commit: not even the branch moves, exit code 4."""
    place = prepared(library, workplace / "delivery")
    origin(library).git("tag", "v1.0.0", "main")
    before = origin(library).git("for-each-ref")
    with pytest.raises(IntegrityError, match=r"v1\.0\.0"):
        publish(library.path, place, silent)
    assert origin(library).git("for-each-ref") == before


@pytest.fixture
def hub(workplace: Path, library: Repository, monkeypatch: pytest.MonkeyPatch) -> Iterator[Github]:
    with github(workplace.parent / "hub") as found:
        library.git("remote", "set-url", "origin", found.create("team/components", library))
        for name, text in found.variables.items():
            monkeypatch.setenv(name, text)
        yield found


def test_only_what_was_prepared_is_published(hub: Github, library: Repository, workplace: Path) -> None:
    """A file that a delivery does not list stays where it is; a name with a folder in it is refused."""
    place = prepared(library, workplace / "delivery")
    (place / ASSETS / "stray").write_text("x")
    publish(library.path, place, silent)
    assert sorted(hub.state("team/components")["releases"]["v1.0.0"]["assets"]) == [
        "SHA256SUMS",
        "record-1.0.0.json",
    ]
    content = json.loads((place / FILE).read_text())
    for key, value in {
        "assets": {"../x": "0" * 64},
        "tag": "--draft",
        "branch": "-x",
        "head": "main",
    }.items():
        (place / FILE).write_text(json.dumps({**content, key: value}))
        with pytest.raises(FindingsError, match=key):
            publish(library.path, place, silent)


def test_a_pull_request_of_a_fork_is_not_ours(hub: Github, library: Repository, workplace: Path) -> None:
    """A stranger's pull request, from a branch of the same name, neither stands in for ours nor changes."""
    theirs = {"head": "waypost/update-locks", "url": "https://github.test/1", "open": True, "fork": True}
    (hub.folder / "team+components.json").write_text(json.dumps({"releases": {}, "pulls": [theirs]}))
    for number in (1, 2):
        proposed(library, workplace / str(number), f"echo '# {number}' >>kit/words.py")
        found, ours = hub.state("team/components")["pulls"]
        assert found == theirs
        assert (ours["title"], ours["open"]) == ("Update locks", True)


def test_a_repositorys_own_author_and_hooks(library: Repository, workplace: Path) -> None:
    """Whom a repository's own settings name writes its commits, in the clones that they are made in, too;
    a hook that refuses one is told in its own words.
    """
    delivered = update_locks(
        library.path, workplace / "locks", "main", "echo '# more' >>kit/words.py"
    ).delivery
    assert delivered
    bundle = str(workplace / "locks" / "commits.bundle")
    library.git("fetch", "-q", bundle, "refs/heads/waypost/delivery:refs/heads/found")
    assert library.git("log", "-1", "--format=%ae", "found") == "t@example.org"
    hook = library.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no tabs please >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(WaypostError, match=r"^nothing was released: no tabs please$"):
        prepared(library, workplace / "delivery")
    with pytest.raises(WaypostError, match=r"^the update cannot be committed: no tabs please$"):
        update_locks(library.path, workplace / "more", "main", "echo '# more' >>kit/words.py")


def test_a_changelog_keeps_the_ends_of_its_lines(library: Repository, workplace: Path) -> None:
    """A release adds its lines to a file of DOS, and changes no other one."""
    text = LOG.replace("\n", "\r\n").rstrip()
    (library.path / "CHANGELOG.md").write_text(text, newline="")
    library.commit("from DOS")
    library.git("push", "-q", "origin", "main")
    publish(library.path, prepared(library, workplace / "delivery"), silent)
    show = ["git", "-C", str(origin(library).path), "show", "main:CHANGELOG.md"]
    found = subprocess.run(show, capture_output=True, check=True).stdout
    assert found.count(b"\n") == found.count(b"\r\n") == text.count("\n") + 2
    assert found.startswith(b"# Changelog\r\n\r\n## [Unreleased]\r\n\r\n## [1.0.0] - ")


def test_a_release_of_another_layout_is_left_behind(workplace: Path) -> None:
    """A release that was never published, of a commit where the product lay elsewhere, cannot be gone on
    with: it is said, with the option that leaves it behind.
    """
    repository = make_library(workplace.parent / "components")
    commit = repository.git("rev-parse", "HEAD")
    text = record_of(repository, "1.0.0", commit, kind="components", commit=commit)
    releases = repository.path / "parts" / "releases"
    releases.mkdir(parents=True)
    for name in ("load", "clean", "kit"):
        (repository.path / name).rename(releases.parent / name)
    (releases / "1.0.0.json").write_text(text)
    (releases.parent / "setup.cfg").write_text(SETTINGS)
    (releases.parent / "CHANGELOG.md").write_text(LOG)
    repository.commit("moved into a folder")
    destination = make_repository(workplace.parent / "own").path
    with pytest.raises(UsageError, match="at its commit there is no parts: it cannot be resumed") as error:
        prepare(read_product(releases.parent), Wish(workplace / "x", to=str(destination)), None, Reporter())
    assert "--new" in error.value.hint


def proposed(repository: Repository, place: Path, command: str) -> tuple[str, str]:
    """Proposes what a command changes; returns what became of the branch, and the commit that it is at."""
    assert update_locks(repository.path, place, "main", command).delivery
    arrived = publish(repository.path, place, silent)
    return arrived.steps[0][1], arrived.commit


def test_a_persons_commits_on_a_branch_of_ours_stay(library: Repository, workplace: Path) -> None:
    """What is ours is replaced by what is newer. A commit of a person stays, and so does one of ours that a
    person amended; whoever checks the branch is told the commit that is there.
    """
    branch = "waypost/update-locks"
    command = "echo '# {}' >>kit/words.py"
    assert proposed(library, workplace / "1", command.format(1))[0] == f"{branch} is new"
    word, commit = proposed(library, workplace / "2", command.format(2))
    assert (word, commit) == (f"{branch} was replaced", origin(library).git("rev-parse", branch))
    library.git("fetch", "-q", "origin", f"{branch}:{branch}")
    library.git("switch", "-q", branch)
    (library.path / "kit" / "more.py").touch()
    library.git("add", "--all")
    library.git("commit", "-q", "--amend", "--no-edit")
    amended = library.git("rev-parse", "HEAD")
    library.git("push", "-q", "--force", "origin", branch)
    library.git("switch", "-q", "main")
    word, commit = proposed(library, workplace / "3", command.format(3))
    assert (word, commit) == (f"{branch} has a person's commits: left", amended)
    assert origin(library).git("rev-parse", branch) == amended
    library.git("push", "-q", "--force", "origin", f"{branch}~1:{branch}")
    library.git("branch", "-q", "-D", branch)
    assert proposed(library, workplace / "4", command.format(4))[0] == f"{branch} was replaced"


def test_an_update_that_is_proposed_already_is_no_failure(library: Repository, workplace: Path) -> None:
    """One component no longer fits, another moves: once the pull request says so, there is nothing to do."""
    library.release("1.0.0")
    pipeline = make_pipeline(workplace.parent / "grades", str(library.path))
    lock = pipeline.path / "components.lock.json"
    locking.relock(open_workspace(pipeline.path, silent))
    pipeline.commit("lock")
    published(pipeline)
    add_parameter(library.path, "load", "more", type="int", default=1)
    add_parameter(library.path, "clean", "must", type="int")
    library.release("1.1.0")
    pipeline.git("switch", "-q", "-c", "waypost/update-pins")
    workspace, before = open_workspace(pipeline.path, silent), lock.read_text()
    plan = plan_update(workspace, required_lock(workspace, fresh_lock(workspace)))
    assert {move.uses: move.state for move in plan.moves} == {"core/load": "moved", "core/clean": "refused"}
    lock.write_text(lock_text(plan.lock))
    pipeline.commit("the same")
    pipeline.git("push", "-q", "origin", "HEAD")
    pipeline.git("switch", "-q", "main")
    assert lock.read_text() == before
    found = update_pins(pipeline.path, workplace / "x", "main", Reporter(), env="local")
    assert (found.delivery, found.is_sound, "says the same already" in found.why) == (None, True, True)


def test_the_template_for_gitlab(library: Repository, workplace: Path, call: Call) -> None:
    """Its jobs, executed from the YAML on a commit that is checked out as GitLab does: a library is checked
    and released, its tag is the release, and the assets are files of the job.
    """
    template = yaml.safe_load((ROOT / ".gitlab" / "waypost.yml").read_text())
    runner = workplace / "runner"
    library.git("clone", "-q", str(origin(library).path), str(runner / "work"))
    work = Repository(runner / "work")
    work.git("checkout", "-q", "--detach")
    given = {
        "CI_COMMIT_REF_NAME": "main",
        "CI_DEFAULT_BRANCH": "main",
        "CI_PROJECT_URL": str(origin(library).path).removesuffix(".git"),
        "CI_BUILDS_DIR": str(runner),
        "CI_JOB_ID": "1",
        "WAYPOST_SETUP": "true",
        "GITLAB_USER_LOGIN": "ada",
    }
    jobs = ("check", "prepare-release", "release")
    for job in (template[f"waypost-{name}"] for name in jobs):
        lines = [*template[job["extends"]]["before_script"], *job["script"]]
        script = "\n".join(["set -eo pipefail", *lines])
        done = call("bash", "-c", script, cwd=work.path, env=template["variables"] | given)
        found = 1 if job is template["waypost-check"] else 0  # this library lacks what users expect
        assert done.returncode == found, done.stdout + done.stderr
    assert origin(library).git("tag") == "v1.0.0"
    assert origin(library).git("log", "-1", "--format=%an", "main") == "ada"
    assert sorted(path.name for path in (work.path / "delivery" / "assets").iterdir()) == [
        "SHA256SUMS",
        "record-1.0.0.json",
    ]
    writers = {name: job["script"] for name, job in template.items() if "environment" in job}
    publish = ["if [ -f delivery/delivery.json ]; then waypost ci publish delivery; fi"]
    assert writers == {"waypost-release": publish, "waypost-update-pins": publish}  # they execute nothing
