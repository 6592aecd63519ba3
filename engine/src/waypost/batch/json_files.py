"""JSON lines: one object per row. Arrow reads blocks of them; lines that it refuses are found by
bisection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from waypost.batch.pieces import ColumnSelection, Open, Peek, Piece, Problem
from waypost.inference.layout import TableError
from waypost.inference.limits import MIB
from waypost.inference.table import short

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = MIB
_MOST_LINE_BYTES = 64 * MIB


def peeked(sample: bytes, wanted: ColumnSelection) -> Peek:
    """Returns the columns of a file that begins with a sample: types of the model's by its signature, of
    others by the values of the first rows. Raises TableError.
    """
    import pyarrow as pa

    rows = [row for row in map(_object, _lines(sample)) if row is not None]
    if sample.strip() and not rows:
        raise TableError("not JSON lines", hint='each line is an object: {"column": value, …}')
    names = dict.fromkeys(name for row in rows for name in row)
    return Peek(pa.schema([(name, _type(name, rows, wanted)) for name in names]))


def _type(name: str, rows: Sequence[dict[str, Any]], wanted: ColumnSelection) -> pa.DataType:
    import pyarrow as pa

    if wanted.kind(name):
        return wanted.type(name)
    try:
        found = pa.array([row.get(name) for row in rows]).type
    except (pa.ArrowException, OverflowError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def pieces(opened: Open, columns: list[str], schema: pa.Schema, wanted: ColumnSelection) -> Iterator[Piece]:
    """Yields the rows of a file, with the types of a schema. Raises TableError."""
    import pyarrow as pa

    reader = _Reader(pa.schema([schema.field(name) for name in columns]), wanted)
    with opened() as (file, stream):
        try:
            for block in _blocks(stream):
                yield reader.piece(block, file.tell())
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"cannot be read: {' '.join(str(error).split())}") from error


def _blocks(stream: Any) -> Iterator[bytes]:
    """Yields a file's bytes in blocks of complete lines. Raises TableError if a line is too long."""
    rest = b""
    while chunk := stream.read(_BLOCK_BYTES):
        whole, end, begun = chunk.rpartition(b"\n")
        if end:
            yield rest + whole + end
            rest = begun
        else:
            rest += chunk
        if len(rest) > _MOST_LINE_BYTES:
            raise TableError(f"a line is longer than {_MOST_LINE_BYTES // MIB} MiB")
    if rest.strip():
        yield rest


@dataclass
class _Reader:
    """Reads blocks of lines as columns of a schema."""

    schema: pa.Schema
    wanted: ColumnSelection

    def piece(self, block: bytes, read: int) -> Piece:
        """Returns a block's rows; a value of the wrong type is null, and a problem."""
        import pyarrow as pa

        tables: list[pa.Table] = []
        found = Piece(None, read=read)
        try:
            tables.append(self._parsed(block))
        except ValueError:  # and so Arrow's, and of what is no UTF-8
            self._halved(_lines(block), tables, found)
        joined = pa.concat_tables(tables) if tables else self.schema.empty_table()
        found.batch = _one_batch(joined)
        return found

    def _halved(self, lines: list[bytes], tables: list[pa.Table], found: Piece) -> None:
        try:
            tables.append(self._parsed(b"\n".join(lines)))
        except ValueError as error:
            if len(lines) > 1:
                middle = len(lines) // 2
                self._halved(lines[:middle], tables, found)
                self._halved(lines[middle:], tables, found)
            else:
                self._noted(lines[0], str(error), tables, found)

    def _noted(self, line: bytes, words: str, tables: list[pa.Table], found: Piece) -> None:
        """Records the problem of a line."""
        import pyarrow as pa

        row = _object(line)
        if row is None:
            found.malformed.append(line.decode(errors="replace"))
            return
        number = sum(table.num_rows for table in tables)
        column, problem = self._wrong(row) or ("", " ".join(words.split()))
        found.problems.append(Problem(number, column, problem))
        kept = {field.name: row[field.name] for field in self.schema if self._fits(row, field.name)}
        tables.append(pa.Table.from_pylist([kept], self.schema))

    def _wrong(self, row: dict[str, Any]) -> tuple[str, str] | None:
        """Returns (column, problem) of the first value of the wrong type."""
        for field in self.schema:
            if not self._fits(row, field.name):
                noun = self.wanted.noun(field.name) if self.wanted.kind(field.name) else str(field.type)
                return field.name, f"{short(row[field.name])} is not a valid {noun}"
        return None

    def _fits(self, row: dict[str, Any], name: str) -> bool:
        try:
            self._parsed(orjson.dumps({name: row.get(name)}))
        except ValueError:
            return False
        return True

    def _parsed(self, block: bytes) -> pa.Table:
        """Returns the rows of a block. Raises ValueError."""
        import pyarrow as pa
        from pyarrow import json

        block.decode()  # Arrow does not check for UTF-8
        return json.read_json(
            pa.BufferReader(block),
            read_options=json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=json.ParseOptions(explicit_schema=self.schema, unexpected_field_behavior="ignore"),
        )


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    import pyarrow as pa

    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _lines(block: bytes) -> list[bytes]:
    return [line for line in block.split(b"\n") if line.strip()]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
