"""Conversion of a file's strings to the column types of a model; a wrong value fails or is skipped.

Arrow's own CSV reader converts: a column that was read as strings gives the same values as if it had been
read with its type, to the last bit. Values that it refuses are found by bisection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from waypost.inference.delimited import MISSING, values_options

if TYPE_CHECKING:
    import pyarrow as pa


def converted(texts: pa.Array, kind: pa.DataType, decimal: str = ".") -> tuple[pa.Array, list[int]]:
    """Returns (values of a type, positions of the strings that cannot be converted); these are null."""
    import pyarrow as pa

    if pa.types.is_string(kind):
        return without_missing(texts), []
    if not len(texts):
        return pa.array([], kind), []
    try:
        return _read(texts, kind, decimal), []
    except pa.ArrowInvalid:
        if len(texts) == 1:
            return pa.nulls(1, kind), [0]
    middle = len(texts) // 2
    first, wrong = converted(texts[:middle], kind, decimal)
    rest, others = converted(texts[middle:], kind, decimal)
    return pa.concat_arrays([first, rest]), [*wrong, *(middle + place for place in others)]


def without_missing(texts: pa.Array) -> pa.Array:
    """Returns strings with nulls for the words that mean a missing value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_missing = pc.is_in(texts, value_set=pa.array(MISSING, pa.string()))
    return pc.if_else(is_missing, pa.scalar(None, pa.string()), texts) if is_missing.true_count else texts


def _read(texts: pa.Array, kind: pa.DataType, decimal: str) -> pa.Array:
    import pyarrow as pa
    from pyarrow import csv

    written = pa.BufferOutputStream()
    csv.write_csv(pa.table({"x": texts}), written, csv.WriteOptions(include_header=False))
    content = written.getvalue()
    table = csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(column_names=["x"], block_size=content.size + 1, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=values_options({"x": kind}, decimal),
    )
    return table["x"].combine_chunks()
