"""Columns of categories in any coding: each value has a code, as have unknown and missing ones."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

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
from waypost.inference.table import Table, Texts, Values

_INFINITE = (float("inf"), float("-inf"))


class Coding(BaseModel):
    """The codes of a column's `known` values, of an unknown and of a missing one: numbers at some of `width`
    positions, None for NaN, 0 elsewhere. Values without a code are refused.
    """

    model_config = ConfigDict(frozen=True)

    known: list[str] | list[float]
    codes: list[list[tuple[int, float | None]] | None]
    width: int

    @property
    def refuses_unknown(self) -> bool:
        """Whether an unknown value is refused."""
        return self.codes[-2] is None

    @property
    def refuses_missing(self) -> bool:
        """Whether a missing value is refused."""
        return self.codes[-1] is None


class Coded(Columns):
    """Text or numeric columns, each with its coding.

    Source: scikit-learn's OneHotEncoder, OrdinalEncoder, TargetEncoder, and imputers before them.
    """

    kind: Literal["coded"] = "coded"
    columns: list[str]
    codings: list[Coding]
    is_text: bool = True

    @property
    def width(self) -> int:
        return sum(coding.width for coding in self.codings)

    @property
    def categories(self) -> list[list[Any]]:
        """The known values, by column."""
        return [list(coding.known) for coding in self.codings]

    @cached_property
    def _tables(self) -> list[NDArray[np.float64]]:
        """The codes of each column, shape (values, width)."""
        found = [np.zeros((len(coding.codes), coding.width)) for coding in self.codings]
        for table, coding in zip(found, self.codings, strict=True):
            for row, code in enumerate(coding.codes):
                for place, value in code or ():
                    table[row, place] = math.nan if value is None else value
        return found

    def writer(self, layout: Layout) -> Writer:
        ends = np.cumsum([coding.width for coding in self.codings]).tolist()

        def write(table: Table, out: Features) -> None:
            pairs = zip(self.columns, self.codings, self._tables, ends, strict=True)
            for number, (name, coding, codes, end) in enumerate(pairs):
                places = self._places(table, layout, number)
                for place, problem in ((-2, "is not known"), (-1, "is missing")):
                    wrong = places == len(codes) + place
                    if coding.codes[place] is None and wrong.any():
                        raise value_error(name, int(np.argmax(wrong)), problem)
                out[:, end - coding.width : end] = codes[places]

        return write

    def _places(self, table: Table, layout: Layout, number: int) -> NDArray[np.int64]:
        """Returns the number of the code of each row of a column."""
        name, values = self.columns[number], self.codings[number].known
        if self.is_text:
            return _of_texts(table.texts[name], values)
        numbers = table.numbers[:, layout.numbers.index(name)]
        if (infinite := np.isinf(numbers)).any():
            raise value_error(name, int(np.argmax(infinite)), "is infinite")
        known = np.array(values, dtype=np.float64)
        found = np.searchsorted(known, numbers).clip(max=max(len(known) - 1, 0))
        is_known = known[found] == numbers if len(known) else np.zeros(len(numbers), dtype=bool)
        return np.where(is_known, found, len(values) + np.isnan(numbers))

    def plain_steps(self, layout: Layout, at: int) -> Steps | None:
        if not self.is_text:
            return None
        texts = []
        for name, coding in zip(self.columns, self.codings, strict=True):
            codes = [None if code is None else code_of(_from(at, code)) for code in coding.codes]
            known = zip([*coding.known, None], [*codes[:-2], codes[-1]], strict=True)
            texts.append((layout.texts.index(name), dict(known), codes[-2]))
            at += coding.width
        return Steps(texts=tuple(texts))

    def cells(self, layout: Layout, at: int, kind: Kind) -> Cells:  # noqa: ARG002 (common interface)
        among = layout.texts if self.is_text else layout.numbers
        plan: list[Any] = []
        start = at
        for name, coding in zip(self.columns, self.codings, strict=True):
            codes = [None if code is None else _from(start, code) for code in coding.codes]
            known = dict(zip(coding.known, codes, strict=False))
            plan.append((among.index(name), name, known, codes[-2], codes[-1]))
            start += coding.width
        is_text = self.is_text

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:
            given: Any = texts if is_text else values
            for number, name, known, unknown, missing in plan:
                value = given[number]
                if not is_text and value in _INFINITE:
                    raise value_error(name, 0, "is infinite")
                code = missing if value is None else known.get(value, unknown)
                if code is None:
                    raise value_error(name, 0, "is missing" if value is None else "is not known")
                for feature, of in code:
                    out[feature] = of

        return cells


def _of_texts(texts: Any, values: Any) -> NDArray[np.int64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.fill_null(pc.index_in(texts, value_set=pa.array(values, pa.string())), len(values))
    places: NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return places + texts.is_null().to_numpy(zero_copy_only=False) if texts.null_count else places


def _from(start: int, code: list[tuple[int, float | None]]) -> list[tuple[int, float]]:
    return [(start + place, math.nan if value is None else value) for place, value in code]
