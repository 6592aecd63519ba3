"""A whole table through a model: read, answered and written at the same time, a part at a time.

A part is a fixed range of rows, and its file depends on nothing but these rows, the model and the order. So
whatever is killed goes on where it was, and the result is the same to the last byte. Memory holds the parts
that are on their way, however many there are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from waypost.batch.answers import Asking, encoded
from waypost.batch.fingerprint import Order, differences, plan_of, told
from waypost.batch.input_digests import Digests
from waypost.batch.long_texts import too_long
from waypost.batch.output_folder import (
    FOREIGN,
    MALFORMED,
    MANIFEST,
    PLAN,
    SCHEMA,
    Note,
    Plan,
    check_is_as_written,
    check_listed,
    check_whole,
    note_name,
    notes,
    read_manifest,
    read_plan,
    remove_notes,
    remove_result,
    text_of,
)
from waypost.batch.readers import Input
from waypost.batch.sink import Sink
from waypost.errors import UsageError, WaypostError
from waypost.inference.fetching import FetchedModel
from waypost.inference.layout import TableError
from waypost.inference.model_cache import Ready

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PART_BYTES = 1 << 30
"""So much a part's rows may become; several parts are on their way at a time."""
_ANOTHER = "choose another folder, or --overwrite"


@dataclass(frozen=True)
class Scored:
    """What came of it. `skipped` rows could not be answered; `resumed` parts were there before."""

    rows: int
    skipped: int
    parts: int
    resumed: int
    manifest: dict[str, Any]
    is_current: bool = False


class Progress:
    """Hears how far it is; every method may be left out."""

    def starting(self, rows: int | None, size: int) -> None:
        """So many rows (None: not known) in so many bytes are to be read."""

    def advanced(self, rows: int, read: int) -> None:
        """So many rows are done, and so many bytes read."""


@dataclass(frozen=True)
class _Part:
    """A part that is there: its files' digests by name, rows answered, and those that could not be."""

    name: str
    files: dict[str, str]
    rows: int
    skipped: int
    is_old: bool = False


def score(
    fetched: FetchedModel,
    model: Ready,
    given: Input,
    digests: Digests,
    sink: Sink,
    order: Order,
    threads: int,
    progress: Progress,
) -> Scored:
    """Answers each row of the input and writes the parts, then the manifest.

    Raises TableError where a row cannot be answered and the order says fail, and nothing is left then;
    UsageError where the output holds something else, WaypostError where it cannot be written.
    """
    sink.sweep()
    there = sink.names()
    plan = plan_of(fetched, given.sources, order)
    if MANIFEST in there:
        return _finished(sink, there, plan, digests)
    begun = notes(sink, there)
    known = {number: digest for note in begun.values() for number, digest in note.inputs.items()}
    _check_plan(sink, there, plan, {number: (digest, digests.of(number)) for number, digest in known.items()})
    check_listed(sink, there, begun)
    if PLAN not in there:
        sink.write(PLAN, text_of(plan))
    progress.starting(given.rows(), sum(source.size for source in given.sources))
    work = _Work(Asking(model, given, order), sink, there, begun, digests, frozenset(known))
    try:
        parts = _answered(given, order, work, threads, progress)
    except (TableError, UsageError):  # the same again would end alike: nothing is left to go on with
        with contextlib.suppress(WaypostError):
            remove_result(sink)
        raise
    inputs = [told(source) | {"digest": digests.of(i)} for i, source in enumerate(given.sources)]
    manifest = _manifest(plan, inputs, parts, work.malformed(given.malformed), len(given.malformed))
    sink.write(MANIFEST, text_of(manifest))
    remove_notes(sink, sink.names())
    return Scored(
        manifest["rows"], manifest["skipped"], len(parts), sum(part.is_old for part in parts), manifest
    )


