"""The input table of a model: numbers as one matrix, texts column by column."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from waypost.contracts.mlmodel import Column
from waypost.inference.layout import EXACT, Layout, OddError, TableError, check_names

if TYPE_CHECKING:
    import pyarrow as pa


Floats = NDArray[np.float64]
Values = tuple[float | None, ...]
Texts = tuple[str | None, ...]
FEW_ROWS = 16
"""Up to so many rows are answered one by one; for more, columns are faster."""


@dataclass(frozen=True)
class Table:
    """Rows in a model's layout.

    numbers: shape (rows, numeric columns), NaN for a missing value. texts: Arrow strings of each text column,
    null for a missing one.
    """

    numbers: Floats
    texts: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def nbytes(self) -> int:
        """Memory of the rows in bytes."""
        return self.numbers.nbytes + sum(int(texts.nbytes) for texts in self.texts.values())

    def table(self) -> Table:
        """Returns itself."""
        return self

    def piece(self, start: int, end: int) -> Table:
        """Returns a range of rows."""
        texts = {name: values[start:end] for name, values in self.texts.items()}
        return Table(self.numbers[start:end], texts)


@dataclass(frozen=True)
class Rows:
    """A few rows as in a request: the numbers and the texts of each, None for a missing one."""

    values: list[Values]
    words: list[Texts]
    layout: Layout

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Approximate memory of the rows in bytes."""
        texts = sum(len(word or "") for words in self.words for word in words)
        return 32 * len(self) * len(self.layout.columns) + texts

    def table(self) -> Table:
        """Returns the rows as columns."""
        import pyarrow as pa

        try:
            numbers = np.array(self.values, dtype=np.float64).reshape(len(self), len(self.layout.numbers))
        except OverflowError as error:
            raise TableError("a whole number is too large for a float64") from error
        _check_whole(numbers, self.layout)
        columns = zip(*self.words, strict=True) if len(self) else ([] for _ in self.layout.texts)
        texts = {
            name: pa.array(column, pa.string())
            for name, column in zip(self.layout.texts, columns, strict=True)
        }
        return Table(numbers, texts)


def from_columns(columns: Mapping[str, Sequence[Any]], layout: Layout) -> Table | Rows:
    """Returns rows of parsed JSON with the values of each column, equally many. Raises TableError."""
    return from_rows(tuple(columns), list(zip(*columns.values(), strict=True)), layout)


def from_rows(names: tuple[str, ...], rows: Sequence[Sequence[Any]], layout: Layout) -> Table | Rows:
    """Returns rows of parsed JSON with column names, and each row's values in that order. Many rows become a
    table at once. Raises TableError with column and row for a value of another type.
    """
    pick_numbers, pick_texts, _ = layout.picks(names)
    width, single = len(names), layout.single
    numbers, texts = [], []
    for number, row in enumerate(rows):
        if len(row) != width:
            raise OddError(f"row {number} has {len(row)} values, but {width} columns are named", row=number)
        values, words = pick_numbers(row), pick_texts(row)
        if not _NUMERIC.issuperset(map(type, values)):
            raise _wrong(layout.numbers, number, values, _NUMERIC, "number")
        if not _TEXTUAL.issuperset(map(type, words)):
            raise _wrong(layout.texts, number, words, _TEXTUAL, "text")
        numbers.append(_rounded(values, single) if single else values)
        texts.append(words)
    found = Rows(numbers, texts, layout)
    if len(rows) <= FEW_ROWS and not layout.strict:
        return found
    table = found.table()
    return table if len(rows) > FEW_ROWS else found


def _rounded(values: Values, single: tuple[int, ...]) -> Values:
    """Returns a row with the values at some positions rounded to 32 bits; overflow is infinite."""
    found = list(values)
    with np.errstate(over="ignore"):
        for place in single:
            if (value := found[place]) is not None:
                found[place] = float(np.float32(min(max(value, -_BEYOND), _BEYOND)))
    return tuple(found)


_BEYOND = sys.float_info.max  # an integer may be larger than any float
_LONGEST_NUMBER = 1000
_NUMERIC: set[type] = {int, float, bool, type(None)}
_TEXTUAL: set[type] = {str, type(None)}


def _wrong(names: Sequence[str], row: int, values: Sequence[Any], types: set[type], noun: str) -> TableError:
    """Returns the error for the first value of another type."""
    found = zip(names, values, strict=True)
    name, value = next((name, value) for name, value in found if type(value) not in types)
    kind = OddError if noun == "text" or _says_a_number(value) else TableError
    return kind(f"column {name!r}, row {row}: {short(value)} is not a valid {noun}", column=name, row=row)


