"""Strings of a Parquet file: their size is known before they are decoded.

A dictionary has each string once, and rows refer to it by number: a file of a kilobyte can expand to
gigabytes, more than Arrow can put into one array without a crash. Delta encoding shares prefixes with the
previous string, and compressed pages can expand to any size. The footer gives the uncompressed size of a
column: if that may be too much, few rows are read at a time, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from waypost.inference.columnar import dictionaries, text_bytes, text_lengths
from waypost.inference.layout import TableError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_TEXT_BYTES = 512 << 20
"""Limit for the bytes of strings decoded from a Parquet file at once."""
_FEW_ROWS = 256  # of a larger row group: reading it this way takes hardly longer
_ENOUGH_BYTES = 64 << 20
_DELTA = "DELTA_BYTE_ARRAY"


def long_texts(facts: Any, ask: Callable[..., Any], texts: Collection[str], rows: int) -> list[str]:
    """Returns the string columns that have to stay dictionaries: `rows` of them may be too long.

    Args: `ask` opens the Parquet file with additional arguments of `ParquetFile`.
    """
    groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
    names = dictionaries(groups, texts)
    found: set[str] = set()
    file = ask(metadata=facts, read_dictionary=names) if names else None
    for number, group in enumerate(groups if file else ()):
        largest = max(group.column(i).total_uncompressed_size for i in range(group.num_columns))
        if largest * min(rows, group.num_rows) > MOST_TEXT_BYTES:
            found.update(_long_ones(file, number, names, rows))
    return sorted(found)


def rows_at_once(facts: Any, columns: Collection[str], rows: int) -> int:
    """Returns how many rows to read at a time: `rows` if their strings cannot exceed the limit. The sizes in
    a footer may be false; `written_out` checks the real ones.
    """
    for group in (facts.row_group(i) for i in range(facts.num_row_groups)):
        chunks = [group.column(i) for i in range(group.num_columns)]
        texts = [chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY" and _is_of(chunk, columns)]
        # With deltas, each string may be as long as all data of the column.
        deltas = sum(chunk.total_uncompressed_size for chunk in texts if _DELTA in chunk.encodings)
        if deltas * rows > MOST_TEXT_BYTES:
            rows = max(1, MOST_TEXT_BYTES // deltas)
        if sum(chunk.total_uncompressed_size for chunk in texts) > MOST_TEXT_BYTES:
            rows = min(rows, _FEW_ROWS)
    return rows


def _is_of(chunk: Any, columns: Collection[str]) -> bool:
    """Returns whether a chunk of a row group belongs to one of some columns."""
    path = chunk.path_in_schema
    return path in columns or path.partition(".")[0] in columns


def gathered(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Joins small batches to larger ones of `rows` rows, or of enough bytes."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    count = size = 0
    for batch in batches:
        waiting.append(batch)
        count += batch.num_rows
        size += batch.nbytes
        if count >= rows or size >= _ENOUGH_BYTES:
            yield batch if len(waiting) == 1 else pa.concat_batches(waiting)
            waiting, count, size = [], 0, 0
    if waiting:
        yield pa.concat_batches(waiting)


def _long_ones(file: Any, group: int, names: list[str], rows: int) -> Iterator[str]:
    """Yields the columns with an entry too long for `rows` rows; reading one row reads the whole
    dictionary.
    """
    import pyarrow.compute as pc

    for batch in file.iter_batches(1, row_groups=[group], columns=names, use_threads=False):
        for name in names:
            longest = pc.max(text_lengths(getattr(batch[name], "dictionary", batch[name]))).as_py()
            if (longest or 0) * rows > MOST_TEXT_BYTES:
                yield name
        return


def _most_bytes(values: pa.Array) -> int:
    """Returns an upper bound for the size of an array's strings, faster than counting."""
    entries = getattr(values, "dictionary", None)
    return int(values.nbytes) if entries is None else int(entries.nbytes) * len(values)


def too_long(batches: Sequence[pa.RecordBatch], most: int) -> TableError:
    """Returns the error with the column of most bytes and the limit."""
    rows = sum(batch.num_rows for batch in batches)
    sizes = {
        name: sum(map(_most_bytes, (batch[name] for batch in batches))) for name in batches[0].schema.names
    }
    name = max(sizes, key=sizes.__getitem__)
    problem = f"column {name!r}: the texts of {rows:,} rows are more than {most >> 20:,} MiB"
    return TableError(problem, column=name, hint="take fewer rows at once: --part-rows")


def written_out(batch: pa.RecordBatch, texts: Collection[str]) -> pa.RecordBatch:
    """Returns a batch with columns `texts` as plain strings. Raises TableError if they are too long."""
    import pyarrow as pa

    if sum(map(_most_bytes, batch.columns)) > MOST_TEXT_BYTES < sum(map(text_bytes, batch.columns)):
        raise too_long([batch], MOST_TEXT_BYTES)
    if not texts:
        return batch
    arrays = [
        array.dictionary_decode() if name in texts else array
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)
