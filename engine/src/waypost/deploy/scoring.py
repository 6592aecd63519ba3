"""A whole table through a model: read, answered and written at the same time, a part at a time.

A part is a fixed range of rows, and its file depends on nothing but these rows, the model and the order. So
whatever is killed goes on where it was, and the result is the same to the last byte. Memory holds the parts
that are on their way, however many there are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict

from waypost.deploy.bringing import Brought
from waypost.deploy.compiled import Answer
from waypost.deploy.layout import Layout, TableError
from waypost.deploy.long_texts import too_long
from waypost.deploy.models import Ready
from waypost.deploy.reading import Input, Source
from waypost.deploy.result import (
    FOREIGN,
    MALFORMED,
    MANIFEST,
    PLAN,
    SCHEMA,
    File,
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
    text_of,
)
from waypost.deploy.sink import Sink
from waypost.errors import UsageError, redacted

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 16_384  # rows that are answered at once
MOST_PART_BYTES = 1 << 30
"""So much a part's rows may become; several parts are on their way at a time."""
ROW, PREDICTION = "row", "prediction"


class Order(BaseModel):
    """What is wanted of each row, and in which form."""

    model_config = ConfigDict(frozen=True)

    ids: tuple[str, ...] = ()
    probabilities: bool = False
    format: Literal["parquet", "csv"] = "parquet"
    part_rows: int = 16_384
    on_error: Literal["fail", "skip"] = "fail"


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
    brought: Brought, made: Ready, given: Input, sink: Sink, order: Order, threads: int, progress: Progress
) -> Scored:
    """Answers each row of the input and writes the parts, then the manifest.

    Raises TableError where a row cannot be answered and the order says fail, UsageError where the output
    holds something else, WaypostError where it cannot be written.
    """
    sink.sweep()
    there = sink.names()
    plan = _plan(brought, given, order)
    if MANIFEST in there:
        return _finished(sink, there, plan, given)
    _check_plan(sink, there, plan)
    begun = notes(sink, there)
    check_listed(sink, there, begun)
    if PLAN not in there:
        sink.write(PLAN, text_of(plan))
    progress.starting(given.rows(), sum(source.size for source in given.sources))
    work = _Work(made, sink, order, there, begun)
    with ThreadPoolExecutor(1) as hashing, ThreadPoolExecutor(threads) as pool:
        digests = [hashing.submit(given.digest, source) for source in given.sources]
        try:
            parts = _through(pool, threads, given, order, work, progress)
            inputs = [
                _told(source) | {"digest": digest.result()}
                for source, digest in zip(given.sources, digests, strict=True)
            ]
        except BaseException:
            hashing.shutdown(cancel_futures=True)
            pool.shutdown(cancel_futures=True)
            raise
    malformed = work.malformed(given.malformed)
    manifest = _manifest(plan, inputs, parts, malformed, len(given.malformed))
    sink.write(MANIFEST, text_of(manifest))
    remove_notes(sink, sink.names())
    return Scored(
        manifest["rows"], manifest["skipped"], len(parts), sum(part.is_old for part in parts), manifest
    )


def manifest_text(scored: Scored) -> str:
    """Returns the manifest as it was written."""
    return text_of(scored.manifest).decode()


def _plan(brought: Brought, given: Input, order: Order) -> dict[str, Any]:
    """Returns everything that decides the result: what was begun is gone on with only if it is the same."""
    return {
        "schema": SCHEMA,
        "model": {"label": brought.label, "digest": brought.digest},
        "order": order.model_dump(mode="json"),
        "inputs": [_told(source) for source in given.sources],
        "made_with": {name: version(name) for name in ("numpy", "onnxruntime", "pyarrow")},
    }


def _check_plan(sink: Sink, there: set[str], plan: dict[str, Any]) -> None:
    """Raises UsageError where a folder holds anything but the beginning of the same."""
    if PLAN not in there:
        if there:
            raise UsageError(f"{sink.place()}: there is something here: {min(there)}", hint=FOREIGN)
        return
    hint = "choose another folder, or --overwrite"
    begun, now = read_plan(sink).model_dump(), Plan.model_validate(plan).model_dump()
    for key, wanted in now.items():
        if begun[key] != wanted:
            problem = f"{sink.place()}: it was begun with other {key}: {_short(begun[key])}"
            raise UsageError(f"{problem}, now {_short(wanted)}", hint=hint)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 120 else f"{text[:119]}…"


