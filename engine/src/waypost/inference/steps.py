"""Numeric columns through any chain of scikit-learn's transformers, each as values and NumPy.

A single row is a table of one row: each step handles rows separately, so both have the same bits.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from waypost.inference.features import Cells, Columns, Features, Kind, Row, Writer, value_error
from waypost.inference.layout import Layout
from waypost.inference.table import Table, Texts, Values

Matrix = NDArray[Any]


class _Step(BaseModel):
    """A fitted transformer. Matrices have the shape (rows, columns)."""

    model_config = ConfigDict(frozen=True)

    takes_missing: bool = True

    def apply(self, given: Matrix) -> Matrix:
        """Returns a transformed matrix."""
        raise NotImplementedError

    def sources(self, names: Sequence[str]) -> list[str]:
        """Returns the source column of each output column, for input columns with these names."""
        return list(names)


class Filled(_Step):
    """Missing values filled; a column without a fill value is dropped. `flags`: columns with a missing-value
    indicator at the end. `sign`: the number that means a missing value, None: NaN.

    Source: scikit-learn's SimpleImputer.
    """

    kind: Literal["filled"] = "filled"
    values: list[float | None]
    flags: list[int] = []
    sign: float | None = None

    def apply(self, given: Matrix) -> Matrix:
        missing = np.isnan(given) if self.sign is None else given == self.sign
        kept = [place for place, value in enumerate(self.values) if value is not None]
        fills = np.array([self.values[place] for place in kept], dtype=given.dtype)
        filled = np.where(missing[:, kept], fills, given[:, kept])
        return np.hstack([filled, missing[:, self.flags]]).astype(given.dtype, copy=False)

    def sources(self, names: Sequence[str]) -> list[str]:
        kept = [name for name, value in zip(names, self.values, strict=True) if value is not None]
        return kept + [names[place] for place in self.flags]


class Scaled(_Step):
    """`(x - subtract) / divide`, or `x * multiply + add`, clipped at `low` and `high`. `rounded`: constants
    are rounded to the precision of the values first.

    Source: scikit-learn's StandardScaler, RobustScaler, MaxAbsScaler, MinMaxScaler.
    """

    kind: Literal["scaled"] = "scaled"
    subtract: list[float] | None = None
    divide: list[float] | None = None
    multiply: list[float] | None = None
    add: list[float] | None = None
    low: float | None = None
    high: float | None = None
    rounded: bool = False

    def apply(self, given: Matrix) -> Matrix:
        found, dtype = given, given.dtype if self.rounded else np.float64
        for operation, values in (
            (np.subtract, self.subtract),
            (np.divide, self.divide),
            (np.multiply, self.multiply),
            (np.add, self.add),
        ):
            if values is not None:
                found = operation(found, np.array(values, dtype=dtype)).astype(given.dtype, copy=False)
        return found if self.low is None else np.clip(found, self.low, self.high).astype(given.dtype)


class Products(_Step):
    """Products of columns; a term without columns is 1. Source: scikit-learn's PolynomialFeatures."""

    kind: Literal["products"] = "products"
    takes_missing: bool = False
    terms: list[list[int]]

    def apply(self, given: Matrix) -> Matrix:
        found = np.ones((len(given), len(self.terms)), dtype=given.dtype)
        for place, term in enumerate(self.terms):
            for column in reversed(term):  # as in scikit-learn, from the last one
                found[:, place] *= given[:, column]
        return found

    def sources(self, names: Sequence[str]) -> list[str]:
        return [names[term[0]] if term else names[0] for term in self.terms]


class Binned(_Step):
    """The number of a value's bin; `spread`: a column for each bin.

    Source: scikit-learn's KBinsDiscretizer.
    """

    kind: Literal["binned"] = "binned"
    takes_missing: bool = False
    edges: list[list[float]]
    spread: bool = False

    def apply(self, given: Matrix) -> Matrix:
        edges = [np.array(values) for values in self.edges]
        bins = [np.searchsorted(of, given[:, column], side="right") for column, of in enumerate(edges)]
        if not self.spread:
            return np.stack(bins, axis=1).astype(given.dtype)
        parts = [found[:, None] == np.arange(len(of) + 1) for found, of in zip(bins, edges, strict=True)]
        return np.hstack(parts).astype(given.dtype)

    def sources(self, names: Sequence[str]) -> list[str]:
        counts = [len(values) + 1 if self.spread else 1 for values in self.edges]
        return [name for name, count in zip(names, counts, strict=True) for _ in range(count)]


