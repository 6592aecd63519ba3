"""The library leaves this repository, and comes out the same wherever that is done."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Call
from tests.repositories import git_daemon
from waypost.contracts.lock import parse_lock
from waypost.interfaces.interface import component_with, interface_digest
from waypost.sources.git import has_whole, is_shallow

EXPORT = ("python", "-m", "waypost", "components", "export")
LOCK = parse_lock((ROOT / "pipeline" / "components.lock.json").read_text(), "")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", folder, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def clone(workplace: Path) -> Path:
    """A clone of this repository, without its tags, in another place."""
    if is_shallow(ROOT):
        pytest.skip("this clone has no history to split")
    folder = workplace / "somewhere" / "main"
    subprocess.run(["git", "clone", "-q", "--no-tags", ROOT, folder], check=True)
    return folder


def test_locked_content_is_here() -> None:
    """This repository has everything that the reference lock names, in its history if not in the folder:
    a clone runs without network.
    """
    if is_shallow(ROOT):
        pytest.skip("this clone has no history")
    assert has_whole(
        ROOT, [tree for pin in LOCK.components.values() for tree in (pin.tree, *pin.shared.values())]
    )


def test_record_is_that_of_the_lock() -> None:
    """The library's record of the locked version has the same trees and digests as the lock."""
    [version] = {pin.version for pin in LOCK.components.values()}
    record = json.loads((ROOT / "components-repo" / "releases" / f"{version}.json").read_text())
    for uses, pin in LOCK.components.items():
        name = uses.partition("/")[2]
        component = record["components"][name]
        assert component["tree"] == pin.tree
        digest = interface_digest(component_with(name, component["interface"]))
        assert f"sha256:{digest}" == pin.interface
        assert component["environment"] == pin.environment
        assert pin.shared.items() <= record["trees"].items()


def test_export_story(clone: Path, call: Call, workplace: Path) -> None:
    """Export gives the commit and trees that the lock has; the pipeline then locks and runs against it,
    with no local folder at all, from another machine's clone over git.
    """
    bare = clone.parent / "components.git"
    before = git(clone, "status", "--porcelain"), sorted(p.name for p in (clone / ".git").iterdir())
    result = call(*EXPORT, "../components.git", cwd=clone)
    assert result.returncode == 0, result.stderr
    assert (git(clone, "status", "--porcelain"), sorted(p.name for p in (clone / ".git").iterdir())) == before
    pin = LOCK.components["core/preprocess"]
    assert git(bare, "rev-parse", f"{pin.tag}^{{commit}}") == pin.commit
    assert git(bare, "rev-parse", f"{pin.tag}:preprocess") == pin.tree
    assert git(bare, "rev-list", "--count", "main") != "1"
    tag = git(bare, "rev-parse", pin.tag)
    repeated = call(*EXPORT, bare, cwd=clone)
    assert repeated.returncode == 0, repeated.stderr
    assert git(bare, "rev-parse", pin.tag) == tag
    # The origin of `clone` is elsewhere: what is relative to it is so only on a server of its own.
    with git_daemon(clone.parent) as url:
        git(clone, "remote", "set-url", "origin", f"{url}/main.git")
        # What the folder holds beyond the lock waits for the library's next release.
        subprocess.run(["rm", "-rf", clone / "components-repo"], check=True)
        verdict = call("python", "-m", "waypost", "verify", clone / "pipeline")
        assert verdict.returncode == 0, verdict.stdout
        assert "remotes asked: core" in verdict.stdout
        (clone / "pipeline" / "components.lock.json").unlink()
        locked = call("python", "-m", "waypost", "lock", clone / "pipeline")
        assert locked.returncode == 0, locked.stderr
        again = parse_lock((clone / "pipeline" / "components.lock.json").read_text(), "")
        # The engine may be another one; the answer is not.
        assert (again.components, again.requirements) == (LOCK.components, LOCK.requirements)
        plan = call("python", "-m", "waypost", "run", clone / "pipeline", "--dry-run")
        assert plan.returncode == 0, plan.stderr


def test_export_refusals(clone: Path, call: Call, workplace: Path) -> None:
    """A record that does not fit, a folder that is no repository, a clone without history: refused."""
    (workplace / "full").mkdir()
    (workplace / "full" / "file").touch()
    assert "is there, but no git repository" in call(*EXPORT, workplace / "full", cwd=clone).stderr
    shallow = workplace / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{clone}", shallow], check=True)
    assert "git fetch --unshallow" in call(*EXPORT, workplace / "x.git", cwd=shallow).stderr
    record = clone / "components-repo" / "releases" / "1.0.0.json"
    content = json.loads(record.read_text())
    content["trees"]["download"] = "0" * 40
    other = record.with_name("9.0.0.json")
    other.write_text(json.dumps({**content, "version": "9.0.0"}))
    git(clone, "add", ".")
    git(clone, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "wrong record")
    result = call(*EXPORT, workplace / "x.git", cwd=clone)
    assert result.returncode == 4
    assert "releases/9.0.0.json" in result.stderr
    assert "says tree 000000000000 for download" in result.stderr
