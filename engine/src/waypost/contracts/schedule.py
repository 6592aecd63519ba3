"""Which step does what next: a state that receives events and returns instructions.

It has no clock and does no input or output: the runner carries out its instructions, and reports the outcome
as events. The states of a step and their transitions are drawn in docs/architecture.md.

Invariants:
- A step is looked up only when all steps that it needs are finished.
- Of the steps with the same shareable key, in any pipelines, at most one is in progress at any time; the
  others wait for it, and are looked up again when it is finished.
- Steps never hold more places, nor more of the machine, than there are (schedule_line.py).
- If other runs of the tracking server may compute a step's key, it starts only under a lease, and only
  after it was looked up under that lease.
- After a step of a pipeline has failed, no other step of that pipeline starts.
- A run is closed once, when all of its steps have ended, or will not start.
- The cost of an event does not grow with the number of steps that it does not concern.
"""

from __future__ import annotations

import math
from collections import defaultdict

from waypost.contracts.schedule_line import Capacity, Line
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
    ReleaseLease,
    ReportBusy,
    ReportElsewhere,
    Start,
    State,
    StepId,
    Taken,
    TakeOver,
)
from waypost.contracts.schedule_steps import NOT_BEGUN, OVER, ScheduledRun, ScheduledStep, sharing_key
from waypost.contracts.schedule_twins import Twins


