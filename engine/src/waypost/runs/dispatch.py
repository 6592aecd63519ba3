"""Executes the steps of pipeline runs, as the schedule says (contracts/schedule.py)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from time import monotonic

from waypost.contracts.schedule import Schedule, pause_after
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
    StepId,
    TakeOver,
    TellElsewhere,
)
from waypost.pins.watch import Watch
from waypost.runs.execution import Tools
from waypost.runs.pipeline_run import PipelineRun
from waypost.runs.preflight import Options
from waypost.system.machine import available_memory, cores
from waypost.system.signals import check, held
from waypost.tracking.connection import last_words

_TICK_SECONDS = 0.05


def drive(
    opening: Iterable[PipelineRun], options: Options, tools: Tools, watch: Watch | None = None
) -> list[PipelineRun]:
    """Opens pipeline runs, executes them side by side, and closes each as soon as it has ended.

    A step that several of them have in common runs once. A failed step lets those that run already
    end, and no other one of its pipeline start. Raises Interrupted with everything ended and closed:
    from the first opening to the last closing signals are held.
    """
    dispatcher = _Dispatcher(options.jobs or cores(), tools, watch)
    status = "KILLED"
    with held():
        try:
            for each in opening:
                dispatcher.open(each)
            dispatcher.work()
        except Exception:
            status = "FAILED"
            raise
        finally:
            dispatcher.cancel(status)
    return list(dispatcher.runs.values())


class _Dispatcher:
    """Carries out what the schedule says, and tells it how that ended."""

    def __init__(self, places: int, tools: Tools, watch: Watch | None) -> None:
        self.runs: dict[str, PipelineRun] = {}
        self._schedule = Schedule(places)
        self._tools = tools
        self._watch = watch
        self._to_do: deque[Instruction] = deque()

    def open(self, run: PipelineRun) -> None:
        self.runs[run.run_id] = run
        self._tell(Opened(run.run_id, run.nodes))
        run.begin()
        check()

    def work(self) -> None:
        """Returns when all runs are closed."""
        while open_runs := [self.runs[run_id] for run_id in self._schedule.open_runs]:
            check()
            _hear(open_runs, self._watch)
            self._tools.tracker.leases.renew(run.run_id for run in open_runs)
            ended = [
                Ended(StepId(run.run_id, result.name), result.state == "done")
                for run in open_runs
                for result in run.execution.poll()
            ]
            self._tell(Passed(monotonic(), available_memory()), *ended)
            has_acted = self._carry_out_all()
            if not ended and not has_acted:
                self._tools.executor.wait(_TICK_SECONDS)
            for run in open_runs:
                run.execution.reporter.tick()

    def cancel(self, status: str) -> None:
        """Ends what is left and closes it, while something else may be on its way up."""
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
        """Returns what the schedule wants to know of it."""
        if isinstance(instruction, Close | Cancel):
            self._end(instruction)
            return None
        step = instruction.step
        execution = self.runs[step.run].execution
        match instruction:
            case LookUp():
                decision = execution.look_up(step.name, again=instruction.again)
                return LookedUp(
                    step,
                    decision.key,
                    reusable=decision.earlier is not None,
                    shareable=decision.is_shared,
                    leased=decision.is_shared and not decision.by_order,
                    memory=0 if decision.earlier else execution.memory_of(step.name),
                )
            case Lease():
                began = monotonic()
                if execution.lease(step.name):
                    return Leased(step)
                now = monotonic()
                return Refused(step, now + pause_after(now - began, random.uniform(0.5, 1.5)))  # noqa: S311
            case Release():
                execution.release(step.name)
            case TellElsewhere():
                execution.tell_elsewhere(step.name)
            case TakeOver():
                execution.take_over(step.name)
            case Start():
                execution.start(step.name)
            case Reject():
                execution.reject(step.name)
        return None

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
