"""The interface of a preprocessing part, and the simplest one: numeric columns, imputed and scaled."""

from __future__ import annotations

import math
import operator
import struct
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from waypost.inference.layout import Layout, TableError
from waypost.inference.table import Floats, Table, Texts, Values

Features = NDArray[Any]
Writer = Callable[[Table, Features], None]
"""Writes the features of a table into its columns of the matrix."""
Row = array  # float32 or float64: faster to fill value by value than a NumPy array
Cells = Callable[[Values, Texts, "Row[float]"], None]
"""Writes the features of one row, from its numbers and its texts, into their positions in the row."""


class Kind(BaseModel):
    """The type of features: float32, or float64 (`is_wide`); `is_open`: they may be infinite."""

    model_config = ConfigDict(frozen=True)

    is_wide: bool = False
    is_open: bool = False

    @property
    def code(self) -> str:
        """The type code in array and struct."""
        return "d" if self.is_wide else "f"

    @property
    def dtype(self) -> Any:
        """The NumPy type."""
        return np.float64 if self.is_wide else np.float32


TextSteps = tuple[int, Mapping[str | None, bytes | None], bytes | Callable[[str], bytes] | None]


class Steps(NamedTuple):
    """What the extension does for a part (`engine/walk/features.c`).

    numbers: by column, as packed by `number_step`. texts: (column, the code of each text and of None, that of
    all other texts or the function to it), as packed by `code_of`; without a code, a text is refused.
    """

    numbers: bytes = b""
    texts: tuple[TextSteps, ...] = ()


_NUMBER, _CODE = struct.Struct("=4I3d"), struct.Struct("=2Id")


def number_step(column: int, feature: int, fill: float | None, less: float, by: float) -> bytes:
    """Returns the step from a number of the layout to a feature: filled, minus `less`, divided by `by`."""
    return _NUMBER.pack(column, feature, fill is not None, 0, fill or 0.0, less, by)


def code_of(pairs: Iterable[tuple[int, float]]) -> bytes:
    """Returns the code of a text: features and their values."""
    return b"".join(_CODE.pack(feature, 0, value) for feature, value in pairs)


class Columns(BaseModel):
    """A part: some columns of a table and the features that they become."""

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    def plain_steps(self, layout: Layout, at: int) -> Steps | None:  # noqa: ARG002 (common interface)
        """Returns what the extension does for one row's features from `at`, None if it cannot."""
        return None


def value_error(column: str, row: int, problem: str) -> TableError:
    """Returns the error for a value that cannot become a feature."""
    return TableError(f"column {column!r}, row {row}: the value {problem}", column=column, row=row)


def _pick(places: list[int], width: int) -> Callable[[Values], Values]:
    """Returns the function from a row of numbers to those at some positions."""
    if places == list(range(width)):
        return lambda values: values
    return operator.itemgetter(*places) if len(places) > 1 else lambda values: (values[places[0]],)


