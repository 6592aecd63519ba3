"""The table that a model is asked about: numbers as one matrix, texts column by column."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
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
Pick = Callable[[Sequence[Any]], tuple[Any, ...]]
Values = tuple[float | None, ...]
Texts = tuple[str | None, ...]
FEW_ROWS = 16
"""So many rows are answered one by one; for more it pays to make columns of them."""

_MOST_PICKS = 64  # orders of columns that are remembered


class TableError(WaypostError):
    """A table is not what the model asks for; `column` and `row` (from 0) say where, if it is one place."""

    def __init__(self, message: str, *, column: str = "", row: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.column = column
        self.row = row

    def at_row(self, row: int) -> TableError:
        """Returns the same error with another number of its row."""
        message = re.sub(r", row \d+:", f", row {row}:", str(self), count=1)
        return TableError(message, column=self.column, row=row, hint=self.hint)


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

    @cached_property
    def _picks(self) -> dict[tuple[str, ...], tuple[Pick, Pick]]:
        return {}

    def picks(self, names: tuple[str, ...]) -> tuple[Pick, Pick]:
        """Returns the functions from a row with these columns to its numbers, and to its texts.

        Raises TableError where a required column is not among them, one is there twice, or looks misspelt.
        """
        found = self._picks.get(names)
        if found is None:
            check_names(names, self)
            found = _pick(names, self.numbers), _pick(names, self.texts)
            if len(self._picks) < _MOST_PICKS:
                self._picks[names] = found
        return found


def _pick(names: tuple[str, ...], wanted: tuple[str, ...]) -> Pick:
    places = [names.index(name) if name in names else None for name in wanted]
    if len(places) > 1 and None not in places:
        return operator.itemgetter(*places)
    return lambda row: tuple(None if place is None else row[place] for place in places)


@dataclass(frozen=True)
class Table:
    """Rows in a model's layout.

    numbers: shape (rows, number columns), NaN where a value is missing. texts: per text column the
    rows' texts as Arrow, null where one is missing.
    """

    numbers: Floats
    texts: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.numbers)

    def table(self) -> Table:
        """Returns this."""
        return self


@dataclass(frozen=True)
class Rows:
    """A few rows as a request brings them: the numbers and the texts of each, None where one is missing."""

    values: list[Values]
    words: list[Texts]
    layout: Layout

    def __len__(self) -> int:
        return len(self.values)

    def table(self) -> Table:
        """Returns the same as columns."""
        import pyarrow as pa

        try:
            numbers = np.array(self.values, dtype=np.float64).reshape(len(self), len(self.layout.numbers))
        except OverflowError as error:
            raise TableError("a whole number is too large for a float64") from error
        _check_strict(numbers, self.layout)
        columns = zip(*self.words, strict=True) if len(self) else ([] for _ in self.layout.texts)
        texts = {
            name: pa.array(column, pa.string())
            for name, column in zip(self.layout.texts, columns, strict=True)
        }
        return Table(numbers, texts)


def check_names(given: Sequence[str], layout: Layout) -> None:
    """Raises TableError where a required column is not among the given ones, or looks misspelt.

    A column that is not required may be left out: its values count as missing. Other columns are ignored.
    """
    names = set(given)
    if len(names) < len(given):
        twice = next(name for name in given if list(given).count(name) > 1)
        if twice in layout.names:
            raise TableError(f"column {twice!r} is there twice", column=twice)
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


def from_columns(columns: Mapping[str, Sequence[Any]], layout: Layout) -> Table | Rows:
    """Returns rows of parsed JSON: per column its values, equally many. Raises TableError."""
    return from_rows(tuple(columns), list(zip(*columns.values(), strict=True)), layout)


def from_rows(names: tuple[str, ...], rows: Sequence[Sequence[Any]], layout: Layout) -> Table | Rows:
    """Returns rows of parsed JSON: the names of columns, and each row's values in that order. Many become a
    table at once.

    Raises TableError that names column and row for a value of another type.
    """
    pick_numbers, pick_texts = layout.picks(names)
    width = len(names)
    numbers, texts = [], []
    for number, row in enumerate(rows):
        if len(row) != width:
            raise TableError(f"row {number} has {len(row)} values, but {width} columns are named", row=number)
        values, words = pick_numbers(row), pick_texts(row)
        if not _NUMERIC.issuperset(map(type, values)):
            raise _wrong(layout.numbers, number, values, _NUMERIC, "number")
        if not _TEXTUAL.issuperset(map(type, words)):
            raise _wrong(layout.texts, number, words, _TEXTUAL, "text")
        numbers.append(values)
        texts.append(words)
    found = Rows(numbers, texts, layout)
    if len(rows) > FEW_ROWS:
        return found.table()
    if layout.strict:
        _check_strict(found.table().numbers, layout)
    return found


_NUMERIC: set[type] = {int, float, bool, type(None)}
_TEXTUAL: set[type] = {str, type(None)}


def _wrong(names: Sequence[str], row: int, values: Sequence[Any], types: set[type], noun: str) -> TableError:
    """Returns the error for the first value of another type."""
    found = zip(names, values, strict=True)
    name, value = next((name, value) for name, value in found if type(value) not in types)
    return TableError(f"column {name!r}, row {row}: {_short(value)} is no {noun}", column=name, row=row)


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
    numbers = np.empty((table.num_rows, len(layout.numbers)), order="F")  # columns come one by one
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
