"""Which step does what next: a state that is told what happened, and answers with what to do.

It has no clock and does no input or output: the runner carries out its instructions, and tells it how they
ended. The states of a step, and what leads from one to the next, are drawn in docs/architecture.md.

Invariants:
- A step is looked up only when all steps that it needs are finished.
- Of the steps with one shareable key, at most one holds a place at any time, whichever pipelines they are
  of; the others wait for it, and are looked up again when it has ended.
- No more steps hold a place than there are places. One step always may, whatever memory it needs.
- A step whose key other runs of the tracking server may compute starts only under a lease, and only after
  it was looked up under that lease.
- After a step of a pipeline has failed, no other step of that pipeline starts.
- A run is closed once, when all of its steps have ended, or will not start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from waypost.contracts.schedule_messages import (
    Cancel,
    Cancelled,
    Close,
    Closed,
    Ended,
    Event,
    Instruction,
    Lease,
    Leased,
    LookedUp,
    LookUp,
    Opened,
    Passed,
    Refused,
    Reject,
    Release,
    Start,
    State,
    StepId,
    TakeOver,
    TellElsewhere,
)

_OVER = (State.DONE, State.REUSED, State.FAILED, State.SKIPPED)
_NOT_BEGUN = (State.WAITING, State.PENDING, State.ELSEWHERE)


@dataclass
class _Step:
    """What is known of a step. It holds a place from the moment that it may start until it has ended."""

    id: StepId
    selected: bool
    missing: int  # how many of the steps that it needs are not finished
    dependents: list[_Step] = field(default_factory=list)
    state: State = State.WAITING
    found: LookedUp | None = None
    is_leased: bool = False
    refusals: int = 0
    is_stale: bool = False  # it was refused since it was looked up: the key may be finished by now
    not_before: float = -math.inf

    @property
    def key(self) -> str:
        """The key by which others are the same step, empty where none is."""
        return self.found.key if self.found and self.found.shareable else ""

    @property
    def needs_lease(self) -> bool:
        return self.found is not None and self.found.leased

    @property
    def memory(self) -> int:
        return self.found.memory if self.found else 0


@dataclass
class _Run:
    name: str
    steps: list[_Step]
    left: int  # how many steps have no last state yet
    has_failed: bool = False


class Schedule:
    """The steps of all pipeline runs of a process, on so many places."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._runs: dict[str, _Run] = {}
        self._steps: dict[StepId, _Step] = {}
        self._wanting: dict[StepId, _Step] = {}  # those that would take a place, the first of them first
        self._asking: dict[StepId, _Step] = {}  # those of whose keys other runs may see that we asked
        self._placed: dict[StepId, _Step] = {}
        self._twins: dict[str, dict[StepId, _Step]] = {}  # by the key that a placed step computes
        self._now = 0.0
        self._free: int | None = None
        self._said: list[Instruction] = []
        self._over: list[_Run] = []

    @property
    def open_runs(self) -> list[str]:
        """The runs that are not closed, in the order in which they were opened."""
        return list(self._runs)

    def states(self, run: str) -> dict[str, State]:
        """Returns where the steps of a run are."""
        return {step.name: each.state for step, each in self._steps.items() if step.run == run}

    def handle(self, event: Event) -> list[Instruction]:
        """Takes what happened into account and returns what to do now, in this order.

        Raises ValueError for an answer to nothing that was asked.
        """
        match event:
            case Opened():
                self._open(event)
            case LookedUp():
                self._looked_up(self._asked(event.step, State.LOOKED_UP), event)
            case Leased():
                self._leased(self._asked(event.step, State.LEASING))
            case Refused():
                self._refused(self._asked(event.step, State.LEASING), event.until)
            case Ended():
                self._ended(self._asked(event.step, State.RUNNING), ok=event.ok)
            case Closed():
                del self._runs[event.run]
            case Passed():
                self._now, self._free = event.now, event.free
            case Cancelled():
                self._cancel(event.status)
        self._advance()
        said, self._said = self._said, []
        return said

    def _asked(self, step: StepId, state: State) -> _Step:
        found = self._steps.get(step)
        if found is None or found.state != state:
            is_now = found.state if found else "unknown"
            raise ValueError(f"{step}: not {state}, but {is_now}")
        return found

    def _say(self, *instructions: Instruction) -> None:
        self._said += instructions

    # What becomes of a step when something happened.

    def _open(self, event: Opened) -> None:
        steps = {
            node.name: _Step(StepId(event.run, node.name), node.selected, len(set(node.needs)))
            for node in event.nodes
        }
        for node in event.nodes:
            for need in set(node.needs):
                steps[need].dependents.append(steps[node.name])
        run = self._runs[event.run] = _Run(event.run, list(steps.values()), len(steps))
        if not steps:
            self._over.append(run)
        self._steps |= {step.id: step for step in steps.values()}
        for step in steps.values():
            if not step.missing:
                self._look_up(step)

    def _look_up(self, step: _Step) -> None:
        step.state = State.LOOKED_UP
        self._forget(step)
        self._say(LookUp(step.id, again=step.found is not None))

    def _looked_up(self, step: _Step, found: LookedUp) -> None:
        step.found, step.is_stale = found, False
        if self._runs[step.id.run].has_failed:
            self._give_up(step)
        elif found.reusable:
            self._release(step)
            self._say(TakeOver(step.id))
            self._finish(step, State.REUSED)
        elif not step.selected:
            self._say(Reject(step.id))
            self._fail(step)
        elif step.is_leased:
            step.state = State.RUNNING
            self._say(Start(step.id))
        else:
            self._want(step, State.PENDING)

    def _want(self, step: _Step, state: State) -> None:
        step.state = state
        self._wanting[step.id] = step

    def _leased(self, step: _Step) -> None:
        """Another run may have finished the step after it was looked up, and before we asked."""
        step.is_leased = True
        if self._runs[step.id.run].has_failed:
            self._give_up(step)
        else:
            self._look_up(step)

    def _refused(self, step: _Step, until: float) -> None:
        self._leave_place(step)
        step.refusals += 1
        step.is_stale = True
        step.not_before = until
        if self._runs[step.id.run].has_failed:
            self._give_up(step)
            return
        if step.refusals == 2:  # a first refusal is often over at once
            self._say(TellElsewhere(step.id))
        self._want(step, State.ELSEWHERE)

    def _ended(self, step: _Step, *, ok: bool) -> None:
        step.is_leased = False
        self._asking.pop(step.id, None)  # whoever recorded its end has let go of its key
        self._leave_place(step)
        if ok:
            self._finish(step, State.DONE)
        else:
            self._fail(step)

    def _end(self, step: _Step, state: State) -> None:
        step.state = state
        run = self._runs[step.id.run]
        run.left -= 1
        if not run.left:
            self._over.append(run)

    def _finish(self, step: _Step, state: State) -> None:
        self._end(step, state)
        for dependent in step.dependents:
            dependent.missing -= 1
            if not dependent.missing and not self._runs[step.id.run].has_failed:
                self._look_up(dependent)

    def _fail(self, step: _Step) -> None:
        run = self._runs[step.id.run]
        run.has_failed = True
        self._end(step, State.FAILED)
        for each in run.steps:
            if each.state in _NOT_BEGUN:
                self._give_up(each)

    def _give_up(self, step: _Step) -> None:
        self._release(step)
        self._forget(step)
        self._end(step, State.SKIPPED)

    def _cancel(self, status: str) -> None:
        for run in list(self._runs.values()):
            for step in run.steps:
                self._placed.pop(step.id, None)
                self._asking.pop(step.id, None)
                self._forget(step)
                if step.state not in _OVER:
                    step.state = State.CANCELLED
            self._say(Cancel(run.name, status))
            del self._runs[run.name]

    # Places and leases.

    def _take_place(self, step: _Step) -> None:
        del self._wanting[step.id]
        self._placed[step.id] = step
        if self._free is not None:
            self._free -= step.memory

    def _leave_place(self, step: _Step) -> None:
        if self._placed.pop(step.id, None):
            for twin in list(self._twins.pop(step.key, {}).values()):
                self._look_up(twin)

    def _forget(self, step: _Step) -> None:
        """A step that wanted to run does no more."""
        self._wanting.pop(step.id, None)
        self._twins.get(step.key, {}).pop(step.id, None)

    def _release(self, step: _Step) -> None:
        """Others may have its key, and its place."""
        if self._asking.pop(step.id, None):
            step.is_leased = False
            self._say(Release(step.id))
        self._leave_place(step)

    @property
    def _has_place(self) -> bool:
        return len(self._placed) < self._places

    def _fits(self, step: _Step) -> bool:
        """Tells whether the memory is there; where nothing runs, nothing is waited for."""
        return not self._placed or self._free is None or step.memory <= self._free

    def _advance(self) -> None:
        """Gives places to those that want one, and closes runs that are over.

        Where no place is free, nobody is looked at but those that asked for a key: so an event costs the
        same, however many steps wait.
        """
        for step in list(self._wanting.values()) if self._has_place else ():
            if not self._has_place:
                break
            if step.key and step.key in {each.key for each in self._placed.values()}:
                self._wait_here(step)
            elif self._fits(step) and step.not_before <= self._now:
                self._go_on(step)
        for step in list(self._asking.values()):
            if step.id in self._wanting and not (self._has_place and self._fits(step)):
                self._release(step)
        for run in self._over:
            self._say(Close(run.name, "FAILED" if run.has_failed else "FINISHED"))
        self._over.clear()

    def _wait_here(self, step: _Step) -> None:
        """Another step of this process computes the key right now."""
        self._forget(step)
        self._release(step)
        self._twins.setdefault(step.key, {})[step.id] = step
        step.state = State.ELSEWHERE

    def _go_on(self, step: _Step) -> None:
        if not step.needs_lease:
            self._take_place(step)
            step.state = State.RUNNING
            self._say(Start(step.id))
        elif step.is_stale:
            self._look_up(step)
        else:
            self._take_place(step)
            self._asking[step.id] = step
            step.state = State.LEASING
            self._say(Lease(step.id))


_PAUSE_PER_ASKING, _LONGEST_PAUSE_SECONDS = 20.0, 15.0


def pause_after(asking: float, jitter: float) -> float:
    """Returns how many seconds a run that waits for another's result waits before it asks again.

    `asking` is what an asking took: so each waiting run takes at most a twentieth of the server's time.
    `jitter`, between 0.5 and 1.5, keeps twenty runs from asking at the same moment.
    """
    return max(1.0, min(_PAUSE_PER_ASKING * asking, _LONGEST_PAUSE_SECONDS)) * jitter
