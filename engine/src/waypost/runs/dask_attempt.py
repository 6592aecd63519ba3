"""One attempt at a step on a Dask cluster: how it ended, and what remains if its worker died."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Protocol

from waypost.cluster.connection import Cluster, WorkersDiedError
from waypost.cluster.tasks import FailedError, Target, result_of
from waypost.errors import RemoteError
from waypost.runs.deaths import died_here, is_gone, no_log, no_room, was_stopped
from waypost.runs.executor import Ended, LostError, Work
from waypost.runs.logs import TAIL_LINES
from waypost.runs.outputs import models_in
from waypost.runs.spec import Document
from waypost.system.daemon_threads import started
from waypost.tracking.runs import COMPLETE_TAG, GIVEN_UP_TAG, outputs_in
from waypost.tracking.tracker import Tracker

_EXECUTE = Target("waypost.runs.on_worker", "execute")
_MOST_LINES = 2_000
_SOON_SECONDS = 0.05


@dataclass(frozen=True)
class Order:
    """A task for the cluster: its name, document, `wanted` resources and priority."""

    key: str
    document: Document
    wanted: Mapping[str, float]
    priority: int


class Owner(Protocol):
    """The executor that started an attempt."""

    @property
    def tracker(self) -> Tracker: ...

    def hear_of_end(self) -> None:
        """Called by Dask's thread when a task has ended."""

    def ended(self, work: Work) -> None:
        """Called when an attempt is over."""

    def died(self, work: Work, worker: str) -> str:
        """Notes that a worker died during an attempt; returns why there is no retry, usually empty."""

    def stopped(self, work: Work, why: str) -> str:
        """Notes that a worker stopped an attempt; returns why there is no retry, usually empty."""

    def leave_out(self, work: Work, worker: str, why: str) -> str:
        """Gives a worker no more steps of this run; returns why there is no retry, usually empty."""


