"""The compiled form of a model: a plan for the features, and trees or weights, without its library."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from waypost.inference.features import Kind, Row
from waypost.inference.forest import Forest, extension
from waypost.inference.layout import Layout, TableError
from waypost.inference.links import Answer, Cut, Link, RowAnswer, inverse, places
from waypost.inference.memberships import Expansion, Membership
from waypost.inference.plain_rows import PlainRows, plain_rows
from waypost.inference.preprocessing import Plan
from waypost.inference.table import Floats, Rows, Table, from_arrow
from waypost.inference.trees import Array

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Answer", "Compiled", "Content", "Cut", "Weights"]

# Features computed at a time: 16 MiB, plus temporary memory.
_PIECE_CELLS = 4 * 1024 * 1024

_NUMBERS = np.dtype(np.float64)

FOREST_TOLERANCE = 1e-5


def _without_zeros(matrix: Array) -> Array:
    """Returns float32 features, in which 0 has become missing; what only rounds to 0 has not."""
    with np.errstate(over="ignore"):
        return np.where(matrix == 0, np.nan, matrix).astype(np.float32)


class Weights(BaseModel):
    """A linear model: an output is the weighted sum of the features plus the intercept."""

    model_config = ConfigDict(frozen=True)

    factors: list[list[float]]
    intercept: list[float]


class Content(BaseModel):
    """What is stored with the trees: the plan, the number of trees, their most used feature, the class labels
    in order (None for a regressor), and the decision threshold, if any.

    `members`: sets of categories that trees split by. `in_lists`: each label is a list of one.
    `by_probability`: the answer is the most probable class, not the one with the largest sum. `is_single`:
    answers are rounded to float32. `kind`: type of the features. `link`: the function from sums to answers;
    `from_zero`: a sum of 0 is the second class. `zero_is_missing`: a feature that is 0 is missing, as in a
    sparse matrix that its library reads so. `tolerance`: allowed difference from the original's numbers,
    relative, or absolute for numbers below 1.
    """

    # A scaler of a column without values has NaN, which JSON does not have.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    plan: Plan
    trees: int = 0
    leading: int = 0
    classes: list[str | int | float | bool] | None
    cut: Cut | None = None
    kind: Kind = Kind()
    link: Link = "mean"
    from_zero: bool = False
    zero_is_missing: bool = False
    by_probability: bool = False
    is_single: bool = False
    has_probabilities: bool = True
    weights: Weights | None = None
    tolerance: float = FOREST_TOLERANCE
    members: list[Membership] = []
    in_lists: bool = False


class Compiled:
    """Answers tables in a layout. Thread-safe.

    Args: form: the stored trees; None for a linear model.
    """

    def __init__(self, content: Content, form: bytes | None, layout: Layout) -> None:
        self.content = content
        self.layout = layout
        self._forest = None if form is None else Forest(form, content.leading)
        self._matrix = content.plan.bound(layout, content.kind)
        self._cells = content.plan.bound_cells(layout, content.kind)
        self._expand = Expansion(content.members, content.kind.dtype) if content.members else None
        width = content.plan.width + (self._expand.sets if self._expand else 0)
        self._step = max(_PIECE_CELLS // max(width, 1), 1)

    @property
    def classes(self) -> NDArray[Any] | None:
        """The classes of the probabilities, None for a model without."""
        return self._classes if self.content.has_probabilities else None

    @cached_property
    def _classes(self) -> NDArray[Any] | None:
        values = self.content.classes
        if values is None:
            return None
        return np.array(values, dtype=object if any(isinstance(v, str) for v in values) else None)

    @cached_property
    def _weights(self) -> tuple[Floats, Floats]:
        weights = self.content.weights or Weights(factors=[], intercept=[])
        return np.array(weights.factors).T, np.array(weights.intercept)

    def warm(self) -> None:
        """Prepares what the first request would otherwise wait for."""
        if self._forest:
            self._forest.warm()
        _ = self._plain  # the codes of all known texts: half a second for 100,000

    def features(self, table: Table | Rows) -> Array:
        """Returns the model's matrix, shape (rows, features).

        Raises TableError if a value does not fit.
        """
        if isinstance(table, Rows):
            return self._row_by_row(table)
        with np.errstate(over="ignore"):
            matrix = self._matrix(table)
        if self.content.kind.is_open or np.isfinite(matrix).all():
            return matrix
        if (wrong := np.isinf(matrix)).any():
            row = int(np.argwhere(wrong)[0, 0])
            column = self.layout.numbers[int(np.nanargmax(np.abs(table.numbers[row])))]
            raise TableError(f"column {column!r}, row {row}: the value is too large", column=column, row=row)
        return matrix

    def _row(self, rows: Rows, number: int) -> Row[float]:
        """Returns the features of a row. Raises TableError."""
        try:
            return self._cells(rows.values[number], rows.words[number])
        except TableError as error:
            raise error.at_row(number) from None
        except OverflowError as error:
            raise TableError(f"row {number}: a whole number is too large", row=number) from error

    def _row_by_row(self, rows: Rows) -> Array:
        found = [self._row(rows, number) for number in range(len(rows))]
        content = found[0] if len(found) == 1 else b"".join(found)
        return np.frombuffer(content, self.content.kind.dtype).reshape(len(found), -1)

    def predict(self, table: Table | Rows, check: Callable[[], None] | None = None) -> Answer:
        """Returns the answer for each row. Raises TableError.

        Many rows are answered in pieces: their features would be far larger than the rows. `check` is called
        before each piece, and may raise any exception.
        """
        step = self._step
        if isinstance(table, Rows):
            return (
                self._one_row(table)
                if self._is_plain and len(table) == 1
                else self.evaluate(self._row_by_row(table))
            )
        if len(table) <= step:
            return self.evaluate(self.features(table))
        answers = []
        for start in range(0, len(table), step):
            if check:
                check()
            answers.append(self._piece(table, start, step))
        return Answer(
            np.concatenate([answer.labels for answer in answers]),
            np.concatenate([answer.probabilities for answer in answers]),
        )

    def of_cells(self, names: tuple[str, ...], cells: list[Any]) -> Answer | None:
        """Returns what `predict` returns for one row of parsed JSON with these columns, or None if the row is
        not plain: `predict` answers or refuses it.
        """
        row = None if self._plain is None else self._plain.features(names, cells)
        if row is None:
            return None
        return self._of_row(row) if self._is_plain else self.evaluate(self._matrix_of(row))

    @cached_property
    def _plain(self) -> PlainRows | None:
        return plain_rows(extension(), self.content.plan, self.layout, self.content.kind)

    def _matrix_of(self, row: Row[float]) -> Array:
        return np.frombuffer(row, self.content.kind.dtype)[None]

    @cached_property
    def _is_plain(self) -> bool:
        """Whether the answer for a row is a quotient of sums or a sum, or the class with the largest one."""
        content = self.content
        is_sum = content.link == "mean" or (content.link == "identity" and content.classes is None)
        is_usual = content.has_probabilities and not (
            content.is_single or content.members or content.in_lists
        )
        return is_sum and is_usual and self._forest is not None and self._forest.dtype is content.kind.dtype

    def _one_row(self, rows: Rows) -> Answer:
        """Returns what `evaluate` returns for one row, with a third of its overhead: by the same operations
        on Python's floats instead of arrays. Raises TableError.
        """
        return self._of_row(self._row(rows, 0))

    def _of_row(self, row: Row[float]) -> Answer:
        assert self._forest is not None  # noqa: S101 (`_is_plain` has checked)
        sums, content = self._forest.sums_of_row(row), self.content
        trees = content.trees
        found = [value / trees for value in sums] if content.link == "mean" else list(sums)
        if self._classes is None:
            return RowAnswer(found[0], [], _NUMBERS)
        if math.isnan(sum(found)):  # NumPy's order of numbers has a place for those that are none
            return self.evaluate(self._matrix_of(row))
        if (cut := content.cut) is None:
            place = found.index(max(found))
        else:
            place = cut.positive if found[cut.positive] >= cut.threshold else 1 - cut.positive
        return RowAnswer(self._labels[place], found, self._classes.dtype)

    @cached_property
    def _labels(self) -> list[Any]:
        return [] if self._classes is None else list(self._classes.tolist())

    def of_table(self, table: pa.Table) -> Answer:
        """Returns the answer for each row of an Arrow table. Raises TableError."""
        return self.predict(from_arrow(table, self.layout))

    def _piece(self, table: Table, start: int, step: int) -> Answer:
        try:
            return self.evaluate(self.features(table.piece(start, start + step)))
        except TableError as error:
            raise (error if error.row is None else error.at_row(start + error.row)) from None

    def evaluate(self, matrix: Array) -> Answer:
        """Returns the model's answer for the rows of a matrix of features."""
        content = self.content
        if self._forest is None:
            factors, intercept = self._weights
            sums = matrix @ factors + intercept
        else:
            if content.zero_is_missing:
                matrix = _without_zeros(matrix)
            sums = self._forest.sums(self._expand(matrix) if self._expand else matrix)
        found = inverse(content.link, sums, content.trees)
        if content.is_single:
            found = found.astype(np.float32)
        if self._classes is None:
            return Answer(found[:, 0], found[:, :0])
        said = found if content.by_probability or content.link == "mean" else sums
        chosen = places(said, found, content.cut, from_zero=content.from_zero)
        labels = self._classes[chosen][:, None] if content.in_lists else self._classes[chosen]
        return Answer(labels, found if content.has_probabilities else found[:, :0])