class Chosen(_Step):
    """Some of the columns. Source: scikit-learn's feature selection."""

    kind: Literal["chosen"] = "chosen"
    places: list[int]

    def apply(self, given: Matrix) -> Matrix:
        return given[:, self.places]

    def sources(self, names: Sequence[str]) -> list[str]:
        return [names[place] for place in self.places]


Step = Annotated[Filled | Scaled | Products | Binned | Chosen, Field(discriminator="kind")]


def names_after(steps: Sequence[Step], names: Sequence[str]) -> list[str]:
    """Returns the source column of each output column of some steps."""
    found = list(names)
    for step in steps:
        found = step.sources(found)
    return found


def applied(steps: Sequence[Step], given: Matrix, names: Sequence[str]) -> Matrix:
    """Returns a matrix with columns `names` after some steps. Raises TableError if a step refuses a value
    that is infinite or missing.
    """
    found, told = given, list(names)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in steps:
            _check(np.isinf(found), told, "is too large")
            if not step.takes_missing:
                _check(np.isnan(found), told, "is missing")
            found, told = step.apply(found), step.sources(told)
    return found


def _check(wrong: NDArray[np.bool_], names: Sequence[str], problem: str) -> None:
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise value_error(names[column], row, problem)


class Chain(Columns):
    """Numeric columns after some steps, rounded to float32 in each step if all of them have 32 bits
    (`single`). With `missing`, values still missing at the end are NaN.
    """

    kind: Literal["chain"] = "chain"
    columns: list[str]
    steps: list[Step]
    single: bool = False
    missing: bool = False

    @cached_property
    def _told(self) -> list[str]:
        return names_after(self.steps, self.columns)

    @property
    def width(self) -> int:
        return len(self._told)

    @property
    def fills(self) -> bool:
        """Whether a value may be missing."""
        return self.missing or bool(self.steps and isinstance(self.steps[0], Filled))

    def writer(self, layout: Layout) -> Writer:
        places = [layout.numbers.index(name) for name in self.columns]

        def write(table: Table, out: Features) -> None:
            given = table.numbers[:, places]
            with np.errstate(over="ignore"):
                found = applied(self.steps, given.astype(np.float32) if self.single else given, self.columns)
                if not self.missing:
                    _check(np.isnan(found), self._told, "is missing")
                out[:] = found

        return write

    def cells(self, layout: Layout, at: int, kind: Kind) -> Cells:
        """Returns the function that writes the cells of one row, as a table of one row."""
        write = self.writer(layout)

        def cells(values: Values, texts: Texts, out: Row[float]) -> None:  # noqa: ARG001 (common interface)
            made = np.empty((1, self.width), dtype=kind.dtype)
            write(Table(np.array([values], dtype=np.float64), {}), made)
            if not kind.is_open:
                _check(np.isinf(made), self._told, "is too large")
            out[at : at + self.width] = array(kind.code, made.tobytes())

        return cells


def constants_of(chain: Chain) -> dict[str, list[float]]:
    """Returns numbers near which a chain's answers change, by column: fills, middles, edges of bins."""
    found: dict[str, list[float]] = {name: [] for name in chain.columns}
    names = list(chain.columns)
    for step in chain.steps:
        if isinstance(step, Filled):
            for name, value in zip(names, step.values, strict=True):
                found[name] += [x for x in (value, step.sign) if x is not None]
        elif isinstance(step, Scaled):
            spans = step.divide or [1 / (by or 1.0) for by in step.multiply or [1.0] * len(names)]
            middles = step.subtract or [0.0] * len(names)
            for name, middle, span in zip(names, middles, spans, strict=True):
                found[name] += [middle + span * k / 4 for k in range(-8, 9)]
        elif isinstance(step, Binned):
            for name, edges in zip(names, step.edges, strict=True):
                found[name] += [*edges, *(edge - 1e-9 for edge in edges)]
        names = step.sources(names)
    return found
