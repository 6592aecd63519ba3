"""Attempts on a cluster: what a worker's answer, its silence or its end means for the step."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("distributed")

from waypost.runs.dask_attempt import Attempt, Order
from waypost.runs.executor import LostError


@dataclass
class Task:
    """Stands for a task that has ended; its worker sends the answer once it `goes` on."""

    answer: Any
    goes: threading.Event
    status: str = "finished"

    def done(self) -> bool:
        return True

    def add_done_callback(self, _: object) -> None:
        return

    def result(self) -> str:
        self.goes.wait()
        return json.dumps({"done": self.answer})


@dataclass
class Owner:
    """Stands for the executor; `why` is its reason against a retry."""

    why: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    has_ended: bool = False
    hears: threading.Event = field(default_factory=threading.Event)

    @property
    def tracker(self) -> Any:
        return SimpleNamespace(
            tag=lambda _, tags: self.tags.update(tags),
            state_of=lambda _: ("RUNNING", self.tags),
            log_text_once=lambda *_: None,
        )

    def hear_of_end(self) -> None:
        self.hears.set()

    def ended(self, _: object) -> None:
        self.has_ended = True

    def died(self, _: object, worker: str) -> str:
        self.deaths.append(worker)
        return self.why

    def stopped(self, _: object, why: str) -> str:
        self.stops.append(why)
        return self.why

    def leave_out(self, *_: object) -> str:
        return self.why


def attempt(owner: Owner, answer: Any, goes: threading.Event | None = None) -> Attempt:
    """Returns an attempt whose task has ended."""
    if goes is None:
        goes = threading.Event()
        goes.set()
    task = Task(answer, goes)
    cluster: Any = SimpleNamespace(submit=lambda *_, **__: task, check=lambda _: None)
    work: Any = SimpleNamespace(
        run_id="r", step=SimpleNamespace(name="train", entry_point=SimpleNamespace(outputs={}))
    )
    found = Attempt(owner, cluster, work, Order("key", {}, {}, 1))
    found.submit()
    return found


def test_a_stopped_step_is_no_dead_worker() -> None:
    """A worker that stopped a step says why, and is not counted among those that died of it."""
    owner = Owner()
    stopped = {"stopped": "the engine that started it does not respond", "worker": "node7"}
    with pytest.raises(LostError, match=r"^worker node7 stopped it: the engine that started it does not"):
        attempt(owner, stopped).poll()
    assert owner.stops == ["the engine that started it does not respond"]
    assert not owner.deaths
    assert owner.has_ended
    assert owner.tags == {"waypost.given_up": "true"}


def test_a_step_is_not_stopped_again_and_again() -> None:
    """The owner ends it, and the step fails with the owner's reason."""
    found = attempt(Owner(why="stopped too often"), {"stopped": "the pipeline's run is over", "worker": "a"})
    assert found.poll()
    assert found.result().cause == "stopped too often"


def test_what_was_recorded_counts() -> None:
    """A worker that recorded its end before it stopped or died has done the step."""
    owner = Owner(tags={"waypost.complete": "true", "waypost.output.out": "0f"})
    work = attempt(owner, {"stopped": "the worker leaves the cluster", "worker": "a"})
    assert work.poll()
    assert work.result().digests == {"out": "0f"}


def test_a_worker_that_stops_with_its_answer_holds_nobody_up() -> None:
    """The answer of an ended task is on its worker: the engine goes on while it is fetched."""
    owner, goes = Owner(), threading.Event()
    found = attempt(owner, {"ended": {"code": 0, "models": [], "digests": {"out": "0f"}}}, goes)
    assert not found.poll()
    assert not owner.has_ended
    goes.set()
    assert owner.hears.wait(10)
    assert found.poll()
    assert owner.has_ended
    assert found.result().digests == {"out": "0f"}