def _told(source: Source) -> dict[str, Any]:
    return {"path": redacted(source.path), "size": source.size, "state": source.state}


def _finished(sink: Sink, there: set[str], plan: dict[str, Any], given: Input) -> Scored:
    """Returns what is there already, whole. Raises UsageError, IntegrityError where it is not."""
    manifest, now = read_manifest(sink), Plan.model_validate(plan)
    is_same = (manifest.model, manifest.order, manifest.made_with) == (now.model, now.order, now.made_with)
    if not is_same or not _are_inputs(manifest.inputs, given):
        hint = "choose another folder, or --overwrite"
        raise UsageError(f"{sink.place()}: there is another result here", hint=hint)
    check_whole(sink, there, manifest)
    remove_notes(sink, there)
    count = len(manifest.parts)
    said: dict[str, Any] = json.loads(sink.read(MANIFEST))
    return Scored(manifest.rows, manifest.skipped, count, count, said, is_current=True)


def _are_inputs(known: list[File], given: Input) -> bool:
    """Tells whether files are those that a manifest lists: in the same state, or with the same content."""
    if [entry.path for entry in known] != [redacted(source.path) for source in given.sources]:
        return False
    pairs = zip(known, given.sources, strict=True)
    return all(
        (entry.state == source.state and entry.size == source.size) or entry.digest == given.digest(source)
        for entry, source in pairs
    )


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

    Raises TableError that names file and column where a part's rows become too large.
    """
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    count = size = 0
    read = 0
    for batch, until in given.batches():
        read = until
        rest = batch
        while count + rest.num_rows >= rows:
            missing = rows - count
            yield pa.Table.from_batches(_alike([*batches, rest.slice(0, missing)])), until
            rest, batches, count, size = rest.slice(missing), [], 0, 0
        if rest.num_rows:
            batches.append(rest)
            count += rest.num_rows
            size += rest.nbytes
        if size > MOST_PART_BYTES:
            problem = too_long(_alike(batches), MOST_PART_BYTES)
            raise TableError(f"{given.current}: {problem}", column=problem.column, hint=problem.hint)
    if count:
        yield pa.Table.from_batches(_alike(batches)), read


def _alike(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """Returns batches of several files in the columns' order and types of the first."""
    schema = batches[0].schema
    return [b if b.schema == schema else b.select(schema.names).cast(schema) for b in batches]


