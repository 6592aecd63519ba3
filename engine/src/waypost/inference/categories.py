"""Columns of categories, encoded like scikit-learn's OrdinalEncoder and OneHotEncoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from waypost.inference.features import (
    Cells,
    Columns,
    Features,
    Kind,
    Row,
    Steps,
    Writer,
    code_of,
    value_error,
)
from waypost.inference.layout import Layout
from waypost.inference.table import Floats, Table, Texts, Values

if TYPE_CHECKING:
    import pyarrow as pa

_INFINITE = (float("inf"), float("-inf"))


class Codes(Columns):
    """Text columns as category numbers, -1 for an unknown category (OrdinalEncoder)."""

    kind: Literal["codes"] = "codes"
    columns: list[str]
    categories: list[list[str]]
    fill: str | None = None

    @property
    def width(self) -> int:
        return len(self.columns)

    def writer(self, layout: Layout) -> Writer:  # noqa: ARG002 (common interface)
        named = list(zip(self.columns, self._known, strict=True))

        def write(table: Table, out: Features) -> None:
            out[:] = np.array([of.codes(table.texts[name]) for name, of in named]).T

        return write

    def cells(self, layout: Layout, at: int, kind: Kind) -> Cells:  # noqa: ARG002 (common interface)
        places = [layout.texts.index(name) for name in self.columns]
        plan = [(place, known.code) for place, known in zip(places, self._known, strict=True)]

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:  # noqa: ARG001 (common interface)
            for feature, (place, code) in enumerate(plan, at):
                out[feature] = code(texts[place], -1)

        return cells

    def plain_steps(self, layout: Layout, at: int) -> Steps:
        texts = []
        for feature, (name, known) in enumerate(zip(self.columns, self._known, strict=True), at):
            codes = {text: code_of([(feature, code)]) for text, code in known.by_text.items()}
            texts.append((layout.texts.index(name), codes, code_of([(feature, -1)])))
        return Steps(texts=tuple(texts))

    @cached_property
    def _known(self) -> list[Known]:
        return [Known(values, self.fill) for values in self.categories]


class OneHot(Columns):
    """Text columns as one column per category, all 0 for an unknown one (OneHotEncoder)."""

    kind: Literal["onehot"] = "onehot"
    columns: list[str]
    categories: list[list[str]]
    fill: str | None = None

    @property
    def width(self) -> int:
        return sum(map(len, self.categories))

    def writer(self, layout: Layout) -> Writer:  # noqa: ARG002 (common interface)
        named = list(zip(self.columns, self._known, strict=True))

        def write(table: Table, out: Features) -> None:
            out[:] = 0
            for name, of in named:
                codes = of.codes(table.texts[name])
                rows = np.flatnonzero(codes >= 0)
                out[rows, codes[rows]] = 1

        return write

    def cells(self, layout: Layout, at: int, kind: Kind) -> Cells:  # noqa: ARG002 (common interface)
        places = [layout.texts.index(name) for name in self.columns]
        plan = [(place, known.code) for place, known in zip(places, self._known, strict=True)]

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:  # noqa: ARG001 (common interface)
            for place, code in plan:
                if (position := code(texts[place], -1)) >= 0:
                    out[at + position] = 1.0

        return cells

    def plain_steps(self, layout: Layout, at: int) -> Steps:
        texts = []
        for name, known in zip(self.columns, self._known, strict=True):
            pairs = {text: [(at + code, 1.0)] if code >= 0 else [] for text, code in known.by_text.items()}
            codes = {text: code_of(pair) for text, pair in pairs.items()}
            texts.append((layout.texts.index(name), codes, code_of([])))
        return Steps(texts=tuple(texts))

    @cached_property
    def _known(self) -> list[Known]:
        starts = np.cumsum([0, *map(len, self.categories)]).tolist()
        pairs = zip(self.categories, starts, strict=False)
        return [Known(values, self.fill, start) for values, start in pairs]


class NumberCategories(Columns):
    """Numeric columns as category numbers, -1 for an unknown category (OrdinalEncoder). `spread`: as one
    column per category, all 0 for an unknown one (OneHotEncoder). `fill` replaces missing numbers; without it
    they are unknown.
    """

    kind: Literal["number_categories"] = "number_categories"
    columns: list[str]
    categories: list[list[float]]
    fill: float | None = None
    spread: bool = False

    @property
    def width(self) -> int:
        return self._starts[-1] if self.spread else len(self.columns)

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(map(len, self.categories))]

    def writer(self, layout: Layout) -> Writer:
        places = [layout.numbers.index(name) for name in self.columns]
        known = [np.array(values) for values in self.categories]
        plan = list(zip(places, self.columns, known, self._starts, strict=False))

        def write(table: Table, out: Features) -> None:
            out[:] = 0 if self.spread else -1
            for at, (place, name, values, start) in enumerate(plan):
                codes = self._codes(table.numbers[:, place], values, name)
                rows = np.flatnonzero(codes >= 0)
                if self.spread:
                    out[rows, start + codes[rows]] = 1
                else:
                    out[rows, at] = codes[rows]

        return write

    def _codes(self, numbers: Floats, values: Floats, name: str) -> NDArray[np.int64]:
        if (infinite := np.isinf(numbers)).any():
            raise value_error(name, int(np.argmax(infinite)), "is infinite")
        if self.fill is not None:
            numbers = np.where(np.isnan(numbers), self.fill, numbers)
        codes = np.searchsorted(values, numbers).clip(max=len(values) - 1)
        return np.where(values[codes] == numbers, codes, -1)

    def cells(self, layout: Layout, at: int, kind: Kind) -> Cells:  # noqa: ARG002 (common interface)
        places = [layout.numbers.index(name) for name in self.columns]
        known = [{value: code for code, value in enumerate(values)} for values in self.categories]
        plan = list(zip(places, self.columns, known, self._starts, strict=False))
        fill, spread = self.fill, self.spread

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:  # noqa: ARG001 (common interface)
            for feature, (place, name, codes, start) in enumerate(plan, at):
                value = fill if (given := values[place]) is None else float(given)
                if value in _INFINITE:
                    raise value_error(name, 0, "is infinite")
                code = None if value is None else codes.get(value)
                if spread:
                    if code is not None:
                        out[at + start + code] = 1.0
                else:
                    out[feature] = -1 if code is None else code

        return cells


class Known:
    """The categories of one column, numbered from `start`."""

    def __init__(self, categories: Sequence[str], fill: str | None, start: int = 0) -> None:
        self._categories = categories
        self._start = start
        self.by_text: dict[str | None, int] = {name: code for code, name in enumerate(categories, start)}
        self.by_text[None] = self.by_text.get(fill, -1)

    @property
    def code(self) -> Callable[[str | None, int], int]:
        """Returns the function from a text to its category; its second argument is for unknown ones."""
        return self.by_text.get

    @cached_property
    def _set(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self._categories, pa.string())

    def codes(self, texts: pa.Array) -> NDArray[np.int32]:
        """Returns the category of each text, -1 for an unknown one."""
        import pyarrow.compute as pc

        found = pc.fill_null(pc.index_in(texts, value_set=self._set), -1).to_numpy(zero_copy_only=False)
        codes = np.where(found >= 0, found + self._start, -1) if self._start else found
        if texts.null_count and self.by_text[None] >= 0:
            is_null = texts.is_null().to_numpy(zero_copy_only=False)
            codes = np.where(is_null, self.by_text[None], codes)
        return codes