def _says_a_number(value: Any) -> bool:
    """Returns whether a value is the text of a number, which MLflow reads as a number."""
    try:
        return isinstance(value, str) and len(value) < _LONGEST_NUMBER and float(value) is not None
    except ValueError:
        return False


def _check_whole(numbers: Floats, layout: Layout) -> None:
    """Raises OddError if MLflow would change a number: a fraction, or beyond the type's range."""
    for position, column in layout.strict:
        values = numbers[:, position]
        most = {"integer": 2.0**31, "boolean": 2.0}.get(column.type, float(EXACT))
        wrong = ~((values == np.floor(values)) & (np.abs(values) < most))
        if column.type == "boolean":
            wrong |= values < 0
        if wrong.any():
            row = int(np.argmax(wrong))
            raise _no_whole(column, row, values[row], OddError)


def _check_strict(numbers: Floats, layout: Layout) -> None:
    """Raises TableError if a value of an integer column is missing or has a fraction, or a boolean is neither
    0 nor 1.
    """
    for position, column in layout.strict:
        values = numbers[:, position]
        wrong = ~(values == np.floor(values))
        if column.type == "boolean":
            wrong |= (values < 0) | (values > 1)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise _no_whole(column, row, numbers[row, position], TableError)


def _no_whole(column: Column, row: int, value: Any, kind: type[TableError]) -> TableError:
    if np.isnan(value):
        problem = "cannot be missing"
        kind = OddError if column.type == "boolean" else TableError
    else:
        what = column.type if value == np.floor(value) else "whole number"
        problem = f"{value:g} is not a valid {what}"
    return kind(f"column {column.name!r}, row {row}: {column.type}: {problem}", column=column.name, row=row)


_SHORT = reprlib.Repr()
_SHORT.maxlevel = _SHORT.maxlist = _SHORT.maxdict = 3
_SHORT.maxstring = 60


def short(value: Any) -> str:
    """Returns a value as shown in messages."""
    text = _SHORT.repr(value)  # a value may be nested too deeply for Python's repr
    return text if len(text) < 40 else f"{text[:37]}…"


def from_arrow(table: pa.Table | pa.RecordBatch, layout: Layout) -> Table:
    """Returns an Arrow table's columns. Raises TableError with the column of a wrong type."""
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
        if position in layout.single:
            _check_single(numbers[:, position], name)
    texts: dict[str, Any] = {
        name: _cast(table[name], pa.string(), kinds[name])
        if name in present
        else pa.nulls(table.num_rows, pa.string())
        for name in layout.texts
    }
    _check_strict(numbers, layout)
    return Table(numbers, texts)


def _check_single(values: NDArray[np.float64], name: str) -> None:
    """Raises TableError if a value does not fit 32 bits exactly: MLflow does not round it, either."""
    with np.errstate(over="ignore"):
        wrong = (values != values.astype(np.float32)) & ~np.isnan(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        problem = f"float: {values[row]!r} is not a valid 32-bit number"
        hint = "write the column as float32"
        raise TableError(f"column {name!r}, row {row}: {problem}", column=name, row=row, hint=hint)


def _cast(values: Any, wanted: pa.DataType, column: Column) -> pa.Array:
    import pyarrow as pa

    check_type(values.type, column)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    try:
        values.validate(full=column.kind == "text")  # bytes that are not UTF-8 are not text
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        # An integer beyond 2**53 is rounded, as pandas rounds it.
        return values if values.type == wanted else values.cast(wanted, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TableError(f"column {column.name!r}: {error}", column=column.name) from error


def check_type(given: pa.DataType, column: Column) -> None:
    """Raises TableError if an Arrow type does not fit a column."""
    import pyarrow.types as of

    kind = given.value_type if of.is_dictionary(given) else given
    is_number = of.is_integer(kind) or of.is_floating(kind) or of.is_decimal(kind) or of.is_boolean(kind)
    is_text = of.is_string(kind) or of.is_large_string(kind) or (of.is_string_view(given) and kind is given)
    if of.is_null(kind) or (is_text if column.kind == "text" else is_number):
        return
    noun = "text" if column.kind == "text" else "number"
    raise TableError(f"column {column.name!r}: {given} is not a {noun} type", column=column.name)
