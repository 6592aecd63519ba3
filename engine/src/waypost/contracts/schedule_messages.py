"""Events that a schedule receives, and its instructions (see schedule.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from waypost.contracts.schedule_line import NOTHING, Demand


class State(StrEnum):
    """The state of a step."""

    WAITING = "waiting"  # for the steps that it needs
    LOOKED_UP = "looked up"  # searching for a finished step with its key
    PENDING = "pending"  # it has to run, and waits for a place
    ELSEWHERE = "leased elsewhere"  # another step, in this process or another run, computes its key
    LEASING = "leasing"  # it has a place, and requests the lease
    RUNNING = "running"
    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"  # it will not run, because another one failed
    CANCELLED = "cancelled"


@dataclass(frozen=True, order=True)
class StepId:
    """A step of a pipeline run."""

    run: str
    name: str


@dataclass(frozen=True)
class Node:
    """A step of the graph: it starts after those that it `needs`. If not `selected`, it is never executed: it
    is reused, or it fails.
    """

    name: str
    needs: tuple[str, ...] = ()
    selected: bool = True


# Events: what happened.


@dataclass(frozen=True)
class Opened:
    """A pipeline run is open, with all its steps. They need no others."""

    run: str
    nodes: Sequence[Node]


@dataclass(frozen=True)
class LookedUp:
    """The answer to LookUp: whether a finished step can be reused, and what the step needs if not.

    Steps with the same `key` are one if both are `shareable`; `leased` says that other runs may compute it,
    too. `demand` are the resources that it needs.
    """

    step: StepId
    key: str
    reusable: bool = False
    shareable: bool = True
    leased: bool = True
    demand: Demand = NOTHING


@dataclass(frozen=True)
class Leased:
    """The answer to Lease: the key is ours."""

    step: StepId


@dataclass(frozen=True)
class Refused:
    """The answer to Lease: another run has the key. Request it again at `until` or later."""

    step: StepId
    until: float


@dataclass(frozen=True)
class Taken:
    """The answer to Start: another process has taken the free GPUs. Start it at `until` or later."""

    step: StepId
    until: float


@dataclass(frozen=True)
class Ended:
    """The process of a step has ended, and its outcome is recorded."""

    step: StepId
    ok: bool


@dataclass(frozen=True)
class Closed:
    """The answer to Close, sent when closing begins: a run is closed once, whatever happens meanwhile."""

    run: str


@dataclass(frozen=True)
class Passed:
    """Time has passed: it is `now` (seconds of any clock), with so many `free` bytes of memory and `gpus`
    that no other process has; None if unknown. From now on there are so many `places`; None: unchanged.
    """

    now: float
    free: int | None = None
    gpus: int | None = None
    places: int | None = None


@dataclass(frozen=True)
class Cancelled:
    """Everything ends: `status` is the status of the runs."""

    status: str = "KILLED"


Event = Opened | LookedUp | Leased | Refused | Taken | Ended | Closed | Passed | Cancelled


# Instructions: what to do, in this order.


@dataclass(frozen=True)
class LookUp:
    """Search for a finished step with the key of this one; `again`: ignore the earlier result."""

    step: StepId
    again: bool = False


@dataclass(frozen=True)
class Lease:
    """Request the lease of the step's key."""

    step: StepId


@dataclass(frozen=True)
class ReleaseLease:
    """Release the lease of the step's key."""

    step: StepId


@dataclass(frozen=True)
class ReportElsewhere:
    """Report, once, that the step waits for another run's."""

    step: StepId


@dataclass(frozen=True)
class ReportBusy:
    """Report, once, that the step waits for GPUs that other processes have."""

    step: StepId


@dataclass(frozen=True)
class TakeOver:
    """Reuse the result that was found for this step."""

    step: StepId


@dataclass(frozen=True)
class Start:
    """Start the step's process, with `gpus` GPUs."""

    step: StepId
    gpus: int = 0


@dataclass(frozen=True)
class Reject:
    """Record that a step was not selected, and has no result to reuse."""

    step: StepId


@dataclass(frozen=True)
class Close:
    """Set the terminal status of a run; its steps have ended, or will not start."""

    run: str
    status: str


@dataclass(frozen=True)
class Cancel:
    """End the processes of a run's steps, and set its terminal status."""

    run: str
    status: str


Instruction = (
    LookUp | Lease | ReleaseLease | ReportElsewhere | ReportBusy | TakeOver | Start | Reject | Close | Cancel
)
