"""What a run with nothing to do knows of its remotes."""

from __future__ import annotations

from pathlib import Path

import pytest

from waypost.contracts import lock
from waypost.errors import Finding
from waypost.pins import last_look as module
from waypost.pins.last_look import Look, age, ask_beside, last_look, note_look


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    (tmp_path / module.FILE).write_text("{}")
    return tmp_path


def test_a_look_belongs_to_its_lock(folder: Path) -> None:
    """What was found is there until the lock changes; then nothing is known."""
    assert last_look(folder) is None
    note_look(folder, [Finding("core v1.0.0", "the tag was moved", "find out why", "tag-moved")])
    look = last_look(folder)
    assert look is not None
    assert look.warnings == ("core v1.0.0: the tag was moved; find out why",)
    (folder / module.FILE).write_text("{ }")
    assert last_look(folder) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"asked": "x", "lock": 1, "warnings": null}'])
def test_a_damaged_note(folder: Path, content: str) -> None:
    """It is no look, and no reason to stop."""
    note_look(folder, [])
    [file] = (folder / "home" / "looks").glob("*.json")
    file.write_text(content)
    assert last_look(folder) is None


def test_words() -> None:
    """What is known is told with its age."""
    assert Look(0.0, ()).lines(5.0) == [
        "no tag was moved and nothing was yanked when the remotes were last checked, 5 seconds ago"
        " (--verify asks now)"
    ]
    assert Look(0.0, ("core: moved",)).lines(90000.0) == [
        "core: moved",
        "so it was when the remotes were last checked, 1 day ago (--verify asks now)",
    ]
    assert [age(s) for s in (0.2, 1, 119, 7200, 200000)] == [
        *("less than a second", "1 second", "1 minute", "2 hours", "2 days")
    ]


def test_a_day_is_old() -> None:
    """So is a time that has not come yet, as after a clock was set."""
    assert [Look(0.0, ()).is_old(now) for now in (0, 86399, 86400, -1)] == [False, False, True, True]


def test_asked_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the answer; while one asks, nobody else does; `never` asks nothing."""
    started: list[list[str]] = []
    monkeypatch.setattr("waypost.system.process.start_apart", started.append)
    for setting in ("never", "", ""):
        monkeypatch.setenv("WAYPOST_LOOK", setting)
        ask_beside(folder)
    [command] = started
    assert command[-4:] == [str(folder.resolve()), "--remotes-only", "--within", "120"]


def test_the_name_of_a_lock() -> None:
    """It stands twice, since importing the rest takes too long."""
    assert module.FILE == lock.FILE