def _answered(given: Input, order: Order, work: _Work, threads: int, progress: Progress) -> list[_Part]:
    with ThreadPoolExecutor(threads) as pool:
        try:
            return _through(pool, threads, given, order, work, progress)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def manifest_text(scored: Scored) -> str:
    """Returns the manifest as it was written."""
    return text_of(scored.manifest).decode()


def _check_plan(
    sink: Sink, there: set[str], plan: dict[str, Any], digests: Mapping[int, tuple[str, str]]
) -> None:
    """Raises UsageError where a folder holds anything but the beginning of the same."""
    if PLAN not in there:
        if there:
            raise UsageError(f"{sink.place()}: not empty, it has {min(there)}", hint=FOREIGN)
        return
    for words in differences(read_plan(sink), Plan.model_validate(plan), digests):
        raise UsageError(f"{sink.place()}: it was begun with {words}", hint=_ANOTHER)


def _finished(sink: Sink, there: set[str], plan: dict[str, Any], digests: Digests) -> Scored:
    """Returns what is there already, whole. Raises UsageError, IntegrityError where it is not."""
    manifest, now = read_manifest(sink), Plan.model_validate(plan)
    known = {number: entry.digest for number, entry in enumerate(manifest.inputs) if entry.digest}
    compared = {}
    if len(manifest.inputs) == len(now.inputs):
        compared = {number: (digest, digests.of(number)) for number, digest in known.items()}
    for words in differences(manifest, now, compared):
        raise UsageError(f"{sink.place()}: there is another result here, made with {words}", hint=_ANOTHER)
    check_whole(sink, there, manifest)
    remove_notes(sink, there)
    count = len(manifest.parts)
    document: dict[str, Any] = json.loads(sink.read(MANIFEST))
    return Scored(manifest.rows, manifest.skipped, count, count, document, is_current=True)


def _manifest(
    plan: dict[str, Any],
    inputs: list[dict[str, Any]],
    parts: list[_Part],
    malformed: dict[str, str],
    lines: int,
) -> dict[str, Any]:
    """Returns what lists the whole result: `malformed` is the file of `lines` that are no rows, if any."""
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
    pool: ThreadPoolExecutor, threads: int, given: Input, order: Order, work: _Work, progress: Progress
) -> list[_Part]:
    """Reads parts and hands them to the threads, a few ahead; returns them in order."""
    waiting: set[Future[_Part]] = set()
    ordered: list[Future[_Part]] = []
    done = read = 0

    def hear(finished: set[Future[_Part]]) -> None:
        nonlocal done
        for future in finished:
            part = future.result()
            done += part.rows + part.skipped
        progress.advanced(done, read)

    for number, (table, until) in enumerate(parts(given, order.part_rows)):
        future = pool.submit(work.part, number, table)
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


