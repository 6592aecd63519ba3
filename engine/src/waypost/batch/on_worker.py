"""The worker's side of scoring on a cluster. Each process fetches, checks and compiles the model once, as on
any machine: by content, into the worker's own store.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from waypost.batch.answers import RowScorer
from waypost.batch.cluster_job import (
    Answer,
    AnsweredPart,
    Failed,
    ScoringJob,
    Task,
    WantedModel,
    ends_digest,
    job_file,
    parse_types,
    spool_file,
    unspooled,
)
from waypost.batch.cutting import cut
from waypost.batch.inputs import Listing
from waypost.batch.readers import Input
from waypost.batch.sink import Sink
from waypost.errors import WaypostError
from waypost.inference.fetching import fetched_model
from waypost.inference.layout import Layout
from waypost.inference.model_cache import ReadyModel, ready, ready_in_its_environment
from waypost.system.scratch import scratch

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_KEPT = 2
_KEPT: OrderedDict[str, Scorer] = OrderedDict()
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Scorer:
    """A job, with the model that answers its rows here."""

    job: ScoringJob
    sink: Sink
    row_scorer: RowScorer

    def tables(self, task: Task) -> Iterator[tuple[int, pa.Table, RowScorer]]:
        """Yields (number, rows, scorer) of each part of a task."""
        given = self.row_scorer.given
        if task.is_spooled:
            for number in task.parts:
                rows, begins, problems = unspooled(self.sink.read(spool_file(task.place, number)))
                yield number, rows, replace(self.row_scorer, given=given.knowing(begins, problems=problems))
            return
        size = self.job.options.part_rows
        own = given.knowing(self.job.begins, cuts=self.job.cuts)
        first, stop = task.parts[0] * size, min((task.parts[-1] + 1) * size, self.job.rows)
        row_scorer = replace(self.row_scorer, given=own)
        for number, (rows, _) in enumerate(cut(own.between(first, stop), size, own), task.parts[0]):
            yield number, rows, row_scorer


def look(document: dict[str, Any]) -> list[list[str]]:
    """Returns pairs [problem, hint] before any scoring, and makes the model ready."""
    task = Task(**document)
    try:
        scorer = _scorer(task)
        scorer.sink.put(f"{task.place}/seen-{threading.get_ident()}", b"")
    except WaypostError as error:
        return [[str(error), error.hint]]
    return list(_unlike(scorer.row_scorer.given.files, scorer.job))


def answer_parts(document: dict[str, Any]) -> None:
    """Scores parts and writes their files into the work folder, the list of them last."""
    task = Task(**document)
    sink = Sink(task.output)
    try:
        answer = Answer(parts=list(_answered(_scorer(task), task)))
    except WaypostError as error:
        failed = Failed(
            kind=type(error).__name__,
            message=str(error),
            hint=error.hint,
            exit_code=error.exit_code,
            column=getattr(error, "column", ""),
        )
        answer = Answer(failed=failed)
    sink.put(task.answer, answer.model_dump_json().encode())


def _answered(scorer: Scorer, task: Task) -> Iterator[AnsweredPart]:
    for number, rows, row_scorer in scorer.tables(task):
        content = row_scorer.part(number, rows)
        files = {}
        for name, data in content.files.items():
            place = f"{task.place}/{name.replace('/', '-')}.{task.attempt}"
            scorer.sink.put(place, data)
            files[name] = (place, hashlib.sha256(data).hexdigest())
        yield AnsweredPart(number=number, files=files, rows=content.rows, skipped=content.skipped)


def _scorer(task: Task) -> Scorer:
    """Returns the scorer of a job, with a model that is loaded once for all outputs.

    Raises WaypostError if this worker cannot score.
    """
    with _LOCK:  # one thread fetches and loads the model, the others wait
        scorer = _KEPT.get(task.job_digest)
        if scorer is None:
            scorer = _made(task)
        elif scorer.sink.url != task.output:  # the same table, for another output
            scorer = replace(scorer, sink=Sink(task.output))
            _job(scorer.sink, task)
        _KEPT[task.job_digest] = scorer
        _KEPT.move_to_end(task.job_digest)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
        return scorer


def _made(task: Task) -> Scorer:
    sink = Sink(task.output)
    job = _job(sink, task)
    for package, wanted in job.versions.items():
        if (ours := _version(package)) != wanted:
            problem = f"{package} {ours or 'is not installed'}, but the result began with {wanted}"
            raise WaypostError(problem, hint="the bytes of the result would differ: end this worker")
    model = _model(job.model)
    options = job.options
    given = Input(
        Listing.of(job.source, job.sources),
        Layout(model.mlmodel.inputs),
        tuple(job.carried),
        options.on_error == "skip",
        options.asked,
    )
    given.batch_rows = min(given.batch_rows, options.part_rows)
    known = given.knowing(job.begins, parse_types(job.kept))
    return Scorer(job, sink, RowScorer(model, known, options))


def _job(sink: Sink, task: Task) -> ScoringJob:
    try:
        content = sink.read(job_file(task.place))
    except WaypostError as error:
        hint = "the output has to be on a file system, or behind a URL, that client and workers share"
        raise WaypostError(f"{task.output}: not the client's output folder", hint=hint) from error
    if hashlib.sha256(content).hexdigest() != task.job_digest:
        raise WaypostError(f"{sink.place(job_file(task.place))}: changed since it was written")
    try:
        return ScoringJob.model_validate_json(content)
    except ValidationError as error:
        raise WaypostError(f"{sink.place(job_file(task.place))}: written by another version") from error


def _model(wanted: WantedModel) -> ReadyModel:
    """Returns the model if it is the client's."""
    in_own = bool(wanted.environment)
    try:
        with (
            scratch() as temp,
            fetched_model(
                wanted.uri, temp / "model.state", is_trusted=wanted.is_trusted, in_own=in_own
            ) as fetched,
        ):
            is_same = (fetched.digest, fetched.environment) == (wanted.digest, wanted.environment)
            if is_same and in_own:
                return ready_in_its_environment(fetched.folder)
            model = ready(fetched.folder, is_trusted=fetched.is_trusted) if is_same else None
    except WaypostError as error:
        hint = error.hint or "workers use their own MLFLOW_TRACKING_URI and credentials"
        raise WaypostError(str(error), hint=hint) from error
    if model is None:
        raise WaypostError(f"{wanted.uri}: differs from the client's model")
    if model.proof.is_equal != wanted.is_compiled:
        raise WaypostError(
            f"{wanted.label}: its compiled form is proved equal on only one of client and worker"
        )
    return model


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _unlike(listing: Listing, job: ScoringJob) -> Iterator[list[str]]:
    """Yields the differences between the input's files here and on the client."""
    hint = "the input has to be on a file system, or behind a URL, that client and workers share"
    for number, source in enumerate(listing.sources if job.begins else ()):
        try:
            size = int(listing.fs.info(source.path)["size"])
            is_same = size == source.size
            if is_same and number in job.ends:
                with listing.fs.open(source.path, "rb") as file:
                    is_same = ends_digest(file, size) == job.ends[number]
        except (OSError, ValueError, KeyError) as error:
            yield [f"{source.path}: cannot be read: {' '.join(str(error).split())}", hint]
            return
        if not is_same:
            yield [f"{source.path}: differs from the client's file", hint]
            return
