"""`waypost score`, from the command line to the tracked result."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost import extras
from waypost.batch.fingerprint import MADE_WITH, ScoringOptions
from waypost.batch.input_digests import Digests
from waypost.batch.inputs import Listing
from waypost.batch.output_folder import MANIFEST, remove_result
from waypost.batch.overlap import check_apart, check_apart_from_model
from waypost.batch.readers import Input
from waypost.batch.scoring import Answering, Progress, Scored, manifest_text, on_threads, score
from waypost.batch.sink import Sink
from waypost.contracts.mlmodel import MLmodel
from waypost.errors import UsageError, redacted
from waypost.inference.fetching import FetchedModel, fetched_model
from waypost.inference.layout import Layout
from waypost.inference.loading import differing
from waypost.inference.model_cache import ReadyModel, kept, ready, ready_in_its_environment
from waypost.inference.proof import Proof
from waypost.sources.files import read_mlmodel
from waypost.system.machine import cores
from waypost.system.scratch import remove_leftovers, scratch
from waypost.tracking.logbook import Logbook
from waypost.tracking.models import is_local

if TYPE_CHECKING:
    from waypost.cluster.connection import Cluster

EXPERIMENT = "scoring"


@dataclass(frozen=True)
class ScoringRequest:
    """A request to score a table: model, input, output and options."""

    model: str
    source: str
    output: str
    options: ScoringOptions
    threads: int | None = None
    overwrite: bool = False
    track: bool = True
    is_trusted: bool = False
    in_own: bool = False
    """Whether the model runs in its own environment."""
    on: str = ""
    """The address of a Dask scheduler, if a cluster scores."""
    certificates: tuple[Path | None, Path | None, Path | None] = (None, None, None)
    """TLS files for it that Dask's configuration does not give: authority, certificate, key."""
    wait: float = 60.0
    """Seconds to wait for the first worker of the cluster."""

    def check(self) -> None:
        """Raises UsageError if options do not go together, MissingExtraError."""
        self.options.check_names(self.options.carried())
        if not self.on:
            return
        extras.require("dask", "--on")
        if self.threads:
            raise UsageError("--threads: with --on, each worker has one thread per core", hint="leave it out")
        for url in (self.model, self.source, self.output):
            if redacted(url) != url:
                said = f"{redacted(url)}: a URL with a password or a token cannot be sent to a cluster"
                raise UsageError(said, hint="give it to the workers as variables or files of their own")


@dataclass(frozen=True)
class ScoringRun:
    """The outcome; `run_id` is the id of the MLflow run, empty if there is none."""

    scored: Scored
    model: str
    seconds: float
    run_id: str


def _use_lean_allocator() -> None:
    """Makes Arrow return free memory: its default allocator keeps a third more."""
    import pyarrow as pa

    if "jemalloc" in pa.supported_memory_backends():  # not on Windows
        pa.set_memory_pool(pa.jemalloc_memory_pool())


class _NoPandas:
    """Blocks the import of pandas, which Arrow does for each array, only to check for a series. That takes
    1/40 of the time of a million rows. The original of a model needs pandas.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002 (a finder's interface)
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


def _input(request: ScoringRequest, listing: Listing, say: Callable[[str], None]) -> Input:
    """Returns the input; the model is not yet known."""
    options = request.options
    given = Input(listing, Layout(()), options.carried(), options.on_error == "skip", options.asked, say)
    given.batch_rows = min(given.batch_rows, options.part_rows)
    return given


def _look(given: Input, options: ScoringOptions, mlmodel: MLmodel) -> None:
    """Raises UsageError, TableError if an input lacks columns of the model."""
    given.layout = Layout(mlmodel.inputs)
    given.carried = options.carried(given.names() if options.keeps_all else ())
    options.check_names(given.carried)
    options.check_there(given.carried, given.names())
    given.check()


def _loaded(fetched: FetchedModel) -> ReadyModel:
    """Returns the fetched model, ready to answer. Raises WaypostError."""
    if fetched.environment:
        return ready_in_its_environment(fetched.folder)
    return ready(fetched.folder, is_trusted=fetched.is_trusted, digest=fetched.digest)


def _proof(fetched: FetchedModel) -> Proof:
    """Returns a model's proof, which decides the form that answers, without loading the model."""
    if fetched.environment:
        return Proof(is_equal=False, reason="it runs in its own environment", versions={})
    return kept(fetched.digest).proof


