"""CSV in any dialect: read with the model's column types, or as strings, which shows the wrong values."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from waypost.batch.conversion import converted, without_missing
from waypost.batch.csv_cuts import Cuts
from waypost.batch.pieces import ColumnSelection, Open, Peek, Piece, Problem, not_a_row
from waypost.inference.delimited import values_options
from waypost.inference.dialect import SAMPLE_BYTES, Dialect, decoded, guessed, names_in
from waypost.inference.layout import TableError
from waypost.inference.table import short

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 1024 * 1024


def peeked(sample: bytes, wanted: ColumnSelection, *, usual: str) -> Peek:
    """Returns the dialect and the columns of a file that begins with a sample. Raises TableError."""
    import pyarrow as pa

    names = wanted.layout.names | set(wanted.carried)
    dialect = guessed(sample, wanted.asked, names, wanted.numbers, usual=usual)
    text = io.StringIO(decoded(sample, dialect.encoding), newline="")
    found = names_in(text, dialect.separator)
    if not found:
        raise TableError("there is no header")
    is_empty = len(sample) < SAMPLE_BYTES and not text.read().strip()
    schema = pa.schema([(name, pa.string()) for name in found])
    return Peek(schema, 0 if is_empty else None, dialect)


def pieces_between(
    opened: Open, columns: list[str], peek: Peek, wanted: ColumnSelection, cuts: Cuts, within: range
) -> Iterator[Piece]:
    """Yields the rows in a range, as `pieces` does, without reading those before. Raises TableError."""
    begin, end, row, count = cuts.holding(within)
    part = partial(_opened_part, opened, (0, cuts.header), (begin, end))
    found = 0
    for piece in pieces(part, columns, peek, wanted, lenient=False):
        first, found = found, found + piece.batch.num_rows
        skipped = max(within.start - row - first, 0)
        batch = piece.batch.slice(skipped, max(within.stop - row - first - skipped, 0))
        problems = [replace(p, row=p.row - skipped) for p in piece.problems]  # also of rows around the range
        if piece.malformed and not problems:
            raise not_a_row(piece.malformed[0], row + first, row + found)
        if batch.num_rows or problems:
            yield Piece(batch, problems, read=piece.read)
    if found != count:
        raise TableError(f"{found} rows instead of {count}: the file has changed")


def pieces(
    opened: Open, columns: list[str], peek: Peek, wanted: ColumnSelection, *, lenient: bool
) -> Iterator[Piece]:
    """Yields the rows of a file. Raises TableError; `lenient` collects problems instead."""
    import pyarrow as pa

    if wanted.carried and not wanted.layout.columns:
        problem = "the model names no columns, so the types of carried-over columns are unknown"
        raise TableError(problem, hint="write the table as Parquet, or carry no columns over")
    reader = _Reader(opened, columns, peek.dialect, wanted)
    try:
        if peek.rows == 0:
            yield reader.nothing()
        elif reader.has_types and (lenient or wanted.layout.names.intersection(wanted.carried)):
            yield from reader.texts()
        else:
            yield from reader.values()
    except (pa.ArrowException, OSError, UnicodeError) as error:
        is_encoding = isinstance(error, UnicodeError) or "UTF8" in str(error)
        hint = "name its encoding: --encoding" if is_encoding else ""
        raise TableError(f"cannot be read: {' '.join(str(error).split())}", hint=hint) from error


@dataclass
class _Reader:
    """Reads one file, in either of two ways; `malformed` are the invalid lines of the latest piece."""

    opened: Open
    columns: list[str]
    dialect: Dialect
    wanted: ColumnSelection
    malformed: list[str] = field(default_factory=list)

    @property
    def has_types(self) -> bool:
        """Whether the types are known: if the model names no columns, Arrow infers them."""
        return bool(self.wanted.layout.columns)

    def nothing(self) -> Piece:
        """Returns the columns of a file without rows."""
        import pyarrow as pa

        texts = [pa.array([], pa.string()) for _ in self.columns]
        return self._converted(pa.RecordBatch.from_arrays(texts, self.columns), [], 0)

    def values(self) -> Iterator[Piece]:
        """Yields the rows with their types. If that fails, the rest is read as strings, which shows the
        cause.
        """
        import pyarrow as pa

        types = {name: self.wanted.type(name) for name in self.columns} if self.has_types else {}
        texts = [n for n in self.columns if self.wanted.kind(n) in {"text", "other"}]
        rows = 0
        try:
            for batch, read in self._batches(types, as_written=bool(self.wanted.carried)):
                if self.malformed:
                    break
                rows += batch.num_rows
                yield Piece(_without_missing(batch, texts) if self.wanted.carried else batch, read=read)
        except pa.ArrowInvalid:
            yield from self._rest(rows)
            raise
        if self.malformed:
            yield from self._rest(rows)

    def _rest(self, rows: int) -> Iterator[Piece]:
        """Yields the pieces after a number of rows, with their problems."""
        self.malformed.clear()
        for piece in self.texts():
            known = min(rows, piece.batch.num_rows)
            rows -= known
            problems = [Problem(p.row - known, p.column, p.words) for p in piece.problems if p.row >= known]
            yield Piece(piece.batch.slice(known), problems, piece.malformed, piece.read)

    def texts(self) -> Iterator[Piece]:
        """Yields the rows, read as strings; carried-over columns stay unchanged."""
        import pyarrow as pa

        types = dict.fromkeys(self.columns, pa.string())
        for batch, read in self._batches(types, as_written=True):
            malformed, self.malformed = self.malformed, []
            yield self._converted(batch, malformed, read)

    def _converted(self, batch: pa.RecordBatch, malformed: list[str], read: int) -> Piece:
        import pyarrow as pa

        columns: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, texts in zip(batch.schema.names, batch.columns, strict=True):
            if name in self.wanted.carried:
                columns[self.wanted.kept_as(name)] = texts
            if self.wanted.kind(name):
                columns[name], wrong = converted(texts, self.wanted.type(name), self.dialect.decimal)
                noun = self.wanted.noun(name)
                problems += [
                    Problem(row, name, f"{short(texts[row].as_py())} is not a valid {noun}") for row in wrong
                ]
        return Piece(pa.RecordBatch.from_pydict(columns), problems, malformed, read)

    def _batches(
        self, types: dict[str, pa.DataType], *, as_written: bool
    ) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yields (rows, bytes read so far). With `as_written` no string counts as missing."""
        from pyarrow import csv

        with self.opened() as (file, stream):
            reader = csv.open_csv(
                stream,
                read_options=csv.ReadOptions(block_size=_BLOCK_BYTES, encoding=self.dialect.encoding),
                parse_options=csv.ParseOptions(
                    delimiter=self.dialect.separator,
                    newlines_in_values=True,
                    invalid_row_handler=self._skip,
                ),
                convert_options=values_options(
                    types, self.dialect.decimal, strings_can_be_null=not as_written
                ),
            )
            for batch in reader:
                yield batch, file.tell()

    def _skip(self, row: Any) -> str:
        self.malformed.append(row.text)
        return "skip"


class _Parts(io.RawIOBase):
    """Some byte ranges of a file, one after the other."""

    def __init__(self, file: Any, *parts: tuple[int, int]) -> None:
        self._file = file
        self._parts = [part for part in parts if part[1] > part[0]]
        self._file.seek(self._parts[0][0] if self._parts else 0)

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        if not self._parts:
            return 0
        view = memoryview(buffer).cast("B")
        data = self._file.read(min(len(view), self._parts[0][1] - self._file.tell()))
        view[: len(data)] = data
        if not data or self._file.tell() >= self._parts[0][1]:
            self._parts.pop(0)
            if self._parts:
                self._file.seek(self._parts[0][0])
        return len(data)


@contextlib.contextmanager
def _opened_part(opened: Open, *parts: tuple[int, int]) -> Iterator[tuple[Any, Any]]:
    with opened() as (file, _):
        part = _Parts(file, *parts)
        yield part, part


def _without_missing(batch: pa.RecordBatch, texts: list[str]) -> pa.RecordBatch:
    """Returns a batch with nulls for the words that mean a missing value, in columns `texts`."""
    for name in texts:
        place = batch.schema.get_field_index(name)
        batch = batch.set_column(place, batch.schema.field(place), without_missing(batch.column(place)))
    return batch
