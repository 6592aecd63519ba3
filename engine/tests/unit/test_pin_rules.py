"""What a check of pins comes to, which moves count, and which commit a record describes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.repositories import Repository, make_repository
from tests.unit.test_lock_rules import PIN
from waypost.contracts.lock import Pin, folders_of
from waypost.errors import Finding, UsageError, WaypostError
from waypost.interfaces.record import Record, record_text
from waypost.pins.recorded_releases import described
from waypost.pins.updating import Move, State
from waypost.pins.verdict import UNREACHABLE, Verdict
from waypost.pins.watch import News, _news
from waypost.pins.workspace import required_lock


@pytest.mark.parametrize(
    ("categories", "code"),
    [
        ([], 0),
        ([UNREACHABLE], 3),
        ([UNREACHABLE, UNREACHABLE], 3),
        (["tag-moved"], 4),
        ([UNREACHABLE, "tag-moved"], 4),
        (["tag-moved", UNREACHABLE], 4),
        ([""], 4),
    ],
)
def test_the_verdict_is_that_of_the_worst(categories: list[str], code: int) -> None:
    """A remote that does not answer is exit code 3, whatever differs from the lock is 4, in any order."""
    assert Verdict(findings=[Finding("core", "x", category=name) for name in categories]).exit_code == code


@pytest.mark.parametrize(
    ("state", "goes", "is_relevant"),
    [
        ("moved", True, True),
        ("environment only", True, True),
        ("refused", False, True),
        ("same content", False, False),
        ("current", False, False),
        ("held", False, False),
    ],
)
def test_which_moves_count(state: State, goes: bool, is_relevant: bool) -> None:
    """A move counts where the component gets another content, or would if it fitted."""
    move = Move("core/load", state, None)
    assert (move.goes, move.is_relevant) == (goes, is_relevant)


def test_a_component_has_its_folder_and_those_that_it_shares() -> None:
    """The parts of a pin are the component's folder by its name, and the shared ones with their trees."""
    pin = Pin.model_validate(PIN | {"shared": {"kit": "c" * 40}})
    assert folders_of("core/load", pin) == {"load": "b" * 40, "kit": "c" * 40}


def test_what_a_remote_says_while_a_run_goes_on() -> None:
    """Silence is a remark, since the content is verified; whatever differs is a warning with its hint."""
    finding = {"place": "core v1", "problem": "the tag was moved", "hint": "find out why", "category": ""}
    assert _news(finding) == News("core v1: the tag was moved; find out why", warning=True)
    silent = _news({**finding, "category": UNREACHABLE})
    assert not silent.warning
    assert silent.text.startswith("core v1: its remote does not answer")


class Anywhere:
    """What of a workspace an error names."""

    lock_command = "waypost lock p"


def test_no_lock_is_no_lock() -> None:
    """Without a lock, what needs one says the command that makes it."""
    with pytest.raises(WaypostError, match=r"there is no components\.lock\.json") as error:
        required_lock(Anywhere(), None)  # type: ignore[arg-type]
    assert error.value.hint == "make it: waypost lock p"


FACTS: dict[str, Any] = {
    "kind": "pipeline",
    "name": "p",
    "version": "1.0.0",
    "date": "2026-01-01",
    "engine": "1",
    "made_with": {},
    "notes": "",
}


@pytest.fixture
def history(tmp_path: Path) -> Repository:
    """A repository with one commit that has a folder."""
    repository = make_repository(tmp_path / "p")
    write(repository, "code/run.py", "1\n")
    repository.commit("code")
    return repository


def write(repository: Repository, name: str, text: str) -> None:
    file = repository.path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def recorded(repository: Repository, name: str = "1.0.0", folder: str = "", **facts: Any) -> str:
    """Commits a record that lists the tree of `code`, and returns the commit."""
    tree = repository.git("rev-parse", f"HEAD:{folder}code")
    record = Record.model_validate(FACTS | {"trees": {"code": tree}} | facts)
    write(repository, f"{folder}releases/{name}.json", record_text(record))
    return repository.commit("record")


