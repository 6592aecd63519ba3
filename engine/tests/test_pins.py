"""Versions over real git servers: lock, run from the lock, update, verify, and what goes wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.conftest import Call
from tests.forks import ALONE
from tests.repositories import (
    SCRIPT,
    Repository,
    edit_contract,
    edit_pipeline,
    forget,
    git_daemon,
    make_library,
    make_pipeline,
    parameters_of,
)

WAYPOST = ("python", "-m", "waypost")
RUN = (*WAYPOST, "run", "--env", "local")
# Runs as short as these end before the remotes answer, which are asked beside them: steps wait for that.
PATIENT = f"""{SCRIPT}
import time

def is_written(folder):
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            file = os.readlink(f"/proc/{{process}}/fd/1")
        except OSError:
            continue
        if file.startswith(folder) and file.endswith("/verdict.json"):
            return True

while "WAIT_FOR_VERDICT" in os.environ and is_written(os.environ["WAIT_FOR_VERDICT"]):
    time.sleep(0.05)
"""


@pytest.fixture
def waiting(workplace: Path) -> dict[str, str]:
    """Variables that make each step wait until what the remotes say is known."""
    return {"WAIT_FOR_VERDICT": str(workplace.parent / "temp")}


@pytest.fixture
def library(workplace: Path) -> Repository:
    """A component library with the release 1.0.0, served as `components`."""
    return make_library(workplace.parent / "served" / "components", script=PATIENT)


@pytest.fixture
def server(library: Repository) -> Iterator[str]:
    with git_daemon(library.path.parent) as url:
        yield url


@pytest.fixture
def pipeline(workplace: Path, server: str) -> Repository:
    """A pipeline that asks for ~=1.0 of the library; not locked yet."""
    return make_pipeline(workplace / "pipe", f"{server}/components")


@pytest.fixture
def locked(pipeline: Repository, call: Call) -> Repository:
    """The pipeline with its lock, committed."""
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 0, result.stderr
    pipeline.commit("lock")
    return pipeline


def lock_of(pipeline: Repository) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((pipeline.path / "components.lock.json").read_text())["components"]
    return found


def state_of(repository: Repository) -> str:
    return repository.git("status", "--porcelain") + repository.git(
        "rev-parse", "HEAD", "--is-shallow-repository"
    )


def said(workplace: Path, document: dict[str, Any]) -> str:
    """Returns the log of a run's first step."""
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    return Path(client.download_artifacts(document["steps"][0]["run_id"], "logs/load.log")).read_text()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_lock_says_content(locked: Repository, library: Repository, call: Call) -> None:
    """The lock has tag, commit and the trees of component and shared folders; the same twice over."""
    pin = lock_of(locked)["core/load"]
    assert pin["tag"] == "v1.0.0"
    assert pin["commit"] == library.git("rev-parse", "v1.0.0^{commit}")
    assert pin["tree"] == library.git("rev-parse", "v1.0.0:load")
    assert pin["shared"] == {"kit": library.git("rev-parse", "v1.0.0:kit")}
    file = locked.path / "components.lock.json"
    before = file.read_bytes(), file.stat().st_mtime_ns
    library.release("1.0.1")
    assert "unchanged" in call(*WAYPOST, "lock", locked.path).stdout
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert call(*WAYPOST, "lock", locked.path, "--check").returncode == 0
    assert state_of(locked) == f"{locked.git('rev-parse', 'HEAD')}\nfalse"


def test_lock_bytes_depend_on_content_alone(locked: Repository, workplace: Path, call: Call) -> None:
    """Another machine, with a cold cache, writes the same bytes."""
    file = locked.path / "components.lock.json"
    before = file.read_bytes()
    file.unlink()
    forget(workplace)
    call(*WAYPOST, "lock", locked.path, env=ALONE)
    assert file.read_bytes() == before


def test_run_uses_locked_content(
    locked: Repository, library: Repository, workplace: Path, call: Call, waiting: dict[str, str]
) -> None:
    """A newer release changes nothing; the run's tags name version, commit, trees and lock."""
    (library.path / "kit" / "words.py").write_text("WORD = 'two'\n")
    library.release("1.1.0")
    forget(workplace)
    result = call(*RUN, locked.path, "--json", env=waiting)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["warnings"] == []
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    child = client.get_run(document["steps"][0]["run_id"]).data.tags
    pin = lock_of(locked)["core/load"]
    assert child["waypost.component.version"] == "1.0.0"
    assert child["waypost.component.commit"] == pin["commit"]
    assert child["waypost.tree.load"] == pin["tree"]
    parent = client.get_run(document["run_id"]).data.tags
    assert parent["waypost.lock"].startswith("sha256:")
    log = client.download_artifacts(document["steps"][0]["run_id"], "logs/load.log")
    assert Path(log).read_text() == "said one a\n"
    assert state_of(locked).endswith("false")


