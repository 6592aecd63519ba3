"""Parquet files, a few pages at a time: a row group can be larger than the available memory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from waypost.batch.long_texts import gathered, long_texts, rows_at_once, written_out
from waypost.batch.pieces import ColumnSelection, Open, Peek, Piece
from waypost.inference.layout import TableError
from waypost.inference.table import check_type

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE_BYTES = 64 * 1024  # read-ahead per column


def peeked(opened: Open) -> Peek:
    """Returns a file's columns and number of rows. Raises TableError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with opened() as (file, _):
            facts = pq.read_metadata(file)
            groups = tuple(facts.row_group(i).num_rows for i in range(facts.num_row_groups))
            return Peek(facts.schema.to_arrow_schema(), facts.num_rows, groups=groups)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"cannot be read: {error}") from error


def check_types(schema: pa.Schema, wanted: ColumnSelection) -> None:
    """Raises TableError if a column has the wrong type for the model, so no row can be answered."""
    for column in wanted.layout.columns:
        if column.name in schema.names and column.kind in {"number", "integer", "boolean", "text"}:
            check_type(schema.field(column.name).type, column)


def pieces(
    opened: Open, columns: list[str], size: int, batch_rows: int, within: range | None = None
) -> Iterator[Piece]:
    """Yields the rows of a file of `size` bytes, about `batch_rows` at a time: all, or those of a range,
    reading only its row groups. Raises TableError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with opened() as (stream, _):
        try:
            ask = partial(pq.ParquetFile, stream, buffer_size=_PAGE_BYTES, pre_buffer=False)
            file = ask()
            texts = {name for name in columns if _is_text(file.schema_arrow.field(name).type)}
            if long := long_texts(file.metadata, ask, texts, batch_rows):
                file = ask(metadata=file.metadata, read_dictionary=long)
            total = max(file.metadata.num_rows, 1)
            rows = 0
            most = rows_at_once(file.metadata, columns, batch_rows)
            groups, skipped = _groups(file.metadata, within)
            batches = file.iter_batches(most, row_groups=groups, columns=columns, use_threads=False)
            if within is not None:
                batches = _slices(batches, skipped, len(within))
            read = (written_out(batch, long) for batch in batches)
            for batch in read if most == batch_rows else gathered(read, batch_rows):
                rows += batch.num_rows
                yield Piece(batch, read=int(size * rows / total))
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"cannot be read: {error}") from error


def _groups(facts: Any, within: range | None) -> tuple[list[int] | None, int]:
    """Returns (row groups with rows of a range, number of rows before it in the first one)."""
    if within is None:
        return None, 0
    chosen: list[int] = []
    begin = skipped = 0
    for number in range(facts.num_row_groups):
        end = begin + facts.row_group(number).num_rows
        if begin < within.stop and end > within.start:
            skipped = skipped if chosen else within.start - begin
            chosen.append(number)
        begin = end
    return chosen, max(skipped, 0)


def _slices(batches: Iterator[pa.RecordBatch], skipped: int, count: int) -> Iterator[pa.RecordBatch]:
    """Yields a number of rows of batches, after skipping some."""
    for batch in batches:
        passed = min(skipped, batch.num_rows)
        skipped -= passed
        chosen = batch.slice(passed, count)
        count -= chosen.num_rows
        if chosen.num_rows:
            yield chosen
        if not count:
            return


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
