"""The schedule's state of a step, and of its run."""

from __future__ import annotations

from dataclasses import dataclass, field

from waypost.contracts.schedule_line import NOTHING, Demand
from waypost.contracts.schedule_messages import LookedUp, State, StepId

OVER = (State.DONE, State.REUSED, State.FAILED, State.SKIPPED)
NOT_BEGUN = (State.WAITING, State.PENDING, State.ELSEWHERE)


@dataclass(slots=True, eq=False)
class ScheduledStep:
    """The state of a step. It holds a place from the moment that it may start until it has ended."""

    id: StepId
    run: ScheduledRun
    selected: bool
    missing: int  # number of needed steps that are not finished
    dependents: list[ScheduledStep] = field(default_factory=list)
    state: State = State.WAITING
    found: LookedUp | None = None
    is_leased: bool = False
    refusals: int = 0
    is_stale: bool = False  # refused since its lookup: the key may be finished by now
    is_announced: bool = False  # whether its wait for GPUs was reported

    @property
    def key(self) -> str:
        """The key that it shares with other steps, empty if none."""
        return sharing_key(self.found) if self.found else ""

    @property
    def needs_lease(self) -> bool:
        return self.found is not None and self.found.leased

    @property
    def demand(self) -> Demand:
        return self.found.demand if self.found else NOTHING


@dataclass(slots=True, eq=False)
class ScheduledRun:
    name: str
    number: int
    left: int  # number of steps without a terminal state
    steps: list[ScheduledStep] = field(default_factory=list)
    has_failed: bool = False


def sharing_key(found: LookedUp) -> str:
    return found.key if found.shareable else ""