@pytest.mark.parametrize("annotated", [True, False], ids=["annotated", "lightweight"])
def test_moved_tag(
    locked: Repository,
    library: Repository,
    workplace: Path,
    call: Call,
    waiting: dict[str, str],
    annotated: bool,
) -> None:
    """The locked commit runs, warm and cold, with a warn warning that has both commits; verify exits 4."""
    old = lock_of(locked)["core/load"]["commit"]
    (library.path / "kit" / "words.py").write_text("WORD = 'evil'\n")
    new = library.release("1.0.0", annotated=annotated, force=True)
    for cache in ("warm", "cold"):
        if cache == "cold":
            forget(workplace)
        result = call(*RUN, locked.path, "--no-cache", "--json", env=waiting)
        assert result.returncode == 0, result.stderr
        document = json.loads(result.stdout)
        [warning] = document["warnings"]
        assert "core v1.0.0: the tag was moved: the lock has commit" in warning
        assert old[:12] in warning
        assert new[:12] in warning
        client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
        assert client.get_run(document["run_id"]).data.tags["waypost.warnings"] == warning
        log = client.download_artifacts(document["steps"][0]["run_id"], "logs/load.log")
        assert Path(log).read_text() == "said one a\n"
    offline = call(*RUN, locked.path, "--offline", "--json")
    assert json.loads(offline.stdout)["warnings"] == []
    verdict = call(*WAYPOST, "verify", locked.path, "--json")
    assert verdict.returncode == 4
    [finding] = json.loads(verdict.stdout)["findings"]
    assert finding["category"] == "tag-moved"
    assert "since 2026-01-02" in finding["problem"]
    assert call(*WAYPOST, "verify", locked.path, "--offline").returncode == 0
    accepted = call(*WAYPOST, "update", locked.path)
    assert f"tag moved: {old[:12]} → {new[:12]}" in accepted.stdout
    assert call(*WAYPOST, "verify", locked.path).returncode == 0


def test_moved_tag_where_nothing_is_to_do(
    locked: Repository, library: Repository, workplace: Path, call: Call, waiting: dict[str, str]
) -> None:
    """A run with nothing to do waits for no remote: where the last look is older than a day, one begins
    beside it, and the next run has its word; --verify asks and waits.
    """
    assert call(*RUN, locked.path, env=waiting).returncode == 0
    assert "no tag was moved" in call(*RUN, locked.path, env=waiting).stdout
    (library.path / "kit" / "words.py").write_text("WORD = 'evil'\n")
    library.release("1.0.0", force=True)
    [note] = (workplace.parent / "cache" / "looks").glob("*.json")
    content = json.loads(note.read_text())
    note.write_text(json.dumps(content | {"asked": content["asked"] - 3 * 86400}))
    late = call(*RUN, locked.path, env={**waiting, "WAYPOST_LOOK": "beside"})
    assert "3 days ago" in late.stdout
    deadline = time.monotonic() + 60
    while "moved" not in note.read_text() and time.monotonic() < deadline:
        time.sleep(0.2)
    told = call(*RUN, locked.path, "--json", env=waiting)
    assert "the tag was moved" in json.loads(told.stdout)["warnings"][0]
    note.unlink()
    asked = call(*RUN, locked.path, "--verify", env=waiting)
    assert asked.returncode == 0
    assert "the tag was moved" in asked.stdout + asked.stderr


def test_deleted_tag(
    locked: Repository, library: Repository, workplace: Path, call: Call, waiting: dict[str, str]
) -> None:
    """The locked commit runs and a warning says so; verify says tag-deleted."""
    library.commit("later")
    library.git("tag", "-d", "v1.0.0")
    forget(workplace)
    result = call(*RUN, locked.path, "--json", env=waiting)
    assert result.returncode == 0, result.stderr
    assert "the tag was deleted" in json.loads(result.stdout)["warnings"][0]
    verdict = call(*WAYPOST, "verify", locked.path)
    assert verdict.returncode == 4
    assert "tag-deleted" in verdict.stdout


def erase(library: Repository) -> None:
    """Takes the release 1.0.0 out of the library for good, by force push and gc, so to speak."""
    library.git("tag", "-d", "v1.0.0")
    library.git("update-ref", "-d", "HEAD")
    library.commit("a new start")
    library.git("reflog", "expire", "--expire=now", "--all")
    library.git("gc", "--quiet", "--prune=now")


