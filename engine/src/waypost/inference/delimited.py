"""CSV as pandas and MLflow read it: the same words mean missing values, types come from the model."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from waypost.inference.dialect import names_in
from waypost.inference.layout import Layout, TableError, check_names
from waypost.inference.limits import MIB

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv

# The missing values of pandas.read_csv, and so of `mlflow models predict|serve`.
MISSING = [
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
]
BLOCK_BYTES = MIB
"""Limit for the length of the header line."""

_CONVERSION = re.compile(r"In CSV column #(\d+): (?:Row #\d+: )?CSV conversion error to \w+: (.*)", re.DOTALL)


def read_csv(body: bytes, layout: Layout) -> pa.Table:
    """Returns the columns of a layout in a CSV with a header.

    Raises TableError, ValueError, pa.ArrowException.
    """
    import pyarrow as pa
    import pyarrow.csv

    names = header(body)
    if not names:
        raise ValueError("there is no header")
    layout.check_bounds(names)
    check_names(names, layout)
    options = convert_options(layout, [name for name in names if name in layout.names] or names[:1])
    # A body is within its limits: read as one block, its strings may have any length.
    read_options = pyarrow.csv.ReadOptions(block_size=max(BLOCK_BYTES, len(body)))
    parse_options = pyarrow.csv.ParseOptions(newlines_in_values=b'"' in body)
    try:
        return pyarrow.csv.read_csv(pa.BufferReader(body), read_options, parse_options, options)
    except pa.ArrowInvalid as error:
        raise named(error, names) from error


def header(body: bytes) -> list[str]:
    """Returns the names of a CSV's columns, none if it has no header. Arrow would allocate buffers for each
    column once it reads the header: 4 GB for 500,000 columns.
    """
    # Bytes that are not UTF-8 match no column name.
    text = io.TextIOWrapper(io.BytesIO(body[:BLOCK_BYTES]), "utf-8-sig", errors="replace", newline="")
    names = names_in(text)
    if len(body) > BLOCK_BYTES and not text.read(1):
        raise TableError("the header line is longer than 1 MiB", status=413)
    return names


def convert_options(layout: Layout, include: Sequence[str]) -> pyarrow.csv.ConvertOptions:
    """Returns the conversion of the included columns: the model's by its signature, others as strings."""
    kinds = {column.name: column.type for column in layout.columns}
    return values_options({name: type_of(kinds.get(name, "")) for name in include})


def type_of(kind: str) -> pa.DataType:
    """Returns the Arrow type of a column, by its type in a signature."""
    import pyarrow as pa

    types = {
        "double": pa.float64(),
        "float": pa.float32(),
        "long": pa.int64(),
        "integer": pa.int32(),
        "boolean": pa.bool_(),
    }
    return types.get(kind, pa.string())


def values_options(
    types: dict[str, pa.DataType], decimal: str = ".", *, strings_can_be_null: bool = True
) -> pyarrow.csv.ConvertOptions:
    """Returns the conversion of strings to columns of some types; there are no other columns."""
    import pyarrow.csv

    return pyarrow.csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=MISSING,
        strings_can_be_null=strings_can_be_null,
        true_values=["True", "true", "TRUE", "1"],
        false_values=["False", "false", "FALSE", "0"],
        decimal_point=decimal,
    )


def named(error: Exception, names: Sequence[str]) -> Exception:
    """Returns an error of Arrow's reader, with the column's name if it is about a value."""
    hit = _CONVERSION.match(str(error))
    if hit is None or int(hit[1]) >= len(names):
        return error
    name = names[int(hit[1])]
    return TableError(f"column {name!r}: {hit[2].splitlines()[0]}", column=name)
