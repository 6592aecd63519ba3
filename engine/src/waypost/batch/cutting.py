"""Cutting of batches of any size into parts of a fixed number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from waypost.batch.long_texts import too_long
from waypost.batch.readers import Input
from waypost.inference.layout import TableError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_PART_BYTES = 1 << 30
"""Limit for the rows of a part; several parts are in memory at a time."""


def parts(given: Input, rows: int) -> Iterator[tuple[pa.Table, int]]:
    """Yields (rows of a part, bytes read so far) of a whole input, as `cut` does.

    An input without rows has one empty part.
    """
    nothing: pa.RecordBatch | None = None
    read = 0

    def heard() -> Iterator[tuple[pa.RecordBatch, int]]:
        nonlocal nothing, read
        for batch, until in given.batches():
            read = until
            nothing = nothing or batch.slice(0, 0)
            yield batch, until

    is_empty = True
    for part in cut(heard(), rows, given):
        is_empty = False
        yield part
    if is_empty and nothing is not None:  # columns, but no rows
        yield _joined([nothing]), read


def cut(
    given_batches: Iterable[tuple[pa.RecordBatch, int]], rows: int, given: Input
) -> Iterator[tuple[pa.Table, int]]:
    """Yields (rows of a part, bytes read so far); each part but the last has `rows` rows.

    Raises TableError with file and column if a part's rows become too large.
    """
    batches: list[pa.RecordBatch] = []
    count = size = read = 0
    for batch, until in given_batches:
        read = until
        rest = batch
        while count + rest.num_rows >= rows:
            missing = rows - count
            yield _joined([*batches, rest.slice(0, missing)]), until
            rest, batches, count, size = rest.slice(missing), [], 0, 0
        if rest.num_rows:
            batches.append(rest)
            count += rest.num_rows
            size += rest.nbytes
        if size > MOST_PART_BYTES:
            problem = too_long(_joined(batches).to_batches(), MOST_PART_BYTES)
            raise TableError(f"{given.current}: {problem}", column=problem.column, hint=problem.hint)
    if count:
        yield _joined(batches), read


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    """Returns the rows of batches; their columns may differ in order and type from file to file."""
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
