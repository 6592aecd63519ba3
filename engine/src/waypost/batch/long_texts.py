"""Texts of a Parquet file: how long they become is known before they are made.

A dictionary says a text once, and each row names it by a number: a file of a kilobyte stands for gigabytes,
more than Arrow can put into one array without a crash. A delta says how a text begins as the one before does,
and compressed pages become what they like. The footer says how large a column is without compression: where
that may be too much, few rows are read at a time, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from waypost.inference.columnar import dictionaries, text_bytes, text_lengths
from waypost.inference.layout import TableError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_TEXT_BYTES = 512 << 20
"""So many bytes of texts are made of a Parquet file at once, and no more."""
_FEW_ROWS = 256  # of a row group that is larger than that: to read it so takes hardly longer
_ENOUGH_BYTES = 64 << 20
_DELTA = "DELTA_BYTE_ARRAY"


def long_texts(facts: Any, ask: Callable[..., Any], texts: Collection[str], rows: int) -> list[str]:
    """Returns the columns of texts that have to stay dictionaries: `rows` of them may be too long.

    Args: `ask` opens the Parquet file that has these facts, with more arguments of `ParquetFile`.
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
    """Returns how many rows to read at a time, `rows` where their texts can be no more than the limit.

    What a footer says of sizes may be a lie; `written_out` counts what has come of it.
    """
    for group in (facts.row_group(i) for i in range(facts.num_row_groups)):
        chunks = [group.column(i) for i in range(group.num_columns)]
        texts = [chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY" and _is_of(chunk, columns)]
        # Each text of a delta may be as long as the whole column, and all of them together.
        deltas = sum(chunk.total_uncompressed_size for chunk in texts if _DELTA in chunk.encodings)
        if deltas * rows > MOST_TEXT_BYTES:
            rows = max(1, MOST_TEXT_BYTES // deltas)
        if sum(chunk.total_uncompressed_size for chunk in texts) > MOST_TEXT_BYTES:
            rows = min(rows, _FEW_ROWS)
    return rows


def _is_of(chunk: Any, columns: Collection[str]) -> bool:
    """Returns whether a chunk of a row group is one of some columns, or lies within one."""
    path = chunk.path_in_schema
    return path in columns or path.partition(".")[0] in columns


def gathered(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yields small batches as larger ones of some `rows`, or of so many bytes that it is no matter."""
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
    """Yields the columns with an entry that is too long for so many rows; the first row brings them all."""
    import pyarrow.compute as pc

    for batch in file.iter_batches(1, row_groups=[group], columns=names, use_threads=False):
        for name in names:
            longest = pc.max(text_lengths(getattr(batch[name], "dictionary", batch[name]))).as_py()
            if (longest or 0) * rows > MOST_TEXT_BYTES:
                yield name
        return


def _most_bytes(values: pa.Array) -> int:
    """Returns a size that an array's texts do not exceed; counting them takes longer."""
    entries = getattr(values, "dictionary", None)
    return int(values.nbytes) if entries is None else int(entries.nbytes) * len(values)


def too_long(batches: Sequence[pa.RecordBatch], most: int) -> TableError:
    """Returns the error that names the column of most bytes and the limit."""
    rows = sum(batch.num_rows for batch in batches)
    sizes = {
        name: sum(map(_most_bytes, (batch[name] for batch in batches))) for name in batches[0].schema.names
    }
    name = max(sizes, key=sizes.__getitem__)
    problem = f"column {name!r}: the texts of {rows:,} rows are more than {most >> 20:,} MiB"
    return TableError(problem, column=name, hint="take fewer rows at once: --part-rows")


def written_out(batch: pa.RecordBatch, texts: Collection[str]) -> pa.RecordBatch:
    """Returns a batch whose `texts` are no dictionaries. Raises TableError if they are too long."""
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
