"""Scoring on a cluster: this machine plans the parts, workers score them, this machine puts them in place.

Workers read Parquet files themselves, and CSV files that can be cut (`csv_cuts.py`). This machine reads the
rows of any other input and puts them into the work folder. Every worker is checked before anything is scored.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from waypost.batch.cluster_job import (
    ENDS_BYTES,
    MOST_ENDS,
    ScoringJob,
    Task,
    WantedModel,
    ends_digest,
    job_file,
    spool_file,
    spooled,
    types_text,
)
from waypost.batch.cutting import parts
from waypost.batch.dispatch import Work, dispatch
from waypost.batch.fingerprint import made_with
from waypost.batch.parts import Part, Parts
from waypost.batch.readers import Input
from waypost.batch.scoring import Answering, Progress
from waypost.batch.shares import shares
from waypost.batch.sink import Sink
from waypost.cluster.connection import Cluster, Worker
from waypost.cluster.tasks import Target
from waypost.cluster.versions import listed
from waypost.errors import Finding, FindingsError, WaypostError

_LOOK_SECONDS = 600.0
_SPOOLED_PARTS = 8
"""Parts per task if this machine reads their rows."""
_LOOK = Target("waypost.batch.on_worker", "look")


@dataclass(frozen=True)
class Place:
    """Where a scoring works: its output as the workers name it, and a work folder below it."""

    sink: Sink
    name: str
    job_digest: str

    def task(self, numbers: Sequence[int] = (), *, is_spooled: bool = False) -> Task:
        """Returns the task to score parts, possibly none."""
        return Task(
            output=self.sink.address,
            place=self.name,
            job_digest=self.job_digest,
            parts=list(numbers),
            is_spooled=is_spooled,
        )


def on_cluster(cluster: Cluster, model: WantedModel, given: Input, say: Callable[[str], None]) -> Answering:
    """Returns the scoring function of a cluster's workers."""

    def answered(work: Parts, progress: Progress) -> list[Part]:
        name = work.sink.new_work()
        try:
            groups = given.groups()
            job = _job(model, work, sum(groups))
            content = job.content()
            work.sink.put(job_file(name), content)
            place = Place(work.sink, name, hashlib.sha256(content).hexdigest())
            workers = cluster.some_workers()
            noun = "worker is" if len(workers) == 1 else "workers are"
            say(f"{cluster.address}: {len(workers)} {noun} getting ready")
            check_workers(cluster, workers, place)
            planned = _planned(work, place, groups, workers) if sum(groups) else _spooled(work, place)
            return dispatch(cluster, work, planned, progress, say)
        finally:
            with contextlib.suppress(WaypostError):
                work.sink.remove_work(name)

    return answered


def check_workers(cluster: Cluster, workers: Sequence[Worker], place: Place) -> None:
    """Has each worker fetch the model and check the files. Raises FindingsError with all problems."""
    found = cluster.ask_each(workers, _LOOK, place.task().model_dump(), _LOOK_SECONDS)
    wrong: dict[tuple[str, str], list[str]] = defaultdict(list)
    for worker, said in found.items():
        if isinstance(said, WaypostError):
            wrong[str(said), said.hint].append(worker.name)
        for problem, hint in said if isinstance(said, list) else ():
            wrong[problem, hint].append(worker.name)
    findings = [
        Finding(listed(sorted(names), len(workers)), problem, hint)
        for (problem, hint), names in wrong.items()
    ]
    if findings:
        raise FindingsError(findings, consequence="nothing was scored")


def _job(model: WantedModel, work: Parts, rows: int) -> ScoringJob:
    given = work.given
    return ScoringJob(
        model=model,
        options=work.options,
        versions=made_with(),
        source=given.files.url,
        files=[(source.path, source.size, source.state, source.name) for source in given.sources],
        carried=list(given.carried),
        kept=types_text(given.kept_types),
        begins=given.begins if rows else [],
        rows=rows,
        ends=_ends(given) if rows and not given.files.is_remote else {},
        cuts=given.cuts,
    )


def _ends(given: Input) -> dict[int, str]:
    """Returns digests of the beginning and end of the first files."""
    found = {}
    for number, source in enumerate(given.sources[:MOST_ENDS]):
        with given.files.fs.open(source.path, "rb", block_size=ENDS_BYTES) as file:
            found[number] = ends_digest(file, source.size)
    return found


def _planned(work: Parts, place: Place, groups: Sequence[int], workers: Sequence[Worker]) -> Iterator[Work]:
    """Yields work for workers that read the input: existing parts, and tasks for the others."""
    size, rows = work.options.part_rows, sum(groups)
    lengths = {number: min(size, rows - number * size) for number in range(-(-rows // size))}
    there = {number: part for number, length in lengths.items() if (part := work.taken_up(number, length))}
    yield Work(there=there)
    total = sum(source.size for source in work.given.sources)
    left = lengths.keys() - there.keys()
    for numbers in shares(groups, size, left, sum(worker.slots for worker in workers)):
        until = int(total * min((numbers[-1] + 1) * size, rows) / rows)
        yield Work(task=place.task(numbers), read=until)


def _spooled(work: Parts, place: Place) -> Iterator[Work]:
    """Yields work with rows that this machine reads and puts into the work folder."""
    waiting: list[int] = []
    read = 0
    for number, (rows, until) in enumerate(parts(work.given, work.options.part_rows)):
        read = until
        if part := work.taken_up(number, rows.num_rows):
            yield Work(there={number: part}, read=until)
            continue
        first = number * work.options.part_rows
        problems = {
            row: problem
            for row in range(first, first + rows.num_rows)
            if (problem := work.given.problems.get(row))
        }
        work.sink.put(spool_file(place.name, number), spooled(rows, work.given.begins, problems))
        waiting.append(number)
        if len(waiting) == _SPOOLED_PARTS:
            yield Work(task=place.task(waiting, is_spooled=True), read=read)
            waiting = []
    if waiting:
        yield Work(task=place.task(waiting, is_spooled=True), read=read)
