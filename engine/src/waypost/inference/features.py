"""What a part of the preprocessing is, and the simplest one: number columns, filled and scaled."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from waypost.inference.layout import Layout, TableError
from waypost.inference.table import Floats, Table, Texts, Values

Features = NDArray[np.float32]
Writer = Callable[[Table, Features], None]
"""Writes the features of a table into its columns of the matrix."""
Cells = Callable[[Values, Texts], list[float]]
"""Returns the features of one row, from its numbers and its texts."""

TOO_LARGE = 2.0**128 - 2.0**103
"""From here on a float64 is rounded to an infinite float32, which scikit-learn's trees refuse."""


class Columns(BaseModel):
    """A part: some columns of a table and the features that they become."""

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))


def value_error(column: str, row: int, problem: str) -> TableError:
    """Returns that a value has no place among the features."""
    return TableError(f"column {column!r}, row {row}: the value {problem}", column=column, row=row)


class Numbers(Columns):
    """Number columns, filled where missing, then `(x - subtract) / divide`.

    Where all of them are of 32 bits (`single`), each step is rounded to that. With `missing`, a value that is
    missing and not filled is NaN, which the trees know the way of.
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
            # Column by column: what is worked on stays in the processor's cache.
            for column, (place, fill, subtract, divide) in enumerate(plan):
                values = table.numbers[:, place]
                missing = np.isnan(values)
                if fill is not None:
                    values = np.where(missing, fill, values)
                elif not self.missing and missing.any():
                    raise value_error(self.columns[column], int(np.argmax(missing)), "is missing")
                if subtract is not None:
                    values = self._rounded(values - subtract)
                if divide is not None:
                    values = values / divide
                out[:, column] = values

        return write

    def _rounded(self, values: Floats) -> Floats:
        return values.astype(np.float32).astype(np.float64) if self.single else values

    def cells(self, layout: Layout) -> Cells:
        if self.single or self.missing:
            return self._plain_cells(layout)
        places = [layout.numbers.index(name) for name in self.columns]
        none = [None] * self.width
        plan = list(
            zip(
                places,
                self.fill or none,
                self.subtract or [0.0] * self.width,
                self.divide or [1.0] * self.width,
                strict=True,
            )
        )

        def cells(values: Values, texts: Texts) -> list[float]:  # noqa: ARG001 (one form for all)
            try:
                found = [
                    ((fill if (value := values[place]) is None else value) - subtract) / divide  # type: ignore[operator]
                    for place, fill, subtract, divide in plan
                ]
            except TypeError:
                place = next(place for place, fill, *_ in plan if values[place] is None and fill is None)
                raise value_error(layout.numbers[place], 0, "is missing") from None
            if max(found) >= TOO_LARGE or min(found) <= -TOO_LARGE:
                at = max(range(len(found)), key=lambda i: abs(found[i]))
                raise value_error(self.columns[at], 0, "is too large")
            return found

        return cells

    def _plain_cells(self, layout: Layout) -> Cells:
        """Returns the same for values that are rounded on the way, or missing on purpose."""
        write = self.writer(layout)
        places = [layout.numbers.index(name) for name in self.columns]

        def cells(values: Values, texts: Texts) -> list[float]:  # noqa: ARG001 (one form for all)
            out = np.empty((1, self.width), dtype=np.float32)
            with np.errstate(over="ignore"):
                write(Table(np.array([values], dtype=np.float64), {}), out)
            found: list[float] = out[0].tolist()
            for place, value in zip(places, found, strict=True):
                if math.isinf(value):
                    raise value_error(layout.numbers[place], 0, "is too large")
            return found

        return cells