class Numbers(Columns):
    """Numeric columns, imputed if missing, then `(x - subtract) / divide`. If all of them have 32 bits
    (`single`), each step is rounded to that. With `missing`, a missing value without fill is NaN, which the
    trees handle.
    Source: scikit-learn's SimpleImputer and StandardScaler.
    """

    kind: Literal["numbers"] = "numbers"
    columns: list[str]
    fill: list[float] | None = None
    subtract: list[float] | None = None
    divide: list[float] | None = None
    single: bool = False
    missing: bool = False

    @property
    def width(self) -> int:
        return len(self.columns)

    def writer(self, layout: Layout) -> Writer:
        none: list[float | None] = [None] * self.width
        places = [layout.numbers.index(name) for name in self.columns]
        constants = (self.fill or none, self.subtract or none, self.divide or none)
        plan = list(zip(places, *constants, strict=True))

        def write(table: Table, out: Features) -> None:
            # Column by column, so the data stays in the processor's cache.
            for column, (place, fill, subtract, divide) in enumerate(plan):
                values = table.numbers[:, place]
                missing = np.isnan(values)
                if self._is_changed and (infinite := np.isinf(values)).any():
                    raise value_error(self.columns[column], int(np.argmax(infinite)), "is too large")
                if fill is not None:
                    values = np.where(missing, fill, values)
                elif not self.missing and missing.any():
                    raise value_error(self.columns[column], int(np.argmax(missing)), "is missing")
                if subtract is not None:
                    values = self._rounded(values - subtract)
                if divide is not None:
                    values = self._rounded(values / divide)
                out[:, column] = values

        return write

    @property
    def _is_changed(self) -> bool:
        """Whether an imputer or a scaler sees the values: both refuse infinite ones."""
        return not (self.fill is self.subtract is self.divide is None)

    def _rounded(self, values: Floats) -> Floats:
        return values.astype(np.float32).astype(np.float64) if self.single else values

    def plain_steps(self, layout: Layout, at: int) -> Steps | None:
        fills, subtract, divide = self._constants
        if self.single or 0.0 in divide:
            return None
        plan = zip(self.columns, fills, subtract, divide, strict=True)
        return Steps(
            b"".join(
                number_step(layout.numbers.index(name), feature, fill, less, by)
                for feature, (name, fill, less, by) in enumerate(plan, at)
            )
        )

    @property
    def _constants(self) -> tuple[list[float | None], list[float], list[float]]:
        """The value for a missing number (None: it is refused), and what is subtracted and divided by, for
        each column; a step that is not there changes nothing.
        """
        none: list[float | None] = [math.nan if self.missing else None] * self.width
        return (
            none if self.fill is None else [*self.fill],
            self.subtract or [0.0] * self.width,
            self.divide or [1.0] * self.width,
        )

    def cells(self, layout: Layout, at: int, kind: Kind) -> Cells:
        """Returns the function that writes the cells of one row: filled, shifted and scaled."""
        if self.single:
            return self._rounded_cells(layout, at, kind)
        places = [layout.numbers.index(name) for name in self.columns]
        fills, subtract, divide = self._constants
        pick = _pick(places, len(layout.numbers))
        write = struct.Struct(f"={self.width}{kind.code}").pack_into
        offset = at * struct.calcsize(kind.code)

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:  # noqa: ARG001 (common interface)
            try:
                found = [
                    ((fill if value is None else value) - less) / by  # type: ignore[operator]
                    for value, fill, less, by in zip(pick(values), fills, subtract, divide, strict=True)
                ]
            except TypeError:
                pairs = zip(places, fills, strict=True)
                place = next(place for place, fill in pairs if values[place] is None and fill is None)
                raise value_error(layout.numbers[place], 0, "is missing") from None
            try:
                write(out, offset, *found)
            except OverflowError:  # a value is finite in float64, but not in float32
                if not kind.is_open:
                    raise self._too_large(found) from None
                with np.errstate(over="ignore"):
                    write(out, offset, *np.array(found).astype(np.float32).tolist())
            if math.isfinite(sum(found)):  # faster than checking each: a finite sum means all are finite
                return
            if not kind.is_open:
                self._check(found)
            elif self._is_changed:
                self._check([values[place] for place in places])

        return cells

    def _check(self, found: Sequence[float | None]) -> None:
        """Raises TableError if a feature, or a value that a step checks, is infinite."""
        numbers = [0.0 if value is None else float(value) for value in found]
        if any(map(math.isinf, numbers)):
            raise self._too_large(numbers)

    def _too_large(self, found: list[float]) -> TableError:
        largest = max(range(len(found)), key=lambda i: 0 if math.isnan(found[i]) else abs(found[i]))
        return value_error(self.columns[largest], 0, "is too large")

    def _rounded_cells(self, layout: Layout, at: int, kind: Kind) -> Cells:
        """Returns the same for values that are rounded in each step."""
        write = self.writer(layout)

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:  # noqa: ARG001 (common interface)
            made = np.empty((1, self.width), dtype=kind.dtype)
            with np.errstate(over="ignore"):
                write(Table(np.array([values], dtype=np.float64), {}), made)
            if not kind.is_open and np.isinf(made).any():
                raise self._too_large(made[0].tolist())
            out[at : at + self.width] = array(kind.code, made.tobytes())

        return cells
