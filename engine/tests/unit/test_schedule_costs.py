"""What an event costs the schedule does not grow with the steps that it does not concern.

Lines of the schedule's code are counted, not seconds: four times as many steps take four times as many lines.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from waypost.contracts import schedule as module
from waypost.contracts.schedule import Schedule
from waypost.contracts.schedule_line import Capacity, Demand
from waypost.contracts.schedule_messages import (
    Close,
    Closed,
    Ended,
    Event,
    Instruction,
    Lease,
    Leased,
    LookedUp,
    LookUp,
    Node,
    Opened,
    Passed,
    Refused,
    Start,
    StepId,
)

COUNTED = {str(file) for file in Path(module.__file__).parent.glob("schedule*.py")}


@dataclass
class World:
    """Answers at once. Steps of one name have one key; `refused` says how often a key is refused before it is
    granted, `failing` which steps fail, `demand` what a step needs.
    """

    graphs: Sequence[Sequence[Node]]
    capacity: Capacity
    refused: int = 0
    failing: Callable[[StepId], bool] = lambda _: False
    demand: Callable[[StepId], Demand] = lambda _: Demand()
    to_do: deque[Instruction] = field(default_factory=deque)
    running: deque[StepId] = field(default_factory=deque)
    finished: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    now: float = 0.0
    looked_up: int = 0

    def play(self) -> None:
        """Returns when all runs are closed."""
        self.schedule = Schedule(self.capacity)
        for number, graph in enumerate(self.graphs):
            self.tell(Opened(str(number), graph))
        while self.schedule.open_runs:
            while self.to_do:
                if event := self.answer(self.to_do.popleft()):
                    self.tell(event)
            self.now += 1
            self.tell(Passed(self.now, 1000))
            if self.running:
                step = self.running.popleft()
                ok = not self.failing(step)
                self.finished.update({step.name} if ok else ())
                self.tell(Ended(step, ok))

    def tell(self, event: Event) -> None:
        self.to_do += self.schedule.handle(event)

    def answer(self, instruction: Instruction) -> Event | None:
        match instruction:
            case LookUp(step):
                self.looked_up += 1
                is_there = step.name in self.finished
                return LookedUp(step, step.name, reusable=is_there, demand=self.demand(step))
            case Lease(step):
                self.asked[step.name] += 1
                is_granted = self.asked[step.name] > self.refused
                return Leased(step) if is_granted else Refused(step, self.now + 5)
            case Start(step):
                self.running.append(step)
            case Close(run):
                return Closed(run)
        return None


def lines_of(world: World) -> int:
    """Returns how many lines of the schedule a world takes until all has ended."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename in COUNTED else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        world.play()
    finally:
        sys.settrace(before)
    return count


def wide(size: int) -> list[list[Node]]:
    return [[Node("first"), *(Node(f"s{n}", ("first",)) for n in range(size))]]


def points(size: int) -> list[list[Node]]:
    """As a sweep: a step that all have, then one of their own."""
    return [[Node("shared"), Node(f"own{n}", ("shared",))] for n in range(size)]


WORLDS: dict[str, Callable[[int], World]] = {
    "one graph on few places": lambda size: World(wide(size), Capacity(4)),
    "one graph on as many places as steps": lambda size: World(wide(size), Capacity(size)),
    "a sweep": lambda size: World(points(size), Capacity(8)),
    "a sweep of which all are refused at first": lambda size: World(points(size), Capacity(8), refused=3),
    "steps that are all refused at first": lambda size: World(wide(size), Capacity(8), refused=2),
    "a shared step that fails": lambda size: World(
        points(size), Capacity(8), failing=lambda step: step.name == "shared"
    ),
    "steps of one graph that fail": lambda size: World(
        wide(size), Capacity(size), failing=lambda step: step.name != "first"
    ),
    "steps that wait for memory": lambda size: World(
        wide(size), Capacity(8, 8, 1000), demand=lambda step: Demand(memory=400 + len(step.name))
    ),
    "large steps among small ones": lambda size: World(
        wide(size), Capacity(8, 8), demand=lambda step: Demand(cpus=1 + 7 * step.name.endswith("0"))
    ),
}


@pytest.mark.parametrize("name", WORLDS)
def test_four_times_the_steps_cost_four_times_as_much(name: str) -> None:
    """Whatever the steps wait for, and whatever becomes of them."""
    small, large = (lines_of(WORLDS[name](size)) for size in (30, 120))
    assert large < 4.4 * small


@pytest.mark.parametrize("name", ["a shared step that fails", "a sweep of which all are refused at first"])
def test_a_key_is_not_looked_up_by_all_that_wait_for_it(name: str) -> None:
    """Each of them looks up a few times, not each time that one of the others has failed or was refused."""
    world = WORLDS[name](100)
    world.play()
    assert world.looked_up <= 8 * 100
