"""Tasks of parts are given to the workers of a cluster, as many at a time as these have cores.

A worker that dies loses its tasks to others: Dask sees to that. What takes far longer than the others, with
nothing else left to do, is given out a second time; the first whole attempt counts, and nothing that another
one writes is ever seen: files of parts get their names here, once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from waypost.batch.cluster_job import Answer, AnsweredPart, Failed, Task, spool_file
from waypost.batch.parts import Part, Parts
from waypost.batch.scoring import Progress
from waypost.cluster.connection import CPU, Cluster
from waypost.cluster.tasks import Target
from waypost.errors import RemoteError, UsageError, WaypostError
from waypost.inference.layout import TableError

_ANSWER = Target("waypost.batch.on_worker", "answer_parts")
_WAIT_SECONDS = 0.5
_LOOK_SECONDS = 2.0
_MOST_ATTEMPTS = 3
_FAR_LONGER = 3.0
_AT_LEAST_SECONDS = 3.0
_ALONE_SECONDS = 120.0
"""How long no worker at all may be there."""
_WRITERS = 4


@dataclass(frozen=True)
class Work:
    """What comes next: parts that are there, or a task; `read` bytes of the input are behind it then."""

    task: Task | None = None
    there: Mapping[int, Part] = field(default_factory=dict)
    read: int = 0


@dataclass
class _Given:
    """A task that was given out: its attempts on the cluster, and since when the first one runs."""

    work: Work
    task: Task
    began: float
    running: dict[Any, Task] = field(default_factory=dict)


def give_out(
    cluster: Cluster, work: Parts, planned: Iterator[Work], progress: Progress, say: Callable[[str], None]
) -> list[Part]:
    """Has tasks done and their parts put in place; returns all parts in order.

    Raises what a task failed by, RemoteError where scheduler or workers are gone.
    """
    giving = _Giving(cluster, work, progress, say)
    try:
        giving.run(planned)
    finally:
        cluster.cancel(giving.futures)
    return [giving.done[number] for number in sorted(giving.done)]


class _Giving:
    """The tasks that are out, and the parts that are done."""

    def __init__(self, cluster: Cluster, work: Parts, progress: Progress, say: Callable[[str], None]) -> None:
        self._cluster, self._work, self._progress, self._say = cluster, work, progress, say
        self._workers = {worker.address: worker for worker in cluster.some_workers()}
        self._looked = self._seen = time.monotonic()
        self._out: list[_Given] = []
        self._took: list[float] = []
        self._rows = self._read = 0
        self.done: dict[int, Part] = {}

    @property
    def futures(self) -> list[Any]:
        """The attempts that are on the cluster."""
        return [future for given in self._out for future in given.running]

    @property
    def _slots(self) -> int:
        return sum(worker.slots for worker in self._workers.values())

    def run(self, planned: Iterator[Work]) -> None:
        """Gives out all that is planned, and waits until it is done."""
        has_more = True
        with ThreadPoolExecutor(_WRITERS) as pool:
            while has_more or self._out:
                while has_more and len(self.futures) < self._slots:
                    has_more = self._next(planned)
                ended = self._cluster.wait(self.futures, _WAIT_SECONDS)
                self._drop_lost(ended)
                finished = [given for given in self._out if ended.intersection(given.running)]
                answers = [(given, self._answer(given, ended)) for given in finished]
                while has_more and len(self.futures) < self._slots:  # before their parts are put in place
                    has_more = self._next(planned)
                for given, answer in answers:
                    self._put_in_place(given, answer, pool)
                self._cluster.check_there()
                self._look()
                if not has_more:
                    self._give_again()

    def _next(self, planned: Iterator[Work]) -> bool:
        """Gives out what comes next; tells whether there was anything."""
        work = next(planned, None)
        if work is None:
            return False
        self._hear(work.there, work.read)
        if work.task:
            given = _Given(work, work.task, time.monotonic())
            self._out.append(given)
            self._submit(given, work.task)
        return True

    def _submit(self, given: _Given, task: Task, workers: Iterable[str] | None = None) -> None:
        has_cores = any(CPU in worker.resources for worker in self._workers.values())
        resources = {CPU: 1} if has_cores else {}
        future = self._cluster.submit(
            task.name, _ANSWER, task.model_dump(), resources=resources, workers=workers
        )
        given.running[future] = task

    def _drop_lost(self, ended: set[Any]) -> None:
        """Forgets attempts that came to nothing, where another one of the same task is on its way."""
        for given in self._out:
            for future in ended.intersection(given.running):
                if future.status != "finished" and len(given.running) > 1:
                    del given.running[future]

    def _answer(self, given: _Given, ended: set[Any]) -> Answer:
        """Returns what the first attempt that ended says; the others are no matter then."""
        future = next(future for future in given.running if future in ended)
        task = given.running[future]
        self._out.remove(given)
        self._cluster.check(future)
        self._cluster.cancel(other for other in given.running if other is not future)
        self._took.append(time.monotonic() - given.began)
        try:
            answer = Answer.model_validate_json(self._work.sink.read(task.answer))
        except ValidationError as error:
            raise WaypostError(f"{self._work.sink.place(task.answer)}: of another version") from error
        if answer.failed:
            raise _error(answer.failed)
        return answer

    def _put_in_place(self, given: _Given, answer: Answer, pool: ThreadPoolExecutor) -> None:
        def adopt(part: AnsweredPart) -> Part:
            return self._work.adopt(part.number, part.attempts, part.rows, part.skipped)

        done = dict(zip((part.number for part in answer.parts), pool.map(adopt, answer.parts), strict=True))
        if given.task.is_spooled:
            self._work.sink.remove([spool_file(given.task.place, number) for number in given.task.parts])
        self._hear(done, given.work.read)

    def _hear(self, parts: Mapping[int, Part], read: int) -> None:
        self.done.update(parts)
        self._rows += sum(part.rows + part.skipped for part in parts.values())
        self._read = max(self._read, read)
        if parts:
            self._progress.advanced(self._rows, self._read)

    def _look(self) -> None:
        """Looks now and then which workers are there. Raises RemoteError where none was for long."""
        now = time.monotonic()
        if now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        there = {worker.address: worker for worker in self._cluster.workers()}
        for address in self._workers.keys() - there.keys():
            name = self._workers[address].name
            is_back = any(worker.name == name for worker in there.values())
            what = "fell and was started again" if is_back else "is gone"
            self._say(f"worker {name} {what}; what it had not finished is scored again")
        if there:
            self._seen = now
        elif now > self._seen + _ALONE_SECONDS:
            raise RemoteError(
                f"{self._cluster.address}: no worker is left",
                hint="what is finished is kept; run the same command to continue",
            )
        self._workers = there or self._workers

    def _give_again(self) -> None:
        """Gives those out a second time that take far longer than others did, where there is room."""
        if not self._took:
            return
        limit = max(_FAR_LONGER * statistics.median(self._took), _AT_LEAST_SECONDS)
        slow = [given for given in self._out if self._is_slow(given, limit)]
        room = self._slots - len(self.futures)
        at = self._cluster.processing() if slow and room > 0 else {}
        for given in slow[: max(room, 0)]:
            names = {at.get(future.key) for future in given.running}
            others = [address for address in self._workers if address not in names]
            if not others:
                continue
            attempt = max(task.attempt for task in given.running.values()) + 1
            told = ", ".join(sorted(self._workers[name].name for name in names if name in self._workers))
            self._say(f"worker {told} takes long for parts {_range(given.task)}: a second attempt elsewhere")
            self._submit(given, given.task.model_copy(update={"attempt": attempt}), others)

    def _is_slow(self, given: _Given, limit: float) -> bool:
        patience = limit * len(given.running)
        return len(given.running) < _MOST_ATTEMPTS and time.monotonic() - given.began > patience


def _range(task: Task) -> str:
    return f"{task.parts[0]:,} to {task.parts[-1]:,}"


def _error(failed: Failed) -> WaypostError:
    """Returns the error that a worker met, as one of ours."""
    match failed.kind:
        case "TableError" | "OddError":
            return TableError(failed.message, column=failed.column, hint=failed.hint)
        case "UsageError":
            return UsageError(failed.message, hint=failed.hint)
    error = WaypostError(failed.message, hint=failed.hint)
    error.exit_code = failed.exit_code
    return error
