"""Scoring of a whole table: reading, answering and writing at the same time, a part at a time.

A part is a fixed range of rows, and its file depends only on these rows, the model and the options. So a
killed scoring continues where it was, and the result is the same to the last byte. Memory holds only the
parts in progress.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waypost.batch.answers import RowScorer
from waypost.batch.cutting import parts
from waypost.batch.fingerprint import ScoringOptions, differences, plan_of, told
from waypost.batch.input_digests import Digests
from waypost.batch.output_folder import (
    FOREIGN,
    MANIFEST,
    PLAN,
    Plan,
    check_listed,
    check_whole,
    notes,
    read_manifest,
    read_plan,
    remove_notes,
    remove_result,
    text_of,
)
from waypost.batch.parts import Part, Parts
from waypost.batch.readers import Input
from waypost.batch.sink import Sink
from waypost.errors import FindingsError, UsageError, WaypostError
from waypost.inference.fetching import FetchedModel
from waypost.inference.layout import TableError
from waypost.inference.model_cache import ReadyModel

if TYPE_CHECKING:
    import pyarrow as pa

_ANOTHER = "choose another folder, or --overwrite"


@dataclass(frozen=True)
class Scored:
    """The outcome. `skipped` rows could not be answered; `resumed` parts existed before."""

    rows: int
    skipped: int
    parts: int
    resumed: int
    manifest: dict[str, Any]
    is_current: bool = False


class Progress:
    """Receives progress; every method is optional."""

    def starting(self, rows: int | None, size: int) -> None:
        """Reading of `rows` rows (None: unknown) in `size` bytes starts."""

    def advanced(self, rows: int, read: int) -> None:
        """`rows` rows are done, and `read` bytes read."""


Answering = Callable[[Parts, Progress], list[Part]]
"""Answers an input and writes its parts; returns them in order."""


def score(
    fetched: FetchedModel,
    given: Input,
    digests: Digests,
    sink: Sink,
    options: ScoringOptions,
    answered: Answering,
    progress: Progress,
) -> Scored:
    """Has the rows of the input answered and the parts written, then writes the manifest.

    Raises TableError if a row cannot be answered and `on_error` is fail, leaving no files; UsageError if the
    output holds other files, WaypostError if it cannot be written.
    """
    sink.sweep()
    there = sink.names()
    plan = plan_of(fetched, given.sources, options)
    if MANIFEST in there:
        return _finished(sink, there, plan, digests)
    begun = notes(sink, there)
    known = {number: digest for note in begun.values() for number, digest in note.inputs.items()}
    _check_plan(sink, there, plan, {number: (digest, digests.of(number)) for number, digest in known.items()})
    check_listed(sink, there, begun)
    if PLAN not in there:
        sink.write(PLAN, text_of(plan))
    progress.starting(given.rows(), sum(source.size for source in given.sources))
    work = Parts(given, options, sink, there, begun, digests, frozenset(known))
    try:
        parts = answered(work, progress)
    except (TableError, UsageError):  # a retry would fail in the same way, so nothing is kept
        with contextlib.suppress(WaypostError):
            remove_result(sink)
        raise
    except FindingsError:  # found before anything was answered: earlier parts stay
        if PLAN not in there:
            sink.remove([PLAN])
        raise
    inputs = [told(source) | {"digest": digests.of(i)} for i, source in enumerate(given.sources)]
    manifest = _manifest(plan, inputs, parts, work.malformed(given.malformed), len(given.malformed))
    sink.write(MANIFEST, text_of(manifest))
    remove_notes(sink, sink.names())
    sink.remove_work()
    return Scored(
        manifest["rows"], manifest["skipped"], len(parts), sum(part.is_old for part in parts), manifest
    )


def on_threads(model: ReadyModel, given: Input, options: ScoringOptions, threads: int) -> Answering:
    """Returns the scoring function of this machine: this thread reads, the others answer and write a part
    each.
    """
    row_scorer = RowScorer(model, given, options)

    def answered(work: Parts, progress: Progress) -> list[Part]:
        def part(number: int, table: pa.Table) -> Part:
            if there := work.taken_up(number, table.num_rows):
                return there
            content = row_scorer.part(number, table)
            return work.write(number, content.files, content.rows, content.skipped)

        with ThreadPoolExecutor(threads) as pool:
            try:
                return _through(pool, threads, given, options, part, progress)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    return answered


def manifest_text(scored: Scored) -> str:
    """Returns the manifest as written."""
    return text_of(scored.manifest).decode()


def _check_plan(
    sink: Sink, there: set[str], plan: dict[str, Any], digests: Mapping[int, tuple[str, str]]
) -> None:
    """Raises UsageError if a folder holds anything but the beginning of the same result."""
    if PLAN not in there:
        if there:
            raise UsageError(f"{sink.place()}: not empty, it has {min(there)}", hint=FOREIGN)
        return
    for words in differences(read_plan(sink), Plan.model_validate(plan), digests):
        raise UsageError(f"{sink.place()}: it was started with {words}", hint=_ANOTHER)


def _finished(sink: Sink, there: set[str], plan: dict[str, Any], digests: Digests) -> Scored:
    """Returns an existing result. Raises UsageError if it is another one, IntegrityError if it is
    incomplete.
    """
    manifest, now = read_manifest(sink), Plan.model_validate(plan)
    known = {number: entry.digest for number, entry in enumerate(manifest.inputs) if entry.digest}
    compared = {}
    if len(manifest.inputs) == len(now.inputs):
        compared = {number: (digest, digests.of(number)) for number, digest in known.items()}
    for words in differences(manifest, now, compared):
        raise UsageError(f"{sink.place()}: holds another result, made with {words}", hint=_ANOTHER)
    check_whole(sink, there, manifest)
    remove_notes(sink, there)
    count = len(manifest.parts)
    document: dict[str, Any] = json.loads(sink.read(MANIFEST))
    return Scored(manifest.rows, manifest.skipped, count, count, document, is_current=True)


def _manifest(
    plan: dict[str, Any],
    inputs: list[dict[str, Any]],
    parts: list[Part],
    malformed: dict[str, str],
    lines: int,
) -> dict[str, Any]:
    """Returns the manifest of a result: `malformed` is the file of `lines` invalid lines, if any."""
    named = [{"name": p.name, "sha256": p.files[p.name], "rows": p.rows, "skipped": p.skipped} for p in parts]
    errors = {name: digest for p in parts for name, digest in p.files.items() if name != p.name}
    return {
        **plan,
        "inputs": inputs,
        "parts": named,
        "errors": errors | malformed,
        "rows": sum(part.rows for part in parts),
        "skipped": sum(part.skipped for part in parts) + lines,
        "malformed": lines,
    }


def _through(
    pool: ThreadPoolExecutor,
    threads: int,
    given: Input,
    options: ScoringOptions,
    part_of: Callable[[int, pa.Table], Part],
    progress: Progress,
) -> list[Part]:
    """Reads parts and passes them to the threads, a few ahead; returns them in order."""
    waiting: set[Future[Part]] = set()
    ordered: list[Future[Part]] = []
    done = read = 0

    def hear(finished: set[Future[Part]]) -> None:
        nonlocal done
        for future in finished:
            part = future.result()
            done += part.rows + part.skipped
        progress.advanced(done, read)

    for number, (table, until) in enumerate(parts(given, options.part_rows)):
        future = pool.submit(part_of, number, table)
        waiting.add(future)
        ordered.append(future)
        read = until
        if len(waiting) > threads:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            hear(finished)
    while waiting:
        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        hear(finished)
    return [future.result() for future in ordered]
