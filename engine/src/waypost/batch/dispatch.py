"""Distribution of tasks to the workers of a cluster, as many at a time as these have cores.

If a worker dies, Dask gives its tasks to others. A task that takes far longer than the others, with nothing
else left to do, gets a second attempt. The first complete attempt counts, and no output of another one is
ever visible: files of parts get their names here, once.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from waypost.batch.cluster_job import Answer, AnsweredPart, Failed, Task, spool_file
from waypost.batch.parts import Part, Parts
from waypost.batch.scoring import Progress
from waypost.cluster.connection import CPU, Cluster, Worker
from waypost.cluster.tasks import Target, result_of
from waypost.errors import RemoteError, UsageError, WaypostError
from waypost.inference.layout import TableError

_ANSWER = Target("waypost.batch.on_worker", "answer_parts")
_WAIT_SECONDS = 0.5
_LOOK_SECONDS = 1.0
_MOST_ATTEMPTS = 3
_MOST_LOST = 4
_FAR_LONGER = 3.0
_AT_LEAST_SECONDS = 3.0
_ALONE_SECONDS = 120.0
"""Seconds to wait without any worker."""
_WRITERS = 4
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Work:
    """The next item: existing parts, or a task; after it, `read` bytes of the input are done."""

    task: Task | None = None
    there: Mapping[int, Part] = field(default_factory=dict)
    read: int = 0


@dataclass(eq=False)
class _Submitted:
    """A submitted task; `lost` are the workers that died before it was done."""

    work: Work
    task: Task
    attempts: int = 0
    lost: list[Worker] = field(default_factory=list)
    is_done: bool = False


@dataclass(frozen=True)
class _Attempt:
    """An attempt at a task, on a chosen worker."""

    submitted: _Submitted
    task: Task
    worker: Worker
    began: float


def dispatch(
    cluster: Cluster, work: Parts, planned: Iterator[Work], progress: Progress, say: Callable[[str], None]
) -> list[Part]:
    """Has tasks executed and puts their parts in place; returns all parts in order.

    Raises the error of a failed task, RemoteError if scheduler or workers are gone.
    """
    dispatcher = _Dispatcher(cluster, work, progress, say)
    try:
        dispatcher.run(planned)
    finally:
        cluster.cancel(dispatcher.running)
    return [dispatcher.done[number] for number in sorted(dispatcher.done)]


class _Dispatcher:
    """The submitted tasks, and the finished parts.

    Invariants: a worker has no more attempts than slots, including attempts no longer needed, because they
    keep running; an open task has an attempt on a live worker, or waits in `_to_retry`.
    """

    def __init__(self, cluster: Cluster, work: Parts, progress: Progress, say: Callable[[str], None]) -> None:
        self._cluster, self._work, self._progress, self._say = cluster, work, progress, say
        self._workers = {worker.address: worker for worker in cluster.some_workers()}
        self._looked = self._seen = time.monotonic()
        self._open: dict[_Submitted, None] = {}
        self._to_retry: deque[_Submitted] = deque()
        self._took: list[float] = []
        self._rows = self._read = 0
        self.running: dict[Any, _Attempt] = {}
        self.done: dict[int, Part] = {}

    def run(self, planned: Iterator[Work]) -> None:
        """Submits all planned work, and waits until it is done."""
        has_more = True
        with ThreadPoolExecutor(_WRITERS) as pool:
            while has_more or self._open:
                has_more = self._fill(planned, has_more=has_more)
                ended = self._cluster.wait(self.running, _WAIT_SECONDS)
                answers = [(attempt.submitted, answer) for attempt, answer in self._answers(ended)]
                has_more = self._fill(planned, has_more=has_more)  # before their parts are put in place
                for submitted, answer in answers:
                    self._put_in_place(submitted, answer, pool)
                self._cluster.check_there()
                self._look()
                if not has_more:
                    self._retry_slow()

    def _fill(self, planned: Iterator[Work], *, has_more: bool) -> bool:
        """Submits work to idle workers; returns whether there may be more."""
        while free := self._free():
            if self._to_retry:
                self._submit(self._to_retry.popleft(), free[0])
                continue
            work = next(planned, None) if has_more else None
            if work is None:
                return False
            self._hear(work.there, work.read)
            if work.task:
                submitted = _Submitted(work, work.task)
                self._open[submitted] = None
                self._submit(submitted, free[0])
        return has_more

    def _free(self) -> list[Worker]:
        """Returns the workers with free slots, most free slots first."""
        counts = Counter(attempt.worker.address for attempt in self.running.values())
        room = {address: worker.slots - counts[address] for address, worker in self._workers.items()}
        return sorted(
            (worker for worker in self._workers.values() if room[worker.address] > 0),
            key=lambda worker: (-room[worker.address], worker.name),
        )

    def _submit(self, submitted: _Submitted, worker: Worker) -> None:
        submitted.attempts += 1
        task = submitted.task.model_copy(update={"attempt": submitted.attempts})
        resources = {CPU: 1} if CPU in worker.resources else {}
        future = self._cluster.submit(
            task.name, _ANSWER, task.model_dump(), resources=resources, workers=[worker.address]
        )
        self.running[future] = _Attempt(submitted, task, worker, time.monotonic())

    def _answers(self, ended: set[Any]) -> Iterator[tuple[_Attempt, Answer]]:
        """Yields the answers of first completed attempts; later ones are ignored."""
        for future in ended:
            attempt = self.running.pop(future)
            if attempt.submitted.is_done:
                continue
            self._cluster.check(future)
            attempt.submitted.is_done = True
            del self._open[attempt.submitted]
            self._took.append(time.monotonic() - attempt.began)
            answer = self._answer(future, attempt.task)
            if answer.failed:
                raise _error(answer.failed)
            yield attempt, answer

    def _answer(self, future: Any, task: Task) -> Answer:
        """Returns the answer that a task wrote. Raises FailedError if its worker refused it."""
        sink, place = self._work.sink, task.answer
        try:
            return Answer.model_validate_json(sink.read(place))
        except ValidationError as error:
            raise WaypostError(f"{sink.place(place)}: written by another version") from error
        except WaypostError:
            with contextlib.suppress(TimeoutError):
                result_of(future.result(_ANSWER_SECONDS))
            raise

    def _put_in_place(self, submitted: _Submitted, answer: Answer, pool: ThreadPoolExecutor) -> None:
        def adopt(part: AnsweredPart) -> Part:
            return self._work.adopt(part.number, part.attempts, part.rows, part.skipped)

        done = dict(zip((part.number for part in answer.parts), pool.map(adopt, answer.parts), strict=True))
        if submitted.task.is_spooled:
            self._work.sink.remove(
                [spool_file(submitted.task.place, number) for number in submitted.task.parts]
            )
        self._hear(done, submitted.work.read)

    def _hear(self, parts: Mapping[int, Part], read: int) -> None:
        self.done.update(parts)
        self._rows += sum(part.rows + part.skipped for part in parts.values())
        self._read = max(self._read, read)
        if parts:
            self._progress.advanced(self._rows, self._read)

    def _look(self) -> None:
        """Looks from time to time for live workers; tasks of lost ones are done again.

        Raises RemoteError without a worker for too long, WaypostError if a task has lost too many.
        """
        now = time.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        there = {worker.address: worker for worker in self._cluster.workers()}
        gone = [worker for address, worker in self._workers.items() if address not in there]
        self._workers = there
        for worker in gone:
            is_back = any(other.name == worker.name for other in there.values())
            what = "was restarted" if is_back else "is gone"
            self._say(f"worker {worker.name} {what}; its unfinished parts are scored again")
            self._lose(worker)
        if there:
            self._seen = now
        elif now > self._seen + _ALONE_SECONDS:
            said = f"{self._cluster.address}: no worker is left"
            raise RemoteError(said, hint="finished parts are kept; run the same command to continue")

    def _lose(self, worker: Worker) -> None:
        """Takes back the tasks of a lost worker."""
        lost = {future: attempt for future, attempt in self.running.items() if attempt.worker == worker}
        self._cluster.cancel(lost)
        for future, attempt in lost.items():
            del self.running[future]
            submitted = attempt.submitted
            submitted.lost.append(worker)
            if len(submitted.lost) >= _MOST_LOST:
                raise _too_many(submitted)
            if not submitted.is_done and not any(
                other.submitted is submitted for other in self.running.values()
            ):
                self._to_retry.append(submitted)

    def _retry_slow(self) -> None:
        """Submits tasks that take far longer than others a second time, if there are free slots."""
        if not self._took:
            return
        limit = max(_FAR_LONGER * statistics.median(self._took), _AT_LEAST_SECONDS)
        now = time.monotonic()
        for submitted in list(self._open):
            attempts = [attempt for attempt in self.running.values() if attempt.submitted is submitted]
            if not attempts or len(attempts) >= _MOST_ATTEMPTS or now - attempts[-1].began < limit:
                continue
            busy = {attempt.worker.address for attempt in attempts}
            free = [worker for worker in self._free() if worker.address not in busy]
            if free:
                slow, other = attempts[-1].worker.name, free[0].name
                self._say(f"worker {slow} is slow with parts {_range(submitted.task)}: now also on {other}")
                self._submit(submitted, free[0])


def _too_many(submitted: _Submitted) -> WaypostError:
    """Returns the error for a task that several workers died with."""
    last = submitted.lost[-1]
    limit = f"{last.name} has {last.memory >> 20:,} MiB" if last.memory else "their limit is unknown"
    problem = f"{len(submitted.lost)} workers died while parts {_range(submitted.task)} were scored"
    return WaypostError(f"{problem}; the usual cause is memory: {limit}", hint="take fewer rows: --part-rows")


def _range(task: Task) -> str:
    return f"{task.parts[0]:,} to {task.parts[-1]:,}"


def _error(failed: Failed) -> WaypostError:
    """Returns the error of a worker as an exception."""
    match failed.kind:
        case "TableError" | "OddError":
            return TableError(failed.message, column=failed.column, hint=failed.hint)
        case "UsageError":
            return UsageError(failed.message, hint=failed.hint)
    error = WaypostError(failed.message, hint=failed.hint)
    error.exit_code = failed.exit_code
    return error
