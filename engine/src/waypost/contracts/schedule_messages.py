"""What a schedule is told, and what it says: events and instructions of steps (see schedule.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from waypost.contracts.schedule_line import NOTHING, Demand


class State(StrEnum):
    """Where a step is."""

    WAITING = "waiting"  # for the steps that it needs
    LOOKED_UP = "looked up"  # whether a finished step has its key, is being found out
    PENDING = "pending"  # it has to run, and wants a place
    ELSEWHERE = "leased elsewhere"  # another step, of this process or of another run, computes its key
    LEASING = "leasing"  # it has a place; whether the lease is granted, is being found out
    RUNNING = "running"
    DONE = "done"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"  # it will not run, since another one failed
    CANCELLED = "cancelled"


@dataclass(frozen=True, order=True)
class StepId:
    """A step of a pipeline run."""

    run: str
    name: str


@dataclass(frozen=True)
class Node:
    """A step of the graph: it starts after those that it `needs`. One that is not `selected` is never
    executed: it is taken over, or it fails.
    """

    name: str
    needs: tuple[str, ...] = ()
    selected: bool = True


# Events: what happened.


@dataclass(frozen=True)
class Opened:
    """A pipeline run is there, with all its steps. They need no others."""

    run: str
    nodes: Sequence[Node]


@dataclass(frozen=True)
class LookedUp:
    """The answer to LookUp: whether a finished step can be taken over, and what the step needs if none can.

    Steps with the same `key` are one if both are `shareable`; `leased` says that other runs may compute it,
    too. `demand` is what a machine has to have for it.
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
    """The answer to Lease: another run has the key. Not to be asked for again before `until`."""

    step: StepId
    until: float


@dataclass(frozen=True)
class Taken:
    """The answer to Start: the GPUs that were free are another process's by now. Not to be started before
    `until`.
    """

    step: StepId
    until: float


@dataclass(frozen=True)
class Ended:
    """The process of a step has ended, and all that it left is recorded."""

    step: StepId
    ok: bool


@dataclass(frozen=True)
class Closed:
    """The answer to Close, told as soon as it is begun: a run is closed once, whatever happens meanwhile."""

    run: str


@dataclass(frozen=True)
class Passed:
    """Time went by: it is `now` (seconds of any clock), so many bytes of memory are free, and so many GPUs
    are not another process's; None if unknown. There are so many `places` from now on; None:
    as many as before.
    """

    now: float
    free: int | None = None
    gpus: int | None = None
    places: int | None = None


@dataclass(frozen=True)
class Cancelled:
    """All comes to its end: `status` is what becomes of the runs."""

    status: str = "KILLED"


Event = Opened | LookedUp | Leased | Refused | Taken | Ended | Closed | Passed | Cancelled


# Instructions: what to do, in this order.


@dataclass(frozen=True)
class LookUp:
    """Find out whether a finished step has the key of this one; `again`: whatever was found before."""

    step: StepId
    again: bool = False


@dataclass(frozen=True)
class Lease:
    """Ask the other runs of the tracking server for the step's key."""

    step: StepId


@dataclass(frozen=True)
class ReleaseLease:
    """Let others have the step's key."""

    step: StepId


@dataclass(frozen=True)
class ReportElsewhere:
    """Tell that the step waits for another run's, once."""

    step: StepId


@dataclass(frozen=True)
class ReportBusy:
    """Tell that the step waits for GPUs that other processes have, once."""

    step: StepId


@dataclass(frozen=True)
class TakeOver:
    """Take the result that was found for this step's."""

    step: StepId


@dataclass(frozen=True)
class Start:
    """Start the step's process, with so many GPUs."""

    step: StepId
    gpus: int = 0


@dataclass(frozen=True)
class Reject:
    """Note that a step which was not selected has no result to take over."""

    step: StepId


@dataclass(frozen=True)
class Close:
    """Give a run whose steps have ended, or will not start, its terminal status."""

    run: str
    status: str


@dataclass(frozen=True)
class Cancel:
    """End the processes of a run's steps, and give it its terminal status."""

    run: str
    status: str


Instruction = (
    LookUp | Lease | ReleaseLease | ReportElsewhere | ReportBusy | TakeOver | Start | Reject | Close | Cancel
)
