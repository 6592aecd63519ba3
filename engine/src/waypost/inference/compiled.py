"""The compiled form of a forest: a plan for the features, graphs for the trees, no scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from waypost.inference.forest import Forest, Stored
from waypost.inference.layout import Layout, TableError
from waypost.inference.preprocessing import Plan
from waypost.inference.table import Floats, Rows, Table, from_arrow

if TYPE_CHECKING:
    import pyarrow as pa

# Features that are made at a time: 16 MiB of them, and what making them takes.
_PIECE_CELLS = 4 * 1024 * 1024


class Cut(BaseModel):
    """The place of one of two classes, and the probability from which on it is the answer."""

    model_config = ConfigDict(frozen=True)

    positive: int
    threshold: float


class Content(BaseModel):
    """What is stored beside the forest: the plan, the number of trees, the feature that they ask most, the
    class labels in order, None for a regressor, and the threshold of the answer, where there is one.
    """

    model_config = ConfigDict(frozen=True)

    plan: Plan
    trees: int
    leading: int
    classes: list[str | int | float | bool] | None
    cut: Cut | None = None


@dataclass(frozen=True)
class Answer:
    """labels: shape (rows,), a regressor's values; probabilities: shape (rows, classes), columns as the
    model's classes, none where it has none.
    """

    labels: NDArray[Any]
    probabilities: Floats


class Compiled:
    """Answers for tables in a layout; any number of threads may ask at once."""

    def __init__(self, content: Content, stored: Stored, layout: Layout) -> None:
        self.content = content
        self.layout = layout
        self._forest = Forest(stored, content.trees, content.leading)
        self._matrix = content.plan.bound(layout)
        self._cells = content.plan.bound_cells(layout)
        self._step = max(_PIECE_CELLS // max(content.plan.width, 1), 1)

    @cached_property
    def classes(self) -> NDArray[Any] | None:
        values = self.content.classes
        if values is None:
            return None
        return np.array(values, dtype=object if any(isinstance(v, str) for v in values) else None)

    def warm(self) -> None:
        """Makes ready what the first request would wait for."""
        self._forest.warm()

    def features(self, table: Table | Rows) -> NDArray[np.float32]:
        """Returns the forest's matrix, shape (rows, features).

        Raises TableError where a value does not fit.
        """
        if isinstance(table, Rows):
            return self._row_by_row(table)
        with np.errstate(over="ignore"):
            matrix = self._matrix(table)
        if not np.isfinite(matrix).all() and (wrong := np.isinf(matrix)).any():
            row = int(np.argwhere(wrong)[0, 0])
            column = self.layout.numbers[int(np.nanargmax(np.abs(table.numbers[row])))]
            raise TableError(f"column {column!r}, row {row}: the value is too large", column=column, row=row)
        return matrix

    def _row_by_row(self, rows: Rows) -> NDArray[np.float32]:
        found = []
        for number, (values, words) in enumerate(zip(rows.values, rows.words, strict=True)):
            try:
                found.append(self._cells(values, words))
            except TableError as error:
                raise error.at_row(number) from None
            except OverflowError as error:
                raise TableError(f"row {number}: a whole number is too large", row=number) from error
        return np.array(found, dtype=np.float32)

    def predict(self, table: Table | Rows, check: Callable[[], None] | None = None) -> Answer:
        """Returns the answer for each row. Raises TableError.

        Many rows are answered piece by piece: their features would be far larger than they are. Before each
        piece `check` is called, which may raise what it likes.
        """
        step = self._step
        if isinstance(table, Rows) or len(table) <= step:
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

    def of_table(self, table: pa.Table) -> Answer:
        """Returns the answer for each row of an Arrow table. Raises TableError."""
        return self.predict(from_arrow(table, self.layout))

    def _piece(self, table: Table, start: int, step: int) -> Answer:
        try:
            return self.evaluate(self.features(table.piece(start, start + step)))
        except TableError as error:
            raise (error if error.row is None else error.at_row(start + error.row)) from None

    def evaluate(self, matrix: NDArray[np.float32]) -> Answer:
        """Returns the forest's answer for the rows of a matrix of features."""
        means = self._forest.means(matrix)
        if self.classes is None:
            return Answer(means[:, 0], means[:, :0])
        cut = self.content.cut
        if cut is None:
            return Answer(self.classes[means.argmax(axis=1)], means)
        is_positive = means[:, cut.positive] >= cut.threshold
        return Answer(self.classes[np.where(is_positive, cut.positive, 1 - cut.positive)], means)