class Attempt:
    """An attempt on the cluster; it keeps the last log lines that its worker sent."""

    values: Mapping[str, str] = {}

    def __init__(self, owner: Owner, cluster: Cluster, work: Work, order: Order) -> None:
        self.work = work
        self.order = order
        self.has_begun = False
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._owner = owner
        self._cluster = cluster
        self._count = 0
        self._workers: list[str] | None = None
        self._task: Any = None
        self._answer: futures.Future[str] | None = None
        self._ended: Ended | None = None

    def submit(self, workers: list[str] | None = None) -> None:
        """Submits it to the cluster; `workers` are the addresses of workers that may run it, None: all.

        An earlier task is cancelled. If a worker has begun it, that worker owns the run.
        """
        if self._task is not None:
            self._cluster.cancel([self._task])
        self._count += 1
        self._answer = None
        self._workers = workers
        self._task = self._cluster.submit(
            f"{self.order.key}-{self._count}",
            _EXECUTE,
            self.order.document,
            resources=self.order.wanted,
            workers=workers,
            priority=self.order.priority,
        )
        self._task.add_done_callback(lambda _: self._owner.hear_of_end())

    def is_stuck(self, workers: Iterable[str]) -> bool:
        """Whether it waits for workers that are gone; `workers` are the addresses of those present."""
        return not self.has_begun and self._workers is not None and not {*self._workers} & {*workers}

    def hear(self, lines: Iterable[str]) -> None:
        """Keeps log lines, in case the worker cannot log its file."""
        self._lines.extend(lines)

    def poll(self) -> bool:
        """Returns whether it has ended. Raises LostError if its worker died or stopped it, RemoteError."""
        if self._ended is None and self._task.done() and self._is_answered():
            self._owner.ended(self.work)
            self._ended = self._outcome()
        return self._ended is not None

    def _is_answered(self) -> bool:
        """Returns whether the answer of a task that has ended is here. Its worker keeps it, and may have
        stopped since: then it comes once Dask has given that worker up, and executed the task again.
        """
        if self._answer is None and self._task.status == "finished":
            self._answer = started(self._task.result)
            self._answer.add_done_callback(lambda _: self._owner.hear_of_end())
        if self._answer is not None:
            futures.wait([self._answer], _SOON_SECONDS)
        return self._answer is None or self._answer.done()

    def _answered(self) -> str:
        """Returns the answer. Raises the error of the task, as `Cluster.check` does."""
        if self._answer is None or self._answer.exception():
            self._cluster.check(self._task)
        return str(self._answer.result() if self._answer else self._task.result())

    def end(self) -> None:
        self._owner.ended(self.work)
        self._cluster.cancel([self._task])

    def keep_log(self) -> None:
        """Does nothing: the worker logs it."""

    def result(self) -> Ended:
        if self._ended is None:
            raise ValueError("it has not ended")
        return self._ended

    def _outcome(self) -> Ended:
        try:
            answer: Document = result_of(self._answered())
        except WorkersDiedError:
            return self._given_up("")  # no worker began it
        except FailedError as error:
            cause = f"{error}; {error.hint}" if error.hint else str(error)
            return Ended(error.exit_code, cause, self._kept(no_log()))
        except RemoteError:
            raise
        except Exception as error:  # any other error is reported with its type
            return Ended(1, f"its worker failed: {type(error).__name__}: {error}", self._kept(no_log()))
        return self._meaning(answer)

    def _meaning(self, answer: Document) -> Ended:
        """Returns how the attempt ended, from its worker's answer (`on_worker.execute`). Raises LostError."""
        if "ended" in answer:
            return Ended(**{**answer["ended"], "models": tuple(answer["ended"]["models"])})
        if "complete" in answer:
            return self._as_recorded(answer["complete"])
        if "again" in answer:
            raise LostError(answer["again"])
        if "full" in answer:
            return self._without_room(answer["worker"], answer["full"])
        if "stopped" in answer:
            return self._stopped(answer["worker"], answer["stopped"])
        return self._given_up(answer["lost"])

    def _given_up(self, worker: str) -> Ended:
        """Gives this attempt up because its worker died. Raises LostError."""
        if found := self._recorded():
            return found
        tail = self._kept(died_here(worker)) if worker else ""
        if cause := self._owner.died(self.work, worker):
            return Ended(1, cause, tail)
        raise LostError(is_gone(worker))

    def _stopped(self, worker: str, why: str) -> Ended:
        """Gives this attempt up because its worker stopped it. Raises LostError."""
        if found := self._recorded():
            return found
        tail = self._kept(no_log())
        if cause := self._owner.stopped(self.work, why):
            return Ended(1, cause, tail)
        raise LostError(was_stopped(worker, why))

    def _recorded(self) -> Ended | None:
        """Tags this attempt as given up; returns its result if its worker recorded that before."""
        tracker = self._owner.tracker
        tracker.tag(self.work.run_id, {GIVEN_UP_TAG: "true"})
        _, tags = tracker.state_of(self.work.run_id)
        return self._as_recorded(outputs_in(tags)) if COMPLETE_TAG in tags else None

    def _without_room(self, worker: str, problem: str) -> Ended:
        """Gives this attempt up because its worker's disk is full. Raises LostError."""
        self._owner.tracker.tag(self.work.run_id, {GIVEN_UP_TAG: "true"})
        tail = self._kept(no_log())
        if cause := self._owner.leave_out(self.work, worker, problem):
            return Ended(1, cause, tail)
        raise LostError(no_room(worker, problem))

    def _kept(self, why: str) -> str:
        """Logs the lines received, with the reason as last line, unless the worker left a log; returns the
        lines to show.
        """
        text = "".join(f"{line}\n" for line in (*self._lines, why))
        self._owner.tracker.log_text_once(self.work.run_id, text, f"logs/{self.work.step.name}.log")
        return "\n".join([*self._lines][-TAIL_LINES:])

    def _as_recorded(self, found: Mapping[str, str]) -> Ended:
        """Returns the result of an attempt that was recorded before its worker died."""
        return Ended(digests=dict(found), models=models_in(self.work.step.entry_point, {}))
