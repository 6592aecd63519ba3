"""`waypost score` from the words of the command line to the tracked result."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from waypost.batch.fingerprint import Order
from waypost.batch.input_digests import Digests
from waypost.batch.inputs import Listing
from waypost.batch.output_folder import MANIFEST, remove_result
from waypost.batch.overlap import check_apart, check_apart_from_model
from waypost.batch.readers import Input
from waypost.batch.scoring import Progress, Scored, manifest_text, score
from waypost.batch.sink import Sink
from waypost.contracts.mlmodel import MLmodel
from waypost.errors import redacted
from waypost.inference.fetching import FetchedModel, fetched_model
from waypost.inference.layout import Layout
from waypost.inference.loading import differing
from waypost.inference.model_cache import Ready, ready, ready_in_its_environment
from waypost.system.machine import cores
from waypost.system.scratch import scratch, sweep
from waypost.tracking.logbook import Logbook
from waypost.tracking.models import is_local

EXPERIMENT = "scoring"


@dataclass(frozen=True)
class Job:
    """What to score with which model, where to and how."""

    model: str
    source: str
    output: str
    order: Order
    threads: int | None = None
    overwrite: bool = False
    track: bool = True
    is_trusted: bool = False
    in_own: bool = False
    """The model runs in the environment that it asks for."""


@dataclass(frozen=True)
class Done:
    """How it went; `run_id` is that of the MLflow run, empty where there is none."""

    scored: Scored
    model: str
    seconds: float
    run_id: str


def _use_lean_allocator() -> None:
    """Makes Arrow give back what it no longer needs: with its default a third more memory stays taken."""
    import pyarrow as pa

    if "jemalloc" in pa.supported_memory_backends():  # not on Windows
        pa.set_memory_pool(pa.jemalloc_memory_pool())


class _NoPandas:
    """Keeps pandas out: Arrow imports it when it meets an array, only to ask whether that is a series. That
    takes a fortieth of the time of a million rows. The original of a model does need it.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002 (a finder's form)
        if name == "pandas":
            raise ModuleNotFoundError(name)

    @contextlib.contextmanager
    def in_force(self, *, is_compiled: bool) -> Iterator[None]:
        if not is_compiled:
            yield
            return
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)


def _input(job: Job, listing: Listing, say: Callable[[str], None]) -> Input:
    """Returns what is read; of which model, is not known yet."""
    order = job.order
    given = Input(listing, Layout(()), order.carried(), order.on_error == "skip", order.asked, say)
    given.batch_rows = min(given.batch_rows, order.part_rows)
    return given


def _look(given: Input, order: Order, mlmodel: MLmodel) -> None:
    """Raises UsageError, TableError where an input has not the columns that a model asks for."""
    given.layout = Layout(mlmodel.inputs)
    given.carried = order.carried(given.names() if order.keeps_all else ())
    order.check_names(given.carried)
    order.check_there(given.carried, given.names())
    given.check()


def _loaded(fetched: FetchedModel, warn: Callable[[str], None]) -> Ready:
    """Returns the model that was fetched, ready to answer. Raises WaypostError."""
    if fetched.environment:
        return ready_in_its_environment(fetched.folder)
    model = ready(fetched.folder, is_trusted=fetched.is_trusted)
    if words := differing(fetched.folder, model.mlmodel):
        warn(f"{fetched.label}: {words}")
    return model


def run(job: Job, progress: Progress, say: Callable[[str], None], warn: Callable[[str], None]) -> Done:
    """Scores a table, below an MLflow run. Raises WaypostError."""
    began = time.monotonic()
    _use_lean_allocator()
    sweep()
    job.order.check_names(job.order.carried())
    sink, listing = Sink(job.output), Listing(job.source)
    check_apart(sink, listing)
    if is_local(job.model):
        check_apart_from_model(sink, Path(job.model))
    given = _input(job, listing, say)
    with ExitStack() as stack:
        temp = stack.enter_context(scratch())
        look = partial(_look, given, job.order)
        fetched = stack.enter_context(
            fetched_model(
                job.model,
                temp / "model.state",
                is_trusted=job.is_trusted,
                in_own=job.in_own,
                say=say,
                look=look,
            )
        )
        model = _loaded(fetched, warn)
        order = job.order.model_copy(update={"env": fetched.environment[:12] or None})
        stack.enter_context(_NoPandas().in_force(is_compiled=model.proof.is_equal))
        if not model.proof.is_equal:
            say(f"the original answers: {model.proof.reason}")
        check_apart_from_model(sink, fetched.folder)
        digests = stack.enter_context(Digests(listing))
        if job.overwrite:
            remove_result(sink)
        is_current = MANIFEST in sink.names()
        book = _book(job, fetched, order) if job.track and not is_current else None
        try:
            scored = score(fetched, model, given, digests, sink, order, job.threads or cores(), progress)
        except BaseException as error:
            if book:
                book.close("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED", {}, {})
            raise
        seconds = time.monotonic() - began
        run_id = ""
        if book:
            metrics = {"rows": scored.rows, "skipped": scored.skipped, "seconds": seconds}
            run_id, problem = book.close("FINISHED", metrics, {"manifest.json": manifest_text(scored)})
            if problem:
                warn(f"the result is there, but it is not tracked: {problem}")
        return Done(scored, fetched.label, seconds, run_id)


def _book(job: Job, fetched: FetchedModel, order: Order) -> Logbook:
    """Opens the MLflow run that records the scoring."""
    tags = {
        "waypost.model": fetched.label,
        "waypost.model.digest": fetched.digest,
        "waypost.release": fetched.release,
    }
    parameters = {
        "model": job.model,
        "input": redacted(job.source),
        "output": redacted(job.output),
        **{name: str(value) for name, value in order.written().items()},
    }
    return Logbook(f"score {fetched.label}", EXPERIMENT, tags, parameters)
