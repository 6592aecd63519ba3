"""Steps on workers that nobody wants any more: why they stop, and how soon."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from waypost.errors import WaypostError
from waypost.runs import lease_watch
from waypost.runs.lease_watch import LeaseWatch, replaced
from waypost.system.ending import GRACE_SECONDS


@dataclass
class Runs:
    """Stands for the runs of a tracking server."""

    status: str = "RUNNING"
    beat: str = "1"
    tags: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False

    def state_of(self, _: str) -> tuple[str, dict[str, str]]:
        if self.is_silent:
            raise WaypostError("no answer")
        return self.status, {"waypost.seen": self.beat}

    def tags_of(self, _: str) -> dict[str, str]:
        return self.tags


@pytest.fixture
def runs() -> Runs:
    return Runs(tags={"waypost.worker": "node7 a"})


def watch(runs: Runs) -> LeaseWatch:
    """Returns a watch that looks only when told to."""
    found = LeaseWatch(runs, "", "parent", "run", "node7 a")  # type: ignore[arg-type]
    found.close()
    return found


def test_an_engine_that_is_gone(runs: Runs) -> None:
    """A step ends within two minutes of the last heartbeat: seen late, missed late, ended slowly."""
    look = lease_watch._LOOK_SECONDS
    found = watch(runs)
    found.look(look)
    missed = look + lease_watch._SILENCE_SECONDS
    found.look(missed - 0.1)
    assert [found.why] == [""]
    found.look(missed)
    assert found.why == "the engine that started it does not respond"
    assert missed + look + 2 * GRACE_SECONDS <= 120


def test_a_silent_server_is_no_sign_of_that(runs: Runs) -> None:
    """While the tracking server does not answer nobody knows of the engine: the count begins again."""
    found = watch(runs)
    found.look(0.0)
    runs.is_silent = True
    found.look(200.0)
    runs.is_silent = False
    found.look(210.0)
    assert not found.why
    found.look(310.0)
    assert found.why


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({}, ""),
        ({"waypost.worker": "node7 a"}, ""),
        ({"waypost.worker": "node7 b"}, "another worker has begun it"),
        ({"waypost.worker": "node7 a", "waypost.given_up": "true"}, "another attempt has replaced it"),
    ],
)
def test_only_one_worker_records(runs: Runs, tags: dict[str, str], why: str) -> None:
    """Of two that began one attempt at the same moment the later claim counts, and the other one stops."""
    assert replaced(tags, "node7 a") == why
    runs.tags = tags
    found = watch(runs)
    found.look(0.0)
    assert found.why == why


def test_a_run_that_is_over(runs: Runs) -> None:
    """A pipeline's run that has ended wants none of its steps."""
    runs.status = "KILLED"
    found = watch(runs)
    found.look(0.0)
    assert found.why == "the pipeline's run is over"


def test_a_server_that_hangs_holds_up_no_step(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked in a thread of its own: neither the step nor the end of the watch waits for it."""
    monkeypatch.setattr(lease_watch, "_LOOK_SECONDS", 0.01)
    asked, answers = threading.Event(), threading.Event()

    def hang(_: str) -> Any:
        asked.set()
        answers.wait()
        return "KILLED", {}

    monkeypatch.setattr(runs, "state_of", hang)
    found = LeaseWatch(runs, "", "parent", "run", "node7 a")  # type: ignore[arg-type]
    assert asked.wait(10)
    found.close()
    assert not found.why
    answers.set()
