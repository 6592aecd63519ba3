"""The compiled form of a classifier: a plan for the features, a graph for the forest, no scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from waypost.deploy.plan import Plan
from waypost.deploy.table import Floats, Layout, Table, TableError

# Beyond this a float64 has no float32, and scikit-learn's trees refuse it.
_LARGEST = float(np.finfo(np.float32).max)


class Content(BaseModel):
    """What is stored beside the graph: the plan, the class labels in order, the number of trees."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    classes: list[str | int | float | bool]
    trees: int


@dataclass(frozen=True)
class Answer:
    """labels: shape (rows,); probabilities: shape (rows, classes), columns as the model's classes."""

    labels: NDArray[Any]
    probabilities: NDArray[np.float32]


class Compiled:
    """Answers for tables in a layout; any number of threads may ask at once."""

    def __init__(self, content: Content, graph: bytes, layout: Layout, *, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the cores from whoever reads and writes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.content = content
        self.layout = layout
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @cached_property
    def classes(self) -> NDArray[Any]:
        values = self.content.classes
        return np.array(values, dtype=object if any(isinstance(v, str) for v in values) else None)

    def features(self, table: Table) -> Floats:
        """Returns the forest's matrix, shape (rows, features), rounded to float32 as its trees see it.

        Raises TableError where a value does not fit.
        """
        with np.errstate(over="ignore"):
            matrix = self.content.plan.matrix(table, self.layout).astype(np.float32)
        if not np.isfinite(matrix).all():
            row = int(np.argwhere(~np.isfinite(matrix))[0, 0])
            column = self.layout.numbers[int(np.nanargmax(np.abs(table.numbers[row])))]
            raise TableError(f"column {column!r}, row {row}: the value is too large", column=column, row=row)
        return matrix.astype(np.float64)

    def predict(self, table: Table) -> Answer:
        """Returns the answer for each row. Raises TableError."""
        return self.evaluate(self.features(table))

    def evaluate(self, matrix: Floats) -> Answer:
        """Returns the forest's answer for the rows of a matrix of features."""
        numbers, sums = self._session.run(None, {"X": matrix})
        probabilities = sums[:, : len(self.classes)] / np.float32(self.content.trees)
        return Answer(self.classes[numbers], probabilities)
