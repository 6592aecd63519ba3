"""Executes the steps of pipeline runs, as the schedule says (contracts/schedule.py)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from time import monotonic

from waypost.contracts.polling import pause_after
from waypost.contracts.schedule import Schedule
from waypost.contracts.schedule_line import NOTHING
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
    StepId,
    Taken,
    TakeOver,
)
from waypost.pins.watch import Watch
from waypost.runs.execution import Tools
from waypost.runs.executor import holder_of
from waypost.runs.pipeline_run import PipelineRun
from waypost.runs.preflight import Options
from waypost.system.signals import check, held
from waypost.tracking.connection import last_words

_TICK_SECONDS = 0.05
_GPU_SECONDS = 1.0  # until GPUs that another process took first are checked again


def drive(
    opening: Iterable[PipelineRun], options: Options, tools: Tools, watch: Watch | None = None
) -> list[PipelineRun]:
    """Opens pipeline runs once there is room for their steps, executes them concurrently, and closes each
    when it has ended.

    A step that several runs share runs once. After a failed step, running steps of its pipeline end and no
    others start. Raises Interrupted with everything ended and closed: signals are held from the first opening
    to the last closing.
    """
    dispatcher = _Dispatcher(iter(opening), options.jobs, tools, watch)
    status = "KILLED"
    with held(), tools.tracker.leases.kept():
        try:
            dispatcher.work()
        except Exception:
            status = "FAILED"
            raise
        finally:
            dispatcher.cancel(status)
    return list(dispatcher.runs.values())


class _Dispatcher:
    """Carries out the schedule's instructions, and feeds their outcomes back as events."""

    def __init__(self, opening: Iterator[PipelineRun], jobs: int, tools: Tools, watch: Watch | None) -> None:
        self.runs: dict[str, PipelineRun] = {}
        self._opening: Iterator[PipelineRun] | None = opening
        self._schedule = Schedule(tools.executor.capacity(jobs))
        self._tools = tools
        self._watch = watch
        self._to_do: deque[Instruction] = deque()

    def work(self) -> None:
        """Returns when all runs are closed."""
        while self._opening or self._schedule.open_runs:
            self._open_next()
            open_runs = [self.runs[run_id] for run_id in self._schedule.open_runs]
            check()
            _hear(open_runs, self._watch)
            self._tools.tracker.leases.renew(run.run_id for run in open_runs)
            ended = [
                Ended(StepId(run.run_id, result.name), result.state == "done")
                for run in open_runs
                for result in run.execution.poll()
            ]
            for event in ended:
                self._tools.executor.give_back(holder_of(event.step.run, event.step.name))
            self._pass_time(gpus=self._schedule.wants_gpus)
            self._tell(*ended)
            has_acted = self._carry_out_all()
            if not ended and not has_acted:
                for run in open_runs:
                    run.use_spare_time()
                self._tools.executor.wait(_TICK_SECONDS)
            for run in open_runs:
                run.execution.reporter.tick()

    def _open_next(self) -> None:
        """Opens a run if there is room for its steps: of a thousand runs, only some need to be open."""
        if not self._opening or not self._schedule.is_hungry:
            return
        run = next(self._opening, None)
        if run is None:
            self._opening = None
            return
        self.runs[run.run_id] = run
        self._tell(Opened(run.run_id, run.nodes))
        run.begin()

    def _pass_time(self, *, gpus: bool) -> None:
        available = self._tools.executor.available(gpus=gpus)
        self._tell(Passed(monotonic(), available.memory, available.gpus, available.places))

    def cancel(self, status: str) -> None:
        """Ends and closes everything that is left, possibly while an exception propagates."""
        for instruction in self._schedule.handle(Cancelled(status)):
            self._carry_out(instruction)

    def _tell(self, *events: Event) -> None:
        for event in events:
            self._to_do += self._schedule.handle(event)

    def _carry_out_all(self) -> bool:
        has_acted = bool(self._to_do)
        while self._to_do:
            check()
            if event := self._carry_out(self._to_do.popleft()):
                self._tell(event)
        return has_acted

    def _carry_out(self, instruction: Instruction) -> Event | None:
        """Executes an instruction; returns the event that answers it, if any."""
        match instruction:
            case LookUp():
                return self._look_up(instruction)
            case Lease():
                return self._lease(instruction.step)
            case Start():
                return self._start(instruction)
            case Close() | Cancel():
                self._end(instruction)
            case _:
                self._note(instruction)
        return None

    def _look_up(self, instruction: LookUp) -> LookedUp:
        step = instruction.step
        execution = self.runs[step.run].execution
        decision = execution.look_up(step.name, again=instruction.again)
        demand = NOTHING if decision.earlier else execution.demand_of(step.name)
        if demand.gpus and not self._schedule.wants_gpus:
            self._pass_time(gpus=True)
        return LookedUp(
            step,
            decision.key,
            reusable=decision.earlier is not None,
            shareable=decision.is_shared,
            leased=decision.is_shared and not decision.by_order,
            demand=demand,
        )

    def _lease(self, step: StepId) -> Leased | Refused:
        began = monotonic()
        if self.runs[step.run].execution.lease(step.name):
            return Leased(step)
        now = monotonic()
        return Refused(step, now + pause_after(now - began, random.uniform(0.5, 1.5)))  # noqa: S311

    def _start(self, instruction: Start) -> Taken | None:
        step, gpus = instruction.step, instruction.gpus
        if gpus and not self._tools.executor.take_gpus(holder_of(step.run, step.name), gpus):
            return Taken(step, monotonic() + _GPU_SECONDS)
        self.runs[step.run].execution.start(step.name)
        return None

    def _note(self, instruction: ReleaseLease | ReportElsewhere | ReportBusy | TakeOver | Reject) -> None:
        step = instruction.step
        execution = self.runs[step.run].execution
        match instruction:
            case ReleaseLease():
                execution.release(step.name)
            case ReportElsewhere():
                execution.report_elsewhere(step.name)
            case ReportBusy():
                execution.report_busy(step.name)
            case TakeOver():
                execution.take_over(step.name)
            case Reject():
                execution.reject(step.name)

    def _end(self, instruction: Close | Cancel) -> None:
        run = self.runs[instruction.run]
        if isinstance(instruction, Close):
            run.execution.skip_rest()
            _hear([run], self._watch)
            self._tell(Closed(run.run_id))
            run.close(instruction.status)
            return
        for last in (run.execution.kill, lambda: run.close(instruction.status)):
            with last_words():
                last()


def _hear(runs: Sequence[PipelineRun], watch: Watch | None) -> None:
    for news in watch.news() if watch else ():
        for each in runs:
            if news.warning:
                each.warn(news.text)
            else:
                each.say(news.text)