@dataclass
class _Work:
    """Answers parts; its methods run in several threads at the same time. `begun`: notes of before."""

    made: Ready
    sink: Sink
    order: Order
    there: set[str]
    begun: dict[str, Note]

    @property
    def _layout(self) -> Layout:
        return self.made.answers.layout

    def part(self, number: int, table: pa.Table) -> _Part:
        """Answers a part and writes its file, unless that is there."""
        name = f"part-{number:05}.{self.order.format}"
        note = self.begun.get(note_name(number))
        if note and name in note.files and self._are_there(note):
            return _Part(name, note.files, note.rows, note.skipped, is_old=True)
        first = number * self.order.part_rows
        problems: list[dict[str, Any]] = []
        blocks = [
            self._block(table.slice(start, _BLOCK_ROWS), first + start, problems)
            for start in range(0, table.num_rows, _BLOCK_ROWS)
        ]
        import pyarrow as pa

        contents: dict[str, Any] = {}
        if problems:
            lines = [orjson.dumps(problem, option=orjson.OPT_APPEND_NEWLINE) for problem in problems]
            contents[f"_errors/part-{number:05}.jsonl"] = b"".join(lines)
        contents[name] = _encoded(pa.concat_tables(blocks), self.order.format)
        rows = table.num_rows - len(problems)
        return _Part(name, self._written(number, contents, rows, len(problems)), rows, len(problems))

    def malformed(self, lines: list[str]) -> dict[str, str]:
        """Writes the lines that are no rows; returns the file's digest by its name, nothing where all are."""
        if not lines:
            return {}
        return self._written("malformed", {MALFORMED: "\n".join(lines).encode() + b"\n"})

    def _are_there(self, note: Note) -> bool:
        """Tells whether all files of a note are there. Raises UsageError where one was changed."""
        present = [name for name in note.files if name in self.there]
        for name in present:
            check_is_as_written(self.sink, name, note.files[name])
        return len(present) == len(note.files)

    def _written(
        self, number: int | str, contents: dict[str, Any], rows: int = 0, skipped: int = 0
    ) -> dict[str, str]:
        """Writes files, after the note that lists them; returns their digests by name."""
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        note = {"schema": SCHEMA, "files": digests, "rows": rows, "skipped": skipped}
        self.sink.write(note_name(number), text_of(note))
        for name, content in contents.items():
            self.sink.write(name, content)
        return digests

    def _block(self, rows: pa.Table, first: int, problems: list[dict[str, Any]]) -> pa.Table:
        """Returns the results of some rows; `first` is the number of the first one in the input."""
        import numpy as np
        import pyarrow as pa

        numbers = np.arange(first, first + rows.num_rows)
        if self.order.on_error == "fail":
            try:
                answers = [self.made.answers.of_table(rows)]
            except TableError as error:
                raise error if error.row is None else error.at_row(first + error.row) from error
        else:
            answers, kept = self._answered(rows, first, problems)
            rows, numbers = rows.take(pa.array(kept)), numbers[kept]
        return self._table(rows, numbers, answers)

    def _answered(
        self, rows: pa.Table, first: int, problems: list[dict[str, Any]]
    ) -> tuple[list[Answer], list[int]]:
        """Returns (answers, places of the rows that have one); of the others the problems are noted."""
        kept: list[int] = []
        answers: list[Answer] = []
        left = [list(range(rows.num_rows))]
        while left:
            places = left.pop()
            if not places:
                continue
            try:
                answers.append(self._asked(rows.take(places)))
                kept += places
            except TableError as error:
                if error.row is None and len(places) == 1:
                    error.row = 0
                if error.row is None:
                    middle = len(places) // 2
                    left += [places[middle:], places[:middle]]
                    continue
                place = places[error.row]
                told = error.at_row(first + place)
                ids = {name: str(rows[name][place]) for name in self.order.ids}
                problems.append({ROW: first + place, **ids, "column": error.column, "problem": str(told)})
                # What comes before is good as far as is known; the rest is asked again.
                left += [places[error.row + 1 :], places[: error.row]]
        problems.sort(key=lambda problem: int(problem[ROW]))
        return answers, kept

    def _asked(self, rows: pa.Table) -> Answer:
        return self.made.answers.of_table(_typed(rows, self._layout))

    def _table(self, rows: pa.Table, numbers: Any, answers: Sequence[Answer]) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        columns: dict[str, Any] = {name: rows[name] for name in self.order.ids} or {ROW: pa.array(numbers)}
        labels = np.concatenate([a.labels for a in answers]) if answers else np.empty(0, dtype=object)
        classes = self.made.answers.classes
        kind = None if len(labels) or classes is None or classes.dtype != object else pa.string()
        columns[PREDICTION] = pa.array(labels.tolist(), kind)
        if self.order.probabilities and classes is not None:
            chances = [a.probabilities for a in answers] or [np.empty((0, len(classes)))]
            table = np.concatenate(chances)
            for position, name in enumerate(classes.tolist()):
                columns[f"probability_{name}"] = pa.array(np.ascontiguousarray(table[:, position]))
        return pa.table(columns)


def _typed(rows: pa.Table, layout: Layout) -> pa.Table:
    """Returns rows with the types of the model, of a CSV that was read as text.

    Raises TableError that names the first value of another type.
    """
    import pyarrow as pa

    kinds = {column.name: column.kind for column in layout.columns}
    for place, name in enumerate(rows.schema.names):
        if kinds.get(name, "text") == "text" or not pa.types.is_string(rows.schema.field(name).type):
            continue
        wanted = pa.bool_() if kinds[name] == "boolean" else pa.float64()
        try:
            typed = rows[name].cast(wanted)
        except pa.ArrowInvalid as error:
            raise _first_wrong(rows[name], name, wanted) from error
        rows = rows.set_column(place, name, typed)
    return rows


def _first_wrong(values: pa.ChunkedArray, name: str, wanted: pa.DataType) -> TableError:
    import pyarrow as pa

    for row, value in enumerate(values):
        try:
            value.cast(wanted)
        except pa.ArrowInvalid:
            message = f"column {name!r}, row {row}: {value.as_py()!r} is no {wanted}"
            return TableError(message, column=name, row=row)
    return TableError(f"column {name!r}: not of type {wanted}", column=name)


def _encoded(table: pa.Table, form: str) -> pa.Buffer:
    """Returns a table as a file's content: the same bytes for the same rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    out = pa.BufferOutputStream()
    if form == "csv":
        csv.write_csv(table, out)
    else:
        pq.write_table(table.combine_chunks(), out, compression="zstd")
    return out.getvalue()