def test_commit_gone(locked: Repository, library: Repository, workplace: Path, call: Call) -> None:
    """From the cache it runs on; without, another release with the same trees serves, else exit code 4."""
    erase(library)
    warm = call(*RUN, locked.path, "--dry-run")
    assert warm.returncode == 0, warm.stderr
    verdict = call(*WAYPOST, "verify", locked.path, "--json")
    categories = {finding["category"] for finding in json.loads(verdict.stdout)["findings"]}
    assert categories == {"tag-deleted", "commit-gone"}
    forget(workplace)
    cold = call(*RUN, locked.path, "--dry-run")
    assert cold.returncode == 4
    assert "no release there holds tree" in cold.stderr
    assert "core/load" in cold.stderr
    (library.path / "kit" / "words.py").write_text("WORD = 'new'\n")
    library.release("1.2.0")
    before = (locked.path / "components.lock.json").read_bytes()
    moved = call(*WAYPOST, "update", locked.path)
    assert moved.returncode == 0, moved.stderr
    assert flat(moved.stdout).count("its interface cannot be compared") == 2
    assert "interface: cannot be compared, the old content is gone" in moved.stdout
    (locked.path / "components.lock.json").write_bytes(before)
    forget(workplace)
    library.git("tag", "v3.0.0", "HEAD^")
    saved = call(*RUN, locked.path, "--dry-run")
    assert saved.returncode == 0, saved.stderr
    assert "v3.0.0 holds the same content" in flat(saved.stdout)


def test_offline(locked: Repository, workplace: Path, call: Call) -> None:
    """With a warm cache it works; with a cold one it says what is missing and exits 3."""
    warm = call(*RUN, locked.path, "--offline", "--dry-run")
    assert warm.returncode == 0
    assert "verified by tree" in warm.stdout
    forget(workplace)
    result = call(*RUN, locked.path, "--offline", "--dry-run")
    assert result.returncode == 3
    assert "core/load" in result.stderr
    assert "1.0.0" in result.stderr
    assert "offline" in result.stderr


def test_server_down(
    locked: Repository, workplace: Path, call: Call, waiting: dict[str, str], library: Repository
) -> None:
    """No network: a warm cache runs and says how it was verified; a cold one exits 3, in plain words."""
    dead = "git://127.0.0.1:1/"
    env = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{dead}.insteadOf",
        "GIT_CONFIG_VALUE_0": lock_of(locked)["core/load"]["git"].rpartition("components")[0],
    }
    warm = call(*RUN, locked.path, env={**waiting, **env})
    assert warm.returncode == 0, warm.stderr
    assert "its remote does not answer" in flat(warm.stdout)
    assert "verified by tree" in flat(warm.stdout)
    forget(workplace)
    cold = call(*RUN, locked.path, "--dry-run", env=env)
    assert cold.returncode == 3
    assert "core/load 1.0.0" in cold.stderr
    assert "no network" in cold.stderr
    verdict = call(*WAYPOST, "verify", locked.path, env=env)
    assert verdict.returncode == 3
    assert "unreachable" in verdict.stdout


def test_a_slip_in_a_source(locked: Repository, workplace: Path, call: Call) -> None:
    """A step whose source nobody declared is told by its place and the near name, with a lock or without."""
    file = locked.path / "pipeline.yaml"
    file.write_text(file.read_text().replace("core/load", "cor/load"))
    for command in (["run"], ["lock"], ["lock", "--check"], ["verify"]):
        told = call(*WAYPOST, *command, locked.path)
        assert told.returncode == 1
        assert "steps.load.uses no source 'cor'; did you mean 'core'?" in flat(told.stderr)
        assert "Traceback" not in told.stderr


