"""Texts of a Parquet file: how long they become is known before they are made.

A dictionary says a text once, and each row names it by a number: a file of a kilobyte stands for gigabytes,
more than Arrow can put into one array without a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from waypost.deploy.columnar import dictionaries, text_bytes, text_lengths
from waypost.deploy.layout import TableError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_TEXT_BYTES = 512 << 20
"""So many bytes of texts are made of a Parquet file at once, and no more."""


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


def _long_ones(file: Any, group: int, names: list[str], rows: int) -> Iterator[str]:
    """Gives the columns with an entry that is too long for so many rows; the first row brings them all."""
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


def written_out(batch: pa.RecordBatch, texts: Collection[str]) -> pa.RecordBatch:
    """Returns a batch whose `texts` are no dictionaries. Raises TableError where they are too long."""
    import pyarrow as pa

    if sum(map(_most_bytes, batch.columns)) > MOST_TEXT_BYTES < sum(map(text_bytes, batch.columns)):
        said = f"the texts of {batch.num_rows:,} rows are more than {MOST_TEXT_BYTES >> 20:,} MiB"
        raise TableError(said, hint="take fewer rows at once: --part-rows")
    if not texts:
        return batch
    arrays = [
        array.dictionary_decode() if name in texts else array
        for name, array in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)