def parts(given: Input, rows: int) -> Iterator[tuple[pa.Table, int]]:
    """Gives (rows of a part, bytes read until here); a part is `rows` long, but for the last.

    Where there are no rows there is one part, without any. Raises TableError that names file and column where
    a part's rows become too large.
    """
    batches: list[pa.RecordBatch] = []
    count = size = read = number = 0
    nothing: pa.RecordBatch | None = None
    for batch, until in given.batches():
        read = until
        rest = batch
        nothing = nothing or batch.slice(0, 0)
        while count + rest.num_rows >= rows:
            missing = rows - count
            yield _joined([*batches, rest.slice(0, missing)]), until
            rest, batches, count, size, number = rest.slice(missing), [], 0, 0, number + 1
        if rest.num_rows:
            batches.append(rest)
            count += rest.num_rows
            size += rest.nbytes
        if size > MOST_PART_BYTES:
            problem = too_long(_joined(batches).to_batches(), MOST_PART_BYTES)
            raise TableError(f"{given.current}: {problem}", column=problem.column, hint=problem.hint)
    if count:
        yield _joined(batches), read
    elif not number and nothing is not None:  # there are columns, if no rows
        yield _joined([nothing]), read


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    """Returns the rows of batches, which may come from files whose columns differ in order and type."""
    import pyarrow as pa

    if all(batch.schema == batches[0].schema for batch in batches):
        return pa.Table.from_batches(batches)
    tables = [pa.Table.from_batches([_plain(batch)]) for batch in batches]
    return pa.concat_tables(tables, promote_options="permissive")


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns a batch without dictionaries."""
    import pyarrow as pa

    arrays = [a.dictionary_decode() if pa.types.is_dictionary(a.type) else a for a in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


@dataclass
class _Work:
    """Answers parts; its methods run in several threads at the same time.

    `begun` are notes of before; `known` are the files of the input that are proved to be what they were.
    """

    asking: Asking
    sink: Sink
    there: set[str]
    begun: dict[str, Note]
    digests: Digests
    known: frozenset[int]

    def part(self, number: int, table: pa.Table) -> _Part:
        """Answers a part and writes its file, unless that is there."""
        order = self.asking.order
        name = f"part-{number:05}.{order.format}"
        first = number * order.part_rows
        files = self._files(first, table.num_rows)
        note = self.begun.get(note_name(number))
        if note and name in note.files:
            if self._are_same(files) and self._are_there(note):
                return _Part(name, note.files, note.rows, note.skipped, is_old=True)
            self._remove(number, note)
        problems: list[dict[str, Any]] = []
        answered = self.asking.table(table, first, problems)
        contents: dict[str, Any] = {}
        if problems:
            lines = [orjson.dumps(problem, option=orjson.OPT_APPEND_NEWLINE) for problem in problems]
            contents[f"_errors/part-{number:05}.jsonl"] = b"".join(lines)
        contents[name] = encoded(answered, order.format)
        rows = table.num_rows - len(problems)
        written = self._written(number, contents, rows, len(problems), files)
        return _Part(name, written, rows, len(problems))

    def malformed(self, lines: list[str]) -> dict[str, str]:
        """Writes the lines that are no rows; returns the file's digest by its name, nothing where all are."""
        note = self.begun.get(note_name("malformed"))
        if note:
            self._remove("malformed", note)
        if not lines:
            return {}
        return self._written("malformed", {MALFORMED: "\n".join(lines).encode() + b"\n"})

    def _files(self, first: int, rows: int) -> range:
        """Returns the files of the input that rows are from."""
        given = self.asking.given
        return range(given.file_of(first), given.file_of(first + max(rows, 1) - 1) + 1)

    def _are_same(self, files: range) -> bool:
        """Tells whether files of the input are proved to be what they were when their rows were answered.

        Of a file on another machine, what its store says of it was compared before.
        """
        return self.asking.given.files.is_remote or self.known.issuperset(files)

    def _are_there(self, note: Note) -> bool:
        """Tells whether all files of a note are there. Raises UsageError where one was changed."""
        present = [name for name in note.files if name in self.there]
        for name in present:
            check_is_as_written(self.sink, name, note.files[name])
        return len(present) == len(note.files)

    def _remove(self, number: int | str, note: Note) -> None:
        """Removes what was written of a part, the note last. Raises UsageError where it was changed since."""
        self._are_there(note)
        self.sink.remove([name for name in note.files if name in self.there])
        self.sink.remove([note_name(number)])

    def _written(
        self,
        number: int | str,
        contents: dict[str, Any],
        rows: int = 0,
        skipped: int = 0,
        files: Iterable[int] = (),
    ) -> dict[str, str]:
        """Writes files, after the note that lists them; returns their digests by name."""
        written = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        note: dict[str, Any] = {"schema": SCHEMA, "files": written, "rows": rows, "skipped": skipped}
        if not self.asking.given.files.is_remote:
            note["inputs"] = {i: digest for i in files if (digest := self.digests.known(i))}
        self.sink.write(note_name(number), text_of(note))
        for name, content in contents.items():
            self.sink.write(name, content)
        return written