def test_cache_edited(locked: Repository, workplace: Path, call: Call) -> None:
    """A change in the cache is seen by verify, and the next run makes the content anew."""
    call(*RUN, locked.path, "--dry-run")
    [script] = (workplace.parent / "cache" / "trees").glob("*/load/run.py")
    script.chmod(0o644)
    script.write_text("print('evil')\n")
    verdict = call(*WAYPOST, "verify", locked.path, "--offline", "--json")
    assert verdict.returncode == 4
    assert json.loads(verdict.stdout)["findings"][0]["category"] == "tree-differs"
    assert call(*WAYPOST, "cache", "verify").returncode == 4
    result = call(*RUN, locked.path, "--dry-run", "--offline")
    assert result.returncode == 0, result.stderr
    assert "evil" not in script.read_text()
    assert call(*WAYPOST, "cache", "verify").returncode == 0


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_stale_lock(locked: Repository, workplace: Path, call: Call, cache: str) -> None:
    """pipeline.yaml went on without its lock: exit code 4 and the mending command, never a silent re-lock."""
    before = (locked.path / "components.lock.json").read_bytes()
    edit_pipeline(locked.path, lambda p: p["components"]["core"].update(version="==1.0.0"))
    if cache == "cold":
        forget(workplace)
    for command in (
        (*RUN, locked.path),
        (*WAYPOST, "lock", "--check", locked.path),
        (*RUN, "--frozen", locked.path),
    ):
        result = call(*command)
        assert result.returncode == 4
        assert "asks for ==1.0.0, the lock is for ~=1.0" in result.stderr
        assert "waypost lock pipe" in result.stderr
    assert (locked.path / "components.lock.json").read_bytes() == before
    assert call(*WAYPOST, "lock", locked.path).returncode == 0
    assert call(*RUN, locked.path, "--dry-run").returncode == 0


def test_edited_and_missing_lock(locked: Repository, call: Call) -> None:
    """A lock edited by hand is refused, as a missing one is, with the command that mends it."""
    file = locked.path / "components.lock.json"
    file.write_text(file.read_text().replace('"version": "1.0.0"', '"version": "1.0.9"', 1))
    result = call(*RUN, locked.path)
    assert result.returncode == 4
    assert "edited by hand" in result.stderr
    assert "lock-edited" in call(*WAYPOST, "verify", locked.path).stdout
    file.unlink()
    result = call(*RUN, locked.path)
    assert result.returncode == 4
    assert "there is no lock; resolve the versions once: waypost lock pipe" in result.stderr


def test_wrong_tree_in_lock(locked: Repository, workplace: Path, call: Call) -> None:
    """A lock whose trees are not those of its commit is caught, by run and by verify."""
    from waypost.contracts.lock import lock_text, make_lock, parse_lock
    from waypost.contracts.pipeline import parse_pipeline

    file = locked.path / "components.lock.json"
    lock = parse_lock(file.read_text(), "x")
    pins = {u: p.model_copy(update={"tree": "0" * 40}) for u, p in lock.components.items()}
    text = (locked.path / "pipeline.yaml").read_text()
    file.write_text(lock_text(make_lock(parse_pipeline(text), pins, "x")))
    result = call(*RUN, locked.path)
    assert result.returncode == 4
    assert "the lock says tree 000000" in result.stderr
    assert "tree-differs" in call(*WAYPOST, "verify", locked.path).stdout


def test_missing_component(pipeline: Repository, library: Repository, call: Call) -> None:
    """It is refused before anything is written: near names, or the first version that has it."""
    edit_pipeline(pipeline.path, lambda p: p["steps"]["load"].update(uses="core/laod"))
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 1
    assert "no component 'laod' in" in result.stderr
    assert "did you mean 'load'?" in result.stderr
    assert not (pipeline.path / "components.lock.json").exists()
    shutil.copytree(library.path / "load", library.path / "judge")
    library.release("1.1.0")
    library.release("1.2.0")
    edit_pipeline(pipeline.path, lambda p: p["components"]["core"].update(version="==1.0.0"))
    edit_pipeline(pipeline.path, lambda p: p["steps"]["load"].update(uses="core/judge"))
    result = call(*WAYPOST, "lock", pipeline.path)
    assert "no component 'judge'" in result.stderr
    assert "the first version that has it is 1.1.0" in flat(result.stderr)


def test_interface_must_fit(pipeline: Repository, call: Call) -> None:
    """`with:` is checked against the interface at the locked version, before the lock is written."""
    edit_pipeline(pipeline.path, lambda p: p["steps"]["load"].update({"with": {"txt": "a"}}))
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 1
    assert "core/load has no parameter 'txt'; did you mean 'text'?" in result.stderr
    assert not (pipeline.path / "components.lock.json").exists()


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("main", "'main' is a branch or another moving name, not a version"),
        ("~=9.0", "fits ~=9.0"),
        ("0123456789", "no branch and no tag"),
        ("=>1", "is not a version requirement"),
    ],
)
def test_versions_that_are_none(pipeline: Repository, call: Call, version: str, problem: str) -> None:
    """Branches are refused in a lock; a version or commit that is not there is told."""
    edit_pipeline(pipeline.path, lambda p: p["components"]["core"].update(version=version))
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 1
    assert problem in flat(result.stderr)
    assert not (pipeline.path / "components.lock.json").exists()


