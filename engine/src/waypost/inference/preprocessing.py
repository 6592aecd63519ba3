"""Preprocessing as a value: what a fitted scikit-learn ColumnTransformer does, in NumPy and Arrow.

Each part gives its columns of the matrix exactly as scikit-learn would, to the last bit: the same
operations in the same order in float64, then rounded to float32. It does so in two ways: for a table, column
by column, a text looked up once per distinct value; and for a single row in plain Python, which answers
before NumPy would have begun. The proof compares both with the original.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.features import Cells, Features, Numbers
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

    def bound(self, layout: Layout) -> Callable[[Table], Features]:
        """Returns the function from tables in a layout to features, shape (rows, width), rounded to
        float32 as scikit-learn's trees see them; what is too large for that becomes infinite.

        It raises TableError for a value that has no place.
        """
        writers = [
            (part.writer(layout), columns) for part, columns in zip(self.parts, self._slices, strict=True)
        ]

        def matrix(table: Table) -> Features:
            out = np.empty((len(table), self.width), dtype=np.float32)
            for write, columns in writers:
                write(table, out[:, columns])
            return out

        return matrix

    def bound_cells(self, layout: Layout) -> Cells:
        """Returns the function from a row in a layout to its features, none of them too large for float32.

        It raises TableError for a value that has no place.
        """
        cells = [part.cells(layout) for part in self.parts]

        def row(values: Values, texts: Texts) -> list[float]:
            found = []
            for part in cells:
                found += part(values, texts)
            return found

        return row
