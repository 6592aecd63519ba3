"""Parquet files, a few pages at a time: a row group can be larger than what the memory may hold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from waypost.batch.long_texts import gathered, long_texts, rows_at_once, written_out
from waypost.batch.pieces import Open, Peek, Piece, Wanted
from waypost.inference.layout import TableError
from waypost.inference.table import check_type

if TYPE_CHECKING:
    import pyarrow as pa

_PAGE_BYTES = 64 * 1024  # read ahead of each column


def peeked(opened: Open) -> Peek:
    """Returns a file's columns and how many rows it has. Raises TableError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with opened() as (file, _):
            facts = pq.read_metadata(file)
            return Peek(facts.schema.to_arrow_schema(), facts.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"cannot be read: {error}") from error


def check_types(schema: pa.Schema, wanted: Wanted) -> None:
    """Raises TableError where a column is of another type than the model's: no row of it can be answered."""
    for column in wanted.layout.columns:
        if column.name in schema.names and column.kind in {"number", "integer", "boolean", "text"}:
            check_type(schema.field(column.name).type, column)


def pieces(opened: Open, columns: list[str], size: int, batch_rows: int) -> Iterator[Piece]:
    """Gives the rows of a file of so many bytes, about `batch_rows` at a time. Raises TableError."""
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
            read = (
                written_out(batch, long)
                for batch in file.iter_batches(most, columns=columns, use_threads=False)
            )
            for batch in read if most == batch_rows else gathered(read, batch_rows):
                rows += batch.num_rows
                yield Piece(batch, read=int(size * rows / total))
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"cannot be read: {error}") from error


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