def test_branch_with_dev(pipeline: Repository, library: Repository, workplace: Path, call: Call) -> None:
    """--dev runs a branch as it is now, says so, and marks the run."""
    edit_pipeline(pipeline.path, lambda p: p["components"]["core"].update(version="main"))
    (library.path / "kit" / "words.py").write_text("WORD = 'three'\n")
    library.commit()
    result = call(*RUN, pipeline.path, "--dev", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert "branch 'main', now at" in document["warnings"][0]
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    assert client.get_run(document["run_id"]).data.tags["waypost.dev"] == "true"
    log = client.download_artifacts(document["steps"][0]["run_id"], "logs/load.log")
    assert Path(log).read_text() == "said three a\n"


def test_commits(pipeline: Repository, library: Repository, call: Call) -> None:
    """A short commit is expanded; one that no branch or tag holds (as of a fork) is refused."""
    library.git("config", "uploadpack.allowAnySHA1InWant", "true")
    kept = library.commit("between releases")
    edit_pipeline(pipeline.path, lambda p: p["components"]["core"].update(version=kept[:9]))
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    assert lock_of(pipeline)["core/load"]["commit"] == kept
    assert call(*WAYPOST, "verify", pipeline.path).returncode == 0
    assert call(*RUN, pipeline.path, "--dry-run").returncode == 0
    library.git("checkout", "--quiet", "--detach")
    stray = library.commit("of a fork")
    library.git("checkout", "--quiet", "main")
    edit_pipeline(pipeline.path, lambda p: p["components"]["core"].update(version=stray))
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 1
    assert "a commit that only a fork has is refused" in result.stderr


def test_tag_and_branch_of_one_name(pipeline: Repository, library: Repository, call: Call) -> None:
    """The tag is meant, always."""
    library.git("checkout", "--quiet", "-b", "v1.0.0")
    (library.path / "kit" / "words.py").write_text("WORD = 'branch'\n")
    library.commit()
    library.git("checkout", "--quiet", "main")
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    assert lock_of(pipeline)["core/load"]["commit"] == library.git("rev-parse", "refs/tags/v1.0.0^{commit}")


def test_two_versions_of_one_component(
    pipeline: Repository, library: Repository, workplace: Path, call: Call
) -> None:
    """A step may ask for its own version; both run, each with what it shares at that version."""
    (library.path / "kit" / "words.py").write_text("WORD = 'two'\n")
    library.release("1.1.0")
    edit_pipeline(pipeline.path, lambda p: p["steps"]["clean"].update(uses="core/load@==1.0.0"))
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    assert {u: p["version"] for u, p in lock_of(pipeline).items()} == {
        "core/load": "1.1.0",
        "core/load@==1.0.0": "1.0.0",
    }
    shown = call(*WAYPOST, "diff", pipeline.path, "load", "1.0.0", "1.1.0")
    assert shown.stdout.count("+++ 1.1.0/kit/words.py") == 1
    shown = call(*WAYPOST, "diff", pipeline.path, "core/load")
    assert "core/load: no change from 1.1.0 to 1.1.0" in flat(shown.stderr)
    result = call(*RUN, pipeline.path, "--json")
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    steps = {s["name"]: s["run_id"] for s in json.loads(result.stdout)["steps"]}
    said = [Path(client.download_artifacts(steps[n], f"logs/{n}.log")).read_text() for n in ("load", "clean")]
    assert said == ["said two a\n", "said one hello\n"]


def test_two_repositories(pipeline: Repository, workplace: Path, server: str, call: Call) -> None:
    """A pipeline mixes repositories, each with its own versions."""
    tiny = make_library(workplace.parent / "served" / "tiny", "count")
    tiny.release("2.5.0")

    def mix(content: dict[str, Any]) -> None:
        content["components"]["tiny"] = {"git": f"{server}/tiny", "version": ">=2"}
        content["steps"]["count"] = {"uses": "tiny/count"}

    edit_pipeline(pipeline.path, mix)
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 0, result.stderr
    assert lock_of(pipeline)["tiny/count"]["version"] == "2.5.0"
    assert call(*RUN, pipeline.path).returncode == 0


def test_update(locked: Repository, library: Repository, workplace: Path, call: Call) -> None:
    """Old → new, interface changes with their parameters, changelog lines, and the diff in a file."""
    edit_contract(
        library.path, "load", lambda c: parameters_of(c).update(count={"type": "int", "default": 2})
    )
    (library.path / "CHANGELOG.md").write_text(
        "## [1.1.0] - today\n### Added\n- load counts.\n\n## [1.0.0]\n- first\n"
    )
    library.release("1.1.0")
    library.release("2.0.0")
    before = (locked.path / "components.lock.json").read_bytes()
    outdated = call(*WAYPOST, "outdated", locked.path)
    assert outdated.returncode == 1
    assert "core/load   1.0.0 → 1.1.0  newer  (newest of all: 2.0.0)" in outdated.stdout
    assert (locked.path / "components.lock.json").read_bytes() == before
    result = call(*WAYPOST, "update", locked.path, "--save-diff", "changes.diff")
    assert result.returncode == 0, result.stderr
    assert "core/load   1.0.0 → 1.1.0  moved" in result.stdout
    assert "added: parameter 'count'" in result.stdout
    assert "core/clean  1.0.0 → 1.1.0  no change: same tree" in result.stdout
    assert "- load counts." in result.stdout
    assert "- first" not in result.stdout
    assert "+      count:" in (workplace / "changes.diff").read_text().replace("        count", "      count")
    assert call(*WAYPOST, "outdated", locked.path).returncode == 0
    assert call(*WAYPOST, "verify", locked.path).returncode == 0
    shown = call(*WAYPOST, "diff", locked.path, "core/load", "1.0.0", "1.1.0")
    assert "+++ 1.1.0/load/MLproject" in shown.stdout


def test_update_refuses_what_does_not_fit(locked: Repository, library: Repository, call: Call) -> None:
    """A component that is gone, or that breaks `with:`, keeps its pin; the others move; exit code 1."""
    edit_contract(library.path, "load", lambda c: parameters_of(c).update(needed={"type": "int"}))
    (library.path / "clean" / "run.py").write_text("print('cleaner', 'x')\n")
    library.release("1.1.0")
    result = call(*WAYPOST, "update", locked.path)
    assert result.returncode == 1
    assert "breaking: required parameter 'needed' was added" in result.stdout
    assert "core/load requires the parameter 'needed'" in result.stdout
    assert {u: p["version"] for u, p in lock_of(locked).items()} == {
        "core/load": "1.0.0",
        "core/clean": "1.1.0",
    }
    shutil.rmtree(library.path / "load")
    library.release("1.2.0")
    result = call(*WAYPOST, "update", locked.path)
    assert result.returncode == 1
    assert "no component 'load' in" in result.stdout
    assert {u: p["version"] for u, p in lock_of(locked).items()} == {
        "core/load": "1.0.0",
        "core/clean": "1.2.0",
    }


def test_update_by_name_to_and_hold(locked: Repository, library: Repository, call: Call) -> None:
    """NAME moves one, --to moves to a version that is asked for, `hold` freezes."""
    for version in ("1.1.0", "1.2.0"):
        (library.path / "kit" / "words.py").write_text(f"WORD = '{version}'\n")
        library.release(version)
    assert call(*WAYPOST, "update", locked.path, "load", "--to", "1.1.0").returncode == 0
    assert {u: p["version"] for u, p in lock_of(locked).items()} == {
        "core/load": "1.1.0",
        "core/clean": "1.0.0",
    }
    result = call(*WAYPOST, "update", locked.path, "--to", "2.0.0")
    assert result.returncode == 2
    assert "asks for ~=1.0, which 2.0.0 is not" in result.stderr
    assert "did you mean 'load'?" in call(*WAYPOST, "update", locked.path, "laod").stderr
    edit_pipeline(locked.path, lambda p: p["components"]["core"].update(hold=["load"]))
    result = call(*WAYPOST, "update", locked.path)
    assert "held" in result.stdout
    assert {u: p["version"] for u, p in lock_of(locked).items()} == {
        "core/load": "1.1.0",
        "core/clean": "1.2.0",
    }


def test_yanked(
    locked: Repository, library: Repository, workplace: Path, call: Call, waiting: dict[str, str]
) -> None:
    """A yanked release never gets into a new lock; an old run warns, verify tells."""
    library.release("1.1.0")
    records = library.path / "releases"
    records.mkdir()
    for version in ("1.0.0", "1.1.0"):
        (records / f"{version}.yanked.json").write_text('{"reason": "leaks memory"}')
    library.commit("yank")
    assert call(*WAYPOST, "outdated", locked.path).returncode == 1
    verdict = call(*WAYPOST, "verify", locked.path)
    assert verdict.returncode == 4
    assert "core 1.0.0  yanked" in verdict.stdout
    result = call(*RUN, locked.path, "--json", env=waiting)
    assert result.returncode == 0
    assert "this release was yanked: leaks memory" in json.loads(result.stdout)["warnings"][0]
    same = call(*WAYPOST, "diff", locked.path, "core/load")
    assert (same.returncode, same.stdout) == (0, "")
    assert "no change from 1.0.0 to 1.0.0" in flat(same.stderr)
    assert call(*WAYPOST, "diff", locked.path, "core/load", "1.0.0", "1.1.0").returncode == 0
    (locked.path / "components.lock.json").unlink()
    refused = call(*WAYPOST, "lock", locked.path)
    assert refused.returncode == 1
    assert "1.1.0 was yanked: leaks memory" in refused.stderr
    library.release("1.1.1")
    assert call(*WAYPOST, "lock", locked.path).returncode == 0
    assert lock_of(locked)["core/load"]["version"] == "1.1.1"


@pytest.mark.parametrize("kind", ["lfs", "submodule", "link"])
def test_content_that_is_not_there(pipeline: Repository, library: Repository, call: Call, kind: str) -> None:
    """LFS pointers, submodules and links to elsewhere are named when locking, not met when running."""
    if kind == "lfs":
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
        (library.path / "load" / "weights.bin").write_text(pointer)
    elif kind == "link":
        (library.path / "load" / "secrets").symlink_to("/etc/passwd")
    else:
        head = library.git("rev-parse", "HEAD")
        library.git("update-index", "--add", "--cacheinfo", f"160000,{head},load/inner")
        (library.path / "load" / "inner").mkdir()
        library.git("commit", "-qm", "submodule")
    library.git("add", "load") if kind != "submodule" else None
    library.git("commit", "--allow-empty", "-qm", "more")
    library.git("tag", "v1.1.0")
    result = call(*WAYPOST, "lock", pipeline.path)
    assert result.returncode == 1
    words = {
        "lfs": "a Git LFS pointer",
        "submodule": "a submodule",
        "link": "a link that may leave its folder",
    }
    assert words[kind] in result.stderr


def test_local_folder(workplace: Path, server: str, library: Repository, call: Call) -> None:
    """A folder with the locked trees serves without network; one that differs only with --dev."""
    subprocess.run(["git", "clone", "-q", library.path, workplace / "lib"], check=True)
    pipeline = make_pipeline(workplace / "pipe", f"{server}/components", path="../lib")
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    forget(workplace)
    copy = Repository(workplace / "lib")
    before = state_of(copy)
    offline = call(*RUN, pipeline.path, "--offline")
    assert offline.returncode == 0, offline.stderr
    assert state_of(copy) == before
    (copy.path / "kit" / "words.py").write_text("WORD = 'local'\n")
    result = call(*RUN, pipeline.path, "--offline", "--json")
    document = json.loads(result.stdout)
    assert "../lib: kit differs from the lock; the locked content runs" in document["warnings"][0]
    verdict = call(*WAYPOST, "verify", "--offline", pipeline.path)
    assert verdict.returncode == 4
    assert "tree-differs" in verdict.stdout
    result = call(*RUN, pipeline.path, "--dev", "--json")
    document = json.loads(result.stdout)
    assert said(workplace, document) == "said local a\n"
    assert call(*RUN, pipeline.path, "--frozen", "--dev").returncode == 2


def test_history_around_a_local_folder(workplace: Path, server: str, library: Repository, call: Call) -> None:
    """A local folder that went on serves the locked content from its history, without network; where the
    history is not there, the error says how to get it.
    """
    pipeline = make_pipeline(workplace / "pipe", f"{server}/components", path="lib")
    copy = pipeline.path / "lib"
    shutil.copytree(library.path, copy, ignore=shutil.ignore_patterns(".git"))
    pipeline.commit("the library is a guest here")
    assert call(*WAYPOST, "lock", pipeline.path).returncode == 0
    (copy / "kit" / "words.py").write_text("WORD = 'next'\n")
    pipeline.commit("the library goes on")
    forget(workplace)
    document = json.loads(call(*RUN, pipeline.path, "--offline", "--json").stdout)
    assert document["status"] == "FINISHED"
    assert "lib: kit differs from the lock; the locked content runs" in document["warnings"][0]
    assert said(workplace, document) == "said one a\n"

    shallow = workplace / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{pipeline.path}", shallow], check=True)
    forget(workplace)
    cold = call(*RUN, shallow, "--offline")
    assert cold.returncode == 3
    assert "--dev runs the folder as it is" in cold.stderr
    assert "git fetch --unshallow" in cold.stderr


@pytest.mark.parametrize("form", ["file", "path", "relative"])
def test_other_urls(workplace: Path, library: Repository, call: Call, form: str) -> None:
    """file:// of a bare repository, a path, and a URL relative to the pipeline's own origin."""
    bare = workplace.parent / "served" / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", library.path, bare], check=True)
    url = {"file": f"file://{bare}", "path": str(bare), "relative": "../bare.git"}[form]
    pipeline = make_pipeline(workplace / "pipe", url)
    if form == "relative":
        pipeline.git("remote", "add", "origin", str(bare.parent / "pipe.git"))
    # In the pipeline's folder: its own origin must not be taken for the library's.
    result = call(*WAYPOST, "lock", cwd=pipeline.path)
    assert result.returncode == 0, result.stderr
    assert lock_of(pipeline)["core/load"]["git"] == url
    assert call(*RUN, pipeline.path, "--dry-run").returncode == 0
    assert call(*WAYPOST, "verify", pipeline.path).returncode == 0


def test_pipeline_by_stock_mlflow(locked: Repository, workplace: Path, server: str, call: Call) -> None:
    """`mlflow run URL -v TAG` of a pipeline repository, from a git server: the lock decides, and it works."""
    served = workplace.parent / "served" / "pipe"
    contract = {
        "name": "pinned",
        "entry_points": {"main": {"command": "python -m waypost run . --env local"}},
    }
    (locked.path / "MLproject").write_text(json.dumps(contract))
    edit_pipeline(locked.path, lambda p: p["components"]["core"].update(git="../components"))
    locked.git("remote", "add", "origin", f"{server}/pipe")
    assert call(*WAYPOST, "lock", locked.path).returncode == 0
    locked.release("1.0.0")
    subprocess.run(["git", "clone", "-q", "--bare", locked.path, served], check=True)
    forget(workplace)
    result = call("mlflow", "run", f"{server}/pipe", "-v", "v1.0.0", "--env-manager", "local")
    assert result.returncode == 0, result.stdout + result.stderr
    client = mlflow.MlflowClient(f"sqlite:///{workplace / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    steps = [r.data.tags for r in runs if "waypost.component" in r.data.tags]
    assert {t["waypost.component.version"] for t in steps} == {"1.0.0"}


def with_one_environment(library: Repository) -> None:
    """Gives a library one lock for all its components, of no package that would have to be fetched."""
    environment = library.path / "environment"
    environment.mkdir()
    (environment / "requirements.txt").write_text("packaging==26.0\nattrs==25.1\n")
    for name in ("load", "clean"):
        folder = library.path / name
        (folder / "requirements.txt").symlink_to("../environment/requirements.txt")
        (folder / "python_env.yaml").write_text("dependencies: [-r requirements.txt]\n")
        change = {"shared": ["kit", "environment"], "python_env": "python_env.yaml"}
        edit_contract(library.path, name, lambda contract, change=change: contract.update(change))
    library.release("1.1.0")


def test_environment_only(locked: Repository, library: Repository, workplace: Path, call: Call) -> None:
    """A new lock of the library moves no component: update says "environment only" with the packages, once;
    the key of a step knows what is installed, and not the folder that says so.
    """
    with_one_environment(library)
    assert "moved" in call(*WAYPOST, "update", locked.path).stdout
    before = lock_of(locked)
    assert call(*RUN, locked.path).returncode == 0
    (library.path / "environment" / "requirements.txt").write_text("packaging==26.1\nattrs==25.1\n")
    library.release("1.2.0")
    outdated = call(*WAYPOST, "outdated", locked.path)
    assert outdated.returncode == 1
    assert flat(outdated.stdout).count("newer environment") == 2
    assert flat(outdated.stdout).count("packaging 26.0 → 26.1") == 1
    diff = workplace / "changes.diff"
    updated = call(*WAYPOST, "update", locked.path, "--json", "--save-diff", diff)
    moves = json.loads(updated.stdout)["moves"]
    assert [move["state"] for move in moves] == ["environment only"] * 2
    assert moves[0]["packages"] == [{"name": "packaging", "old": "26.0", "new": "26.1"}]
    assert diff.read_text().count("+packaging==26.1") == 1
    after = lock_of(locked)
    for uses, pin in before.items():
        assert after[uses]["tree"] == pin["tree"]
        assert after[uses]["shared"]["kit"] == pin["shared"]["kit"]
        assert after[uses]["environment"] != pin["environment"]
    # The engine's own environment is the same, and so are the steps.
    again = call(*RUN, locked.path)
    assert "2 steps" in again.stdout
    assert again.stdout.count("reused") + again.stdout.count("is current") >= 1
    assert "started" not in again.stdout
    # Code in that folder is code.
    (library.path / "environment" / "words.py").write_text("WORD = 1\n")
    library.release("1.3.0")
    moves = json.loads(call(*WAYPOST, "update", locked.path, "--json").stdout)["moves"]
    assert [move["state"] for move in moves] == ["moved"] * 2
