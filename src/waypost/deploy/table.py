"""The table that a model is asked about: numbers as one matrix, texts column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waypost.contracts.mlmodel import Column
from waypost.errors import WaypostError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa


Floats = NDArray[np.float64]


class TableError(WaypostError):
    """A table is not what the model asks for; `column` and `row` (from 0) say where, if it is one place."""

    def __init__(self, message: str, *, column: str = "", row: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column
        self.row = row


@dataclass(frozen=True)
class Layout:
    """The columns of a model: `numbers` become the matrix, in this order, `texts` stay apart."""

    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(c.name for c in self.columns)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind != "text")

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind == "text")

    @cached_property
    def strict(self) -> list[tuple[int, Column]]:
        """The positions of number columns that take whole numbers (or booleans) only."""
        kinds = {c.name: c for c in self.columns}
        found = [(i, kinds[name]) for i, name in enumerate(self.numbers)]
        return [(i, column) for i, column in found if column.kind != "number"]


@dataclass(frozen=True)
class Table:
    """Rows in a model's layout.

    numbers: shape (rows, number columns), NaN where a value is missing. texts: per text column the
    rows' texts, None where one is missing: a list for some rows, an Arrow array for many.
    """

    numbers: Floats
    texts: dict[str, Sequence[str | None] | pa.Array]

    def __len__(self) -> int:
        return len(self.numbers)


def check_names(given: Sequence[str], layout: Layout) -> None:
    """Raises TableError where a required column is not among the given ones, or looks misspelt.

    A column that is not required may be left out: its values count as missing. Other columns are ignored.
    """
    names = set(given)
    absent = [c for c in layout.columns if c.name not in names]
    for column in sorted(absent, key=lambda c: not c.required):
        unknown = names - {c.name for c in layout.columns}
        hint = did_you_mean(column.name, unknown)
        if column.required:
            raise TableError(f"column {column.name!r} is missing", column=column.name, hint=_spelt(hint))
        if _spelt(hint):
            raise TableError(
                f"a column is not known that looks like {column.name!r}", column=column.name, hint=hint
            )


def _spelt(hint: str) -> str:
    return hint if hint.startswith("did you mean") else ""


def from_columns(columns: Mapping[str, Sequence[Any]], rows: int, layout: Layout) -> Table:
    """Returns a table of parsed JSON: per column its values, for some rows.

    Raises TableError that names column and row for a value of another type.
    """
    if not columns.keys() >= layout.names:
        check_names(list(columns), layout)
    absent = [None] * rows
    values = [columns.get(name, absent) for name in layout.numbers]
    # One look at all types at once: this is the path of a single request.
    if not set().union(*(map(type, column) for column in values)) <= _NUMERIC:
        _raise_wrong(layout.numbers, values, _NUMERIC, "number")
    try:
        numbers = np.array(values, dtype=np.float64).reshape(len(values), rows).T
    except OverflowError as error:
        raise TableError("a whole number is too large for a float64") from error
    texts = [columns.get(name, absent) for name in layout.texts]
    if not set().union(*(map(type, column) for column in texts)) <= _TEXTUAL:
        # JSON as Python writes it says NaN where a text is missing.
        texts = [[None if value != value else value for value in column] for column in texts]  # noqa: PLR0124
        _raise_wrong(layout.texts, texts, _TEXTUAL, "text")
    _check_strict(numbers, layout)
    return Table(numbers, dict(zip(layout.texts, texts, strict=True)))


_NUMERIC: set[type] = {int, float, bool, type(None)}
_TEXTUAL: set[type] = {str, type(None)}


def _raise_wrong(names: Sequence[str], columns: Sequence[Sequence[Any]], types: set[type], noun: str) -> None:
    """Raises TableError for the first value of another type."""
    for name, values in zip(names, columns, strict=True):
        for row, value in enumerate(values):
            if type(value) not in types:
                message = f"column {name!r}, row {row}: {_short(value)} is no {noun}"
                raise TableError(message, column=name, row=row)


def _check_strict(numbers: Floats, layout: Layout) -> None:
    """Raises TableError where a value of a whole-number column is missing or has a fraction."""
    for position, column in layout.strict:
        wrong = ~(numbers[:, position] == np.floor(numbers[:, position]))
        if wrong.any():
            row = int(np.argmax(wrong))
            value = numbers[row, position]
            problem = "cannot be missing" if np.isnan(value) else f"{value:g} is no whole number"
            message = f"column {column.name!r}, row {row}: {column.type}: {problem}"
            raise TableError(message, column=column.name, row=row)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:37]}…"


def from_arrow(table: pa.Table | pa.RecordBatch, layout: Layout) -> Table:
    """Returns an Arrow table's columns. Raises TableError that names the column of another type."""
    import pyarrow as pa

    check_names(table.schema.names, layout)
    kinds = {c.name: c for c in layout.columns}
    numbers = np.empty((table.num_rows, len(layout.numbers)))
    present = set(table.schema.names)
    for position, name in enumerate(layout.numbers):
        if name not in present:
            numbers[:, position] = np.nan
            continue
        values = _cast(table[name], pa.float64(), kinds[name])
        numbers[:, position] = values.to_numpy(zero_copy_only=False)
    texts: dict[str, Any] = {
        name: _cast(table[name], pa.string(), kinds[name])
        if name in present
        else pa.nulls(table.num_rows, pa.string())
        for name in layout.texts
    }
    _check_strict(numbers, layout)
    return Table(numbers, texts)


def _cast(values: Any, wanted: pa.DataType, column: Column) -> pa.Array:
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    textual = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    wrong = pa.types.is_string(wanted) != (textual or pa.types.is_string_view(values.type))
    if pa.types.is_null(values.type) or not wrong:
        try:
            # An integer beyond 2**53 is rounded, as pandas rounds it.
            return values.cast(wanted, safe=False)
        except pa.ArrowInvalid as error:
            raise TableError(f"column {column.name!r}: {error}", column=column.name) from error
    if pa.types.is_boolean(values.type) and column.kind != "text":
        return values.cast(pa.uint8()).cast(wanted)
    noun = "text" if column.kind == "text" else "number"
    raise TableError(f"column {column.name!r}: {values.type} is no {noun}", column=column.name)
