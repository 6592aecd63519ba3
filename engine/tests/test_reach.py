"""What `verify` asks: whose commits are locked, what a fresh machine has, what a remote had."""

from __future__ import annotations

from pathlib import Path

import pytest

import waypost
from tests.repositories import Repository, make_library, make_pipeline, record_of
from waypost.contracts.lock import FILE, lock_text, make_lock
from waypost.errors import FindingsError, IntegrityError
from waypost.pins.locking import resolve, write_lock
from waypost.pins.reachability import refuse_unreached
from waypost.pins.verdict import Verdict
from waypost.pins.verify import verify
from waypost.pins.workspace import Workspace, fresh_lock, open_workspace
from waypost.system.places import home


@pytest.fixture
def library(workplace: Path) -> Repository:
    return make_library(workplace / "components")


def opened(folder: Path, said: list[str], *, offline: bool = False) -> Workspace:
    return open_workspace(folder, said.append, offline=offline)


def locked(library: Repository, version: str) -> Path:
    """Returns the folder of a pipeline that is locked."""
    folder = make_pipeline(library.path.parent / "pipe", f"file://{library.path}", version).path
    workspace = opened(folder, [])
    write_lock(workspace, resolve(workspace, None), None)
    return folder


def fresh_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYPOST_HOME", f"{home()}-fresh")


def categories(verdict: Verdict) -> list[str]:
    return [finding.category for finding in verdict.findings]


@pytest.mark.parametrize("kept", ["pull request", "nothing"])
def test_a_commit_that_no_branch_has(library: Repository, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is locked while a branch has it. Once none has, a hosting service may still give it away, as it does
    with those of forks: told apart, and refused by whoever does not know it from before.
    """
    library.git("config", "uploadpack.allowAnySHA1InWant", "true")
    library.git("checkout", "-q", "-b", "side")
    commit = library.commit("on a side branch")
    library.git("checkout", "-q", "main")
    folder = locked(library, commit)
    assert verify(opened(folder, [])).exit_code == 0
    library.git("branch", "-qD", "side")
    if kept == "pull request":
        library.git("update-ref", "refs/pull/1/head", commit)
    else:
        library.git("reflog", "expire", "--expire=now", "--all")
        library.git("gc", "--quiet", "--prune=now")
    expected = "commit-unreached" if kept == "pull request" else "commit-gone"
    assert categories(verify(opened(folder, []))) == [expected]
    known = opened(folder, [])
    refuse_unreached(known, fresh_lock(known))
    fresh_machine(monkeypatch)
    new = opened(folder, [])
    with pytest.raises(IntegrityError, match=f"{commit}"):
        refuse_unreached(new, fresh_lock(new))
    assert expected in categories(verify(new))
    said: list[str] = []
    offline = opened(folder, said, offline=True)
    refuse_unreached(offline, fresh_lock(offline))
    assert "not checked whether a branch or a tag has the locked commits: core: this is offline" in said


def test_a_fresh_machine_looks(library: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not in the cache is fetched and compared; offline it is not verified, and that is no ✓."""
    folder = locked(library, "~=1.0")
    lock = fresh_lock(opened(folder, []))
    assert lock
    fresh_machine(monkeypatch)
    offline = verify(opened(folder, [], offline=True))
    assert (offline.unchecked, offline.exit_code) == (["core/clean", "core/load"], 3)
    found = waypost.verify(folder, offline=True)
    assert [(f.place, f.category) for f in found] == [(u, "unreachable") for u in offline.unchecked]
    verdict = verify(opened(folder, []))
    assert (verdict.findings, verdict.unchecked, verdict.exit_code) == ([], [], 0)
    monkeypatch.setenv("WAYPOST_HOME", f"{home()}-again")
    pins = {u: p.model_copy(update={"interface": f"sha256:{'0' * 64}"}) for u, p in lock.components.items()}
    workspace = opened(folder, [])
    (folder / FILE).write_text(lock_text(make_lock(workspace.pipeline, pins, "x")))
    assert categories(verify(workspace)) == ["interface-differs"] * 2


def test_a_server_that_is_away(library: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freshness is told without the remote; what could not be asked is said."""
    folder = locked(library, "~=1.0")
    fresh_machine(monkeypatch)
    library.path.rename(library.path.with_name("away"))
    said: list[str] = []
    workspace = opened(folder, said)
    refuse_unreached(workspace, fresh_lock(workspace))
    assert any("not checked whether" in text and "no such repository" in text for text in said)
    verdict = verify(workspace)
    assert (categories(verdict), verdict.exit_code) == (["unreachable"], 3)


def write_records(library: Repository, *names: str) -> None:
    (library.path / "releases").mkdir(exist_ok=True)
    record = record_of(library, "1.0.0", library.git("rev-parse", "v1.0.0^{tree}"))
    for name in names:
        text = '{"reason": "leaks"}' if "yanked" in name else record
        (library.path / "releases" / name).write_text(text)
    library.commit("records")


def test_the_way_out_of_a_yanked_release(library: Repository) -> None:
    """An update is advised only where it finds another release; a yank that was pushed away is kept."""
    folder = locked(library, "==1.0.0")
    write_records(library, "1.0.0.json", "1.0.0.yanked.json")
    [finding] = verify(opened(folder, [])).findings
    assert finding.hint.startswith("no other release fits ==1.0.0: ask for another in pipeline.yaml, then: ")
    library.git("reset", "-q", "--hard", "v1.0.0")
    library.release("1.1.0")
    kept, lost = verify(opened(folder, [])).findings
    assert "leaks; the default branch had this record" in kept.problem
    assert (lost.place, lost.category) == ("core releases/1.0.0.json", "record-changed")


def test_an_update_that_helps(library: Repository) -> None:
    """Where another release fits what is asked for, an update moves away."""
    folder = locked(library, "~=1.0")
    library.release("1.1.0")
    write_records(library, "1.0.0.yanked.json")
    [finding] = verify(opened(folder, [])).findings
    assert finding.hint == "move away: waypost update core"


def test_a_tag_that_was_cut_again(library: Repository) -> None:
    """A tag that is not what the default branch records is neither locked nor, once it is, verified, also by
    a machine that never saw another one. A record that is none is told.
    """
    write_records(library, "1.0.0.json")
    folder = make_pipeline(library.path.parent / "pipe", f"file://{library.path}").path
    honest = resolve(opened(folder, []), None)
    library.git("checkout", "-q", "--detach", "v1.0.0")
    (library.path / "load" / "run.py").write_text("print('other')")
    commit = library.release("1.0.0", force=True)
    library.git("checkout", "-q", "main")
    with pytest.raises(IntegrityError, match=r"1.0.0.json: load is not what the default branch's"):
        resolve(opened(folder, []), None)
    pins = {u: p.model_copy(update={"commit": commit}) for u, p in honest.components.items()}
    workspace = opened(folder, [])
    write_lock(workspace, make_lock(workspace.pipeline, pins, "x"), None)
    assert set(categories(verify(workspace))) == {"record-differs", "tree-differs"}
    (library.path / "releases" / "1.0.0.json").write_text("{}")
    library.commit("no record")
    with pytest.raises(FindingsError, match=r"1.0.0.json: kind: this key is required"):
        resolve(opened(folder, []), None)
    assert any("releases/1.0.0.json" in finding.place for finding in verify(opened(folder, [])).findings)