class Schedule:
    """The steps of all pipeline runs of a process, and the capacity. Runs that were opened first go first."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._runs: dict[str, ScheduledRun] = {}
        self._steps: dict[StepId, ScheduledStep] = {}
        self._opened = 0
        self._leases: set[StepId] = set()  # steps with a lease or a request for one
        self._begin()
        self._instructions: list[Instruction] = []
        self._over: list[ScheduledRun] = []

    def _begin(self) -> None:
        self._line: Line[StepId] = Line(self._capacity)
        self._twins: Twins[StepId] = Twins()
        # Steps with a lease or a request that wait in the line, by what they may lack.
        self._queued_leases: dict[int, dict[StepId, None]] = defaultdict(dict)
        self._leases.clear()

    @property
    def open_runs(self) -> list[str]:
        """The runs that are not closed, in the order of opening."""
        return list(self._runs)

    @property
    def is_hungry(self) -> bool:
        """Whether another run's steps could start: a place is free, and no waiting step is due."""
        return not self._line.is_full and not self._line.has_next

    @property
    def wants_gpus(self) -> bool:
        """Whether a step waits for GPUs."""
        return self._line.wants_gpus

    def states(self, run: str) -> dict[str, State]:
        """Returns the states of a run's steps."""
        return {step.name: each.state for step, each in self._steps.items() if step.run == run}

    def handle(self, event: Event) -> list[Instruction]:
        """Processes an event and returns what to do now, in this order.

        Raises ValueError for an answer to an instruction that was not given.
        """
        match event:
            case Opened():
                self._open(event)
            case LookedUp():
                self._looked_up(self._step_in(event.step, State.LOOKED_UP), event)
            case Leased():
                self._leased(self._step_in(event.step, State.LEASING))
            case Refused():
                self._refused(self._step_in(event.step, State.LEASING), event.until)
            case Taken():
                self._taken(self._step_in(event.step, State.RUNNING), event.until)
            case Ended():
                self._ended(self._step_in(event.step, State.RUNNING), ok=event.ok)
            case Closed():
                del self._runs[event.run]
            case Passed():
                self._line.pass_time(event.now, event.free, event.gpus, event.places)
            case Cancelled():
                self._cancel(event.status)
        self._advance()
        instructions, self._instructions = self._instructions, []
        return instructions

    def _step_in(self, step: StepId, state: State) -> ScheduledStep:
        found = self._steps.get(step)
        if found is None or found.state != state:
            is_now = found.state if found else "unknown"
            raise ValueError(f"{step}: not {state}, but {is_now}")
        return found

    def _instruct(self, *instructions: Instruction) -> None:
        self._instructions += instructions

    # What happens to a step on an event.

    def _open(self, event: Opened) -> None:
        run = self._runs[event.run] = ScheduledRun(event.run, self._opened, len(event.nodes))
        self._opened += 1
        steps = {
            node.name: ScheduledStep(StepId(event.run, node.name), run, node.selected, len(set(node.needs)))
            for node in event.nodes
        }
        for node in event.nodes:
            for need in set(node.needs):
                steps[need].dependents.append(steps[node.name])
        run.steps += steps.values()
        if not steps:
            self._over.append(run)
        self._steps |= {step.id: step for step in steps.values()}
        for step in run.steps:
            if not step.missing:
                self._look_up(step)

    def _look_up(self, step: ScheduledStep) -> None:
        self._dequeue(step)
        step.state = State.LOOKED_UP
        self._instruct(LookUp(step.id, again=step.found is not None))

    def _looked_up(self, step: ScheduledStep, found: LookedUp) -> None:
        if step.key != sharing_key(found):
            self._pass_on(step)
        step.found, step.is_stale = found, False
        if step.run.has_failed:
            self._give_up(step)
        elif found.reusable:
            self._release(step)
            self._instruct(TakeOver(step.id))
            self._finish(step, State.REUSED)
        elif not step.selected:
            self._instruct(Reject(step.id))
            self._fail(step)
        elif step.is_leased:
            step.state = State.RUNNING
            self._instruct(Start(step.id, step.demand.gpus))
        elif self._twins.join(step.key, step.id):
            self._enqueue(step, State.PENDING)
        else:
            self._release(step)
            step.state = State.ELSEWHERE

    def _leased(self, step: ScheduledStep) -> None:
        """Looks the step up again: another run may have finished it between lookup and request."""
        step.is_leased = True
        if step.run.has_failed:
            self._give_up(step)
        else:
            self._look_up(step)

    def _refused(self, step: ScheduledStep, until: float) -> None:
        """The step will request again, on behalf of all steps with its key."""
        self._line.give_back(step.id)
        if step.run.has_failed:
            self._give_up(step)
            return
        step.refusals += 1
        if step.refusals == 2:  # a first refusal is often brief
            self._instruct(ReportElsewhere(step.id))
        step.is_stale = True
        self._enqueue(step, State.ELSEWHERE, until)

    def _taken(self, step: ScheduledStep, until: float) -> None:
        """Releases the key: others may compute it until the step has its GPUs."""
        self._release(step)
        if step.run.has_failed:
            self._give_up(step)
            return
        step.is_stale = step.needs_lease
        self._enqueue(step, State.PENDING, until)

    def _ended(self, step: ScheduledStep, *, ok: bool) -> None:
        step.is_leased = False
        self._leases.discard(step.id)  # its key was released when its end was recorded
        self._line.give_back(step.id)
        if ok:
            self._finish(step, State.DONE)
        else:
            self._fail(step)

    def _end(self, step: ScheduledStep, state: State) -> None:
        step.state = state
        step.run.left -= 1
        if not step.run.left:
            self._over.append(step.run)

    def _finish(self, step: ScheduledStep, state: State) -> None:
        self._end(step, state)
        for twin in self._twins.end(step.key, step.id):
            self._look_up(self._steps[twin])
        for dependent in step.dependents:
            dependent.missing -= 1
            if not dependent.missing and not step.run.has_failed:
                self._look_up(dependent)

    def _fail(self, step: ScheduledStep) -> None:
        self._end(step, State.FAILED)
        if not step.run.has_failed:  # otherwise the others have been told already
            step.run.has_failed = True
            for each in step.run.steps:
                if each.state in NOT_BEGUN:
                    self._give_up(each)
        self._pass_on(step)

    def _give_up(self, step: ScheduledStep) -> None:
        self._release(step)
        self._dequeue(step)
        self._end(step, State.SKIPPED)
        self._pass_on(step)

    def _pass_on(self, step: ScheduledStep) -> None:
        """A step no longer wants its key: a twin takes its place, unless its own run has failed."""
        twin = self._twins.leave(step.key, step.id)
        if twin and not self._steps[twin].run.has_failed:
            self._look_up(self._steps[twin])

    def _cancel(self, status: str) -> None:
        self._begin()
        for run in self._runs.values():
            for step in run.steps:
                if step.state not in OVER:
                    step.state = State.CANCELLED
            self._instruct(Cancel(run.name, status))
        self._runs.clear()

    # Places and leases.

    def _enqueue(self, step: ScheduledStep, state: State, not_before: float = -math.inf) -> None:
        step.state = state
        self._line.join(step.id, step.demand, step.run.number, not_before)
        if step.id in self._leases:
            self._queued_leases[step.demand.kinds][step.id] = None

    def _dequeue(self, step: ScheduledStep) -> None:
        """Removes a waiting step from the line."""
        self._line.leave(step.id)
        self._queued_leases[step.demand.kinds].pop(step.id, None)

    def _take_place(self, step: ScheduledStep) -> None:
        self._line.take(step.id)
        self._queued_leases[step.demand.kinds].pop(step.id, None)

    def _release(self, step: ScheduledStep) -> None:
        """Releases the step's key and place."""
        if step.id in self._leases:
            self._leases.discard(step.id)
            self._queued_leases[step.demand.kinds].pop(step.id, None)
            step.is_leased = False
            self._instruct(ReleaseLease(step.id))
        self._line.give_back(step.id)

    def _advance(self) -> None:
        """Assigns places to steps in turn, and closes runs that are over."""
        while step := self._line.first():
            self._go_on(self._steps[step])
        for kinds, queued in self._queued_leases.items():
            # A step that cannot start now releases its key.
            for step in list(queued) if kinds & self._line.lacking else ():
                self._release(self._steps[step])
        if self._line.held_up and not self._steps[self._line.held_up].is_announced:
            self._steps[self._line.held_up].is_announced = True
            self._instruct(ReportBusy(self._line.held_up))
        for run in self._over:
            self._instruct(Close(run.name, "FAILED" if run.has_failed else "FINISHED"))
        self._over.clear()

    def _go_on(self, step: ScheduledStep) -> None:
        if step.is_stale:
            self._look_up(step)
            return
        self._take_place(step)
        if step.needs_lease:
            self._leases.add(step.id)
            step.state = State.LEASING
            self._instruct(Lease(step.id))
        else:
            step.state = State.RUNNING
            self._instruct(Start(step.id, step.demand.gpus))