def found_in(repository: Repository, folder: str = ".") -> tuple[list[str], list[str]]:
    releases, findings = described(repository.path, "HEAD", folder)
    return [release.commit for release in releases], [finding.problem for finding in findings]


def test_a_record_is_the_commit_that_brought_it(history: Repository) -> None:
    """The release stays the commit that added its record, whatever comes later; other files are none."""
    assert found_in(history) == ([], [])
    commit = recorded(history)
    write(history, "releases/1.0.0.run.json", "{}")
    write(history, "code/run.py", "2\n")
    history.commit("later")
    assert found_in(history) == ([commit], [])


def test_a_record_that_came_back_is_where_its_trees_are(history: Repository) -> None:
    """Of several commits that added a record, the one that has what it lists is the release."""
    tree = history.git("rev-parse", "HEAD:code")
    write(history, "code/run.py", "2\n")
    recorded(history, trees={"code": tree})
    (history.path / "releases" / "1.0.0.json").unlink()
    write(history, "code/run.py", "1\n")
    history.commit("back")
    commit = recorded(history)
    assert found_in(history) == ([commit], [])
    (history.path / "releases" / "1.0.0.json").unlink()
    history.commit("gone again")
    recorded(history)
    assert found_in(history) == ([commit], [])


def test_a_named_commit_is_believed_only_where_it_fits(history: Repository) -> None:
    """A record of a time before records names its commit: one of this history, with the same trees."""
    first = history.git("rev-parse", "HEAD")
    write(history, "code/run.py", "2\n")
    second = history.commit("more")
    old = history.git("rev-parse", f"{first}:code")
    recorded(history, trees={"code": old}, commit=first)
    assert found_in(history) == ([first], [])
    recorded(history, trees={"code": old}, commit=second)
    new = history.git("rev-parse", f"{second}:code")
    says = f"it says tree {old[:12]} for code, its commit {second[:12]} has {new[:12]}"
    assert found_in(history) == ([], [says])
    recorded(history, trees={"code": old, "gone": old}, commit=first)
    says = f"it says tree {old[:12]} for gone, its commit {first[:12]} has nothing"
    assert found_in(history) == ([], [says])
    recorded(history, commit="f" * 40)
    assert found_in(history) == ([], ["its commit is not in this history"])
    write(history, "releases/.keep", "")
    recorded(history, name="0.9.0", version="0.9.0", trees={"gone": old}, commit=first)
    recorded(history, name="1.0.1")
    right = recorded(history, name="1.0.2", version="1.0.2")
    says = f"it says tree {old[:12]} for gone, its commit {first[:12]} has nothing"
    assert found_in(history) == (
        [right],
        [says, "its commit is not in this history", "it says version 1.0.0"],
    )


def test_a_record_has_the_version_of_its_name(history: Repository) -> None:
    """A record under another version's name is a finding, not a release."""
    recorded(history, name="1.0.1")
    assert found_in(history) == ([], ["it says version 1.0.0"])


def test_a_product_in_a_folder_has_its_own_releases(history: Repository) -> None:
    """Records and trees of a product are those in its folder; the ones at the top are another's."""
    write(history, "lib/code/run.py", "9\n")
    history.commit("library")
    top = recorded(history)
    inside = recorded(history, folder="lib/")
    assert found_in(history) == ([top], [])
    assert found_in(history, "lib") == ([inside], [])


def test_a_clone_without_history_is_told(history: Repository, tmp_path: Path) -> None:
    """Without history nothing is known of the commits: the error names the command that brings it."""
    recorded(history)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", history.path.as_uri(), clone], check=True)
    with pytest.raises(UsageError, match="this clone has no history") as error:
        described(clone, "HEAD")
    assert error.value.hint == "git fetch --unshallow"