def _answering(
    request: ScoringRequest,
    fetched: FetchedModel,
    given: Input,
    options: ScoringOptions,
    cluster: Cluster | None,
    stack: ExitStack,
    say: Callable[[str], None],
) -> Answering:
    """Returns the scoring function: by threads of this machine, or by the workers of a cluster."""
    if cluster is None:
        model = _loaded(fetched)
        proof = model.proof
        answering = on_threads(model, given, options, request.threads or cores())
    else:
        from waypost.batch.cluster_job import WantedModel
        from waypost.batch.on_cluster import on_cluster

        proof = _proof(fetched)
        uri = os.path.abspath(request.model) if is_local(request.model) else request.model  # noqa: PTH100 (as given)
        wanted = WantedModel.of(fetched, uri, is_compiled=proof.is_equal)
        answering = on_cluster(cluster, wanted, given, say)
    stack.enter_context(_NoPandas().in_force(is_compiled=proof.is_equal))
    if not proof.is_equal:
        say(f"the original answers: {proof.reason}")
    return answering


@contextlib.contextmanager
def _cluster(
    request: ScoringRequest, say: Callable[[str], None], warn: Callable[[str], None]
) -> Iterator[Cluster | None]:
    """Yields the cluster that scores, or None if this machine does.

    Raises WaypostError if it cannot be reached, has no workers, or different versions.
    """
    if not request.on:
        yield None
        return
    from waypost.cluster.connection import connected
    from waypost.cluster.security import Tls

    with connected(request.on, Tls(*request.certificates), warn=warn) as cluster:
        cluster.some_workers(request.wait, say)
        cluster.check_versions(MADE_WITH)
        yield cluster


def run(
    request: ScoringRequest, progress: Progress, say: Callable[[str], None], warn: Callable[[str], None]
) -> ScoringRun:
    """Scores a table, tracked as an MLflow run. Raises WaypostError."""
    began = time.monotonic()
    _use_lean_allocator()
    remove_leftovers()
    request.check()
    sink, listing = Sink(request.output), Listing(request.source)
    check_apart(sink, listing)
    if is_local(request.model):
        check_apart_from_model(sink, Path(request.model))
    given = _input(request, listing, say)
    with ExitStack() as stack:
        digests = stack.enter_context(Digests(listing))  # a core is idle while the model is loaded
        cluster = stack.enter_context(_cluster(request, say, warn))
        temp = stack.enter_context(scratch())
        look = partial(_look, given, request.options)
        fetched = stack.enter_context(
            fetched_model(
                request.model,
                temp / "model.state",
                is_trusted=request.is_trusted,
                in_own=request.in_own,
                say=say,
                look=look,
            )
        )
        if not fetched.environment and (words := differing(fetched.folder, read_mlmodel(fetched.folder))):
            warn(f"{fetched.label}: {words}")
        options = request.options.model_copy(update={"env": fetched.environment[:12] or None})
        answered = _answering(request, fetched, given, options, cluster, stack, say)
        check_apart_from_model(sink, fetched.folder)
        digests.renew()
        if request.overwrite:
            remove_result(sink)
        is_current = MANIFEST in sink.names()
        book = _book(request, fetched, options) if request.track and not is_current else None
        try:
            scored = score(fetched, given, digests, sink, options, answered, progress)
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
                warn(f"the result is complete, but not tracked: {problem}")
        return ScoringRun(scored, fetched.label, seconds, run_id)


def _book(request: ScoringRequest, fetched: FetchedModel, options: ScoringOptions) -> Logbook:
    """Opens the MLflow run that records the scoring."""
    tags = {
        "waypost.model": fetched.label,
        "waypost.model.digest": fetched.digest,
        "waypost.release": fetched.release,
    }
    parameters = {
        "model": request.model,
        "input": redacted(request.source),
        "output": redacted(request.output),
        **({"on": request.on} if request.on else {}),
        **{name: str(value) for name, value in options.written().items()},
    }
    return Logbook(f"score {fetched.label}", EXPERIMENT, tags, parameters)
