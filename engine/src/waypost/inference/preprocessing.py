"""Preprocessing as a value: what a fitted scikit-learn ColumnTransformer does, in NumPy and Arrow.

Each part gives its columns of the matrix exactly as scikit-learn would, to the last bit: the same
operations in the same order in float64, then rounded to float32 where the model does so. It does so in two
ways: for a table, column by column, a text looked up once per distinct value; and for a single row in plain
Python, which answers before NumPy would have begun. The proof compares both with the original.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.features import Features, Kind, Numbers, Row
from waypost.inference.layout import Layout
from waypost.inference.table import Table, Texts, Values
from waypost.inference.words import Words

Part = Annotated[Numbers | Codes | OneHot | NumberCategories | Words, Field(discriminator="kind")]


class Plan(BaseModel):
    """All parts, side by side. `width` is the matrix's number of columns."""

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    parts: list[Part]

    @cached_property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    @cached_property
    def categories(self) -> dict[str, list[Any]]:
        """The values that a column's encoder knows, by column."""
        found: dict[str, list[Any]] = {}
        for part in self.parts:
            if isinstance(part, Codes | OneHot | NumberCategories):
                found |= zip(part.columns, part.categories, strict=True)
        return found

    @cached_property
    def _slices(self) -> list[slice]:
        ends = np.cumsum([0, *(part.width for part in self.parts)]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def bound(self, layout: Layout, kind: Kind) -> Callable[[Table], Features]:
        """Returns the function from tables in a layout to features of a kind, shape (rows, width); what is
        too large for that becomes infinite.

        It raises TableError for a value that has no place.
        """
        writers = [
            (part.writer(layout), columns) for part, columns in zip(self.parts, self._slices, strict=True)
        ]

        def matrix(table: Table) -> Features:
            out = np.empty((len(table), self.width), dtype=kind.dtype)
            for write, columns in writers:
                write(table, out[:, columns])
            return out

        return matrix

    def bound_cells(self, layout: Layout, kind: Kind) -> Callable[[Values, Texts], Row[float]]:
        """Returns the function from a row in a layout to its features of a kind.

        It raises TableError for a value that has no place.
        """
        places = [columns.start for columns in self._slices]
        cells = [part.cells(layout, at, kind) for part, at in zip(self.parts, places, strict=True)]
        blank: Row[float] = array(kind.code, bytes(array(kind.code).itemsize * self.width))

        def row(values: Values, texts: Texts) -> Row[float]:
            out = blank[:]
            for write in cells:
                write(values, texts, out)
            return out

        return row
