"""Preprocessing as a value: a fitted scikit-learn ColumnTransformer in NumPy and Arrow.

Each part computes its columns of the matrix exactly as scikit-learn, to the last bit: the same operations in
the same order in float64, then rounded to float32 if the model does so. There are two ways: for a table,
column by column, with one lookup per distinct text; and for a single row in plain Python, which is faster
than NumPy's overhead. The proof compares both with the original.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.coded import Coded
from waypost.inference.features import Features, Kind, Numbers, Row, value_error
from waypost.inference.layout import Layout
from waypost.inference.steps import Chain, Step, applied, names_after
from waypost.inference.table import Table, Texts, Values
from waypost.inference.words import Words

Part = Annotated[
    Numbers | Codes | OneHot | NumberCategories | Words | Chain | Coded, Field(discriminator="kind")
]
_WIDE = Kind(is_wide=True, is_open=True)


class Plan(BaseModel):
    """All parts, side by side, and the steps for all of their columns after that, rounded to float32 if all
    of them are (`single`). `width` is the matrix's number of columns.
    """

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    parts: list[Part]
    after: list[Step] = []
    single: bool = False

    @cached_property
    def width(self) -> int:
        return len(names_after(self.after, self._told))

    @cached_property
    def _told(self) -> list[str]:
        """The source column of each feature of a part."""
        return [name for part in self.parts for name in _names_of(part)]

    @cached_property
    def categories(self) -> dict[str, list[Any]]:
        """The known values of encoders, by column."""
        found: dict[str, list[Any]] = {}
        for part in self.parts:
            if isinstance(part, Codes | OneHot | NumberCategories | Coded):
                found |= zip(part.columns, part.categories, strict=True)
        return found

    @cached_property
    def _slices(self) -> list[slice]:
        ends = np.cumsum([0, *(part.width for part in self.parts)]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def bound(self, layout: Layout, kind: Kind) -> Callable[[Table], Features]:
        """Returns the function from tables in a layout to features of a kind, shape (rows, width); overflow
        becomes infinite. It raises TableError for a value that cannot become a feature.
        """
        writers = [
            (part.writer(layout), columns) for part, columns in zip(self.parts, self._slices, strict=True)
        ]
        width, dtype = len(self._told), (_WIDE if self.after else kind).dtype

        def matrix(table: Table) -> Features:
            out = np.empty((len(table), width), dtype=dtype)
            for write, columns in writers:
                write(table, out[:, columns])
            return self._after(out).astype(kind.dtype) if self.after else out

        return matrix

    def _after(self, given: Features) -> Features:
        """Returns the parts' features after all steps. Raises TableError."""
        return applied(self.after, given.astype(np.float32) if self.single else given, self._told)

    def bound_cells(self, layout: Layout, kind: Kind) -> Callable[[Values, Texts], Row[float]]:
        """Returns the function from a row in a layout to its features of a kind. It raises TableError for a
        value that cannot become a feature.
        """
        inner = _WIDE if self.after else kind
        places = [columns.start for columns in self._slices]
        cells = [part.cells(layout, at, inner) for part, at in zip(self.parts, places, strict=True)]
        blank: Row[float] = array(inner.code, bytes(array(inner.code).itemsize * len(self._told)))

        def row(values: Values, texts: Texts) -> Row[float]:
            out = blank[:]
            for write in cells:
                write(values, texts, out)
            return out

        def row_after(values: Values, texts: Texts) -> Row[float]:
            found = self._after(np.array(row(values, texts))[None])
            with np.errstate(over="ignore"):
                made = found.astype(kind.dtype)
            if not kind.is_open and np.isinf(made).any():
                name = names_after(self.after, self._told)[int(np.argmax(np.isinf(made)))]
                raise value_error(name, 0, "is too large")
            return array(kind.code, made.tobytes())

        return row_after if self.after else row


def refused_by(plan: Plan) -> tuple[frozenset[str], frozenset[str]]:
    """Returns the columns that refuse unseen values, and those that refuse missing ones."""
    unseen, missing = set(), set()
    for part in plan.parts:
        if isinstance(part, Coded):
            for name, coding in zip(part.columns, part.codings, strict=True):
                unseen |= {name} if coding.refuses_unknown else set()
                missing |= {name} if coding.refuses_missing else set()
        elif isinstance(part, Chain) and not part.fills:
            missing |= set(part.columns)
    return frozenset(unseen), frozenset(missing)


def _names_of(part: Part) -> Sequence[str]:
    """Returns the source column of each feature of a part; of a part that spreads columns, the first."""
    names = [part.column] if isinstance(part, Words) else part.columns
    return names if len(names) == part.width else names[:1] * part.width
