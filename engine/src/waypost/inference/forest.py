"""Evaluation of a form's trees: by a C extension if it is installed, else by ONNX Runtime. Both give the same
bits: sums in float64, tree after tree.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from waypost.inference.graphs import GraphWalk
from waypost.inference.table import FEW_ROWS
from waypost.inference.trees import Array, Floats, FormError, facts_of, from_bytes

NATIVE = "WAYPOST_NATIVE"
"""The variable that disables the extension: 0."""

# Rows sorted at a time, so that calls cost little.
_CALL_ROWS = 16_384


class Walk(Protocol):
    """Evaluates trees. `of_few` and `of_many` return the sums, shape (rows, outputs), for features, shape
    (rows, features); `of_row` those for the features of one row, in the trees' type.
    """

    def of_row(self, features: array[float]) -> Sequence[float]: ...

    def of_few(self, features: Array) -> Floats: ...

    def of_many(self, features: Array) -> Floats: ...

    def warm(self) -> None: ...


class _NativeWalk:
    """The trees in the extension: its own, checked copy."""

    def __init__(self, extension: Any, form: bytes, outputs: int) -> None:
        try:
            self._trees = extension.Trees(form)
        except ValueError as error:
            raise FormError(str(error)) from error
        self._outputs = outputs
        self._nothing = array("d", bytes(8 * outputs))

    def of_row(self, features: array[float]) -> Sequence[float]:
        sums = self._nothing[:]
        self._trees.add_up(features, sums)
        return sums

    def of_few(self, features: Array) -> Floats:
        sums = np.empty((len(features), self._outputs))
        self._trees.add_up(features, sums)
        return sums

    of_many = of_few

    def warm(self) -> None:
        """Nothing to prepare."""


def extension() -> Any:
    """Returns the extension, or None if it is not installed or disabled."""
    if os.environ.get(NATIVE) == "0":
        return None
    try:
        import waypost_walk
    except ImportError:
        return None
    return waypost_walk


class Forest:
    """A forest to evaluate. Thread-safe.

    Args: form: the stored trees; leading: their most used feature. Raises FormError.
    """

    def __init__(self, form: bytes, leading: int) -> None:
        self.dtype, self.outputs = facts_of(form)
        self._leading = leading
        native = extension()
        self._walk: Walk = _NativeWalk(native, form, self.outputs) if native else GraphWalk(from_bytes(form))

    def warm(self) -> None:
        """Prepares what the first request would otherwise wait for."""
        self._walk.warm()

    def sums_of_row(self, features: array[float]) -> Sequence[float]:
        """Returns the sums for one row, whose features have the trees' type, without arrays of NumPy: their
        overhead would exceed the evaluation.
        """
        return self._walk.of_row(features)

    def sums(self, features: Array) -> Floats:
        """Returns the sums of the trees' values, shape (rows, outputs), for features (rows, features)."""
        rows = len(features)
        given = np.ascontiguousarray(features, dtype=self.dtype)
        if rows <= FEW_ROWS:
            return self._walk.of_few(given)
        sums = np.empty((rows, self.outputs))
        for start in range(0, rows, _CALL_ROWS):
            part = slice(start, start + _CALL_ROWS)
            # Adjacent rows that take the same paths are faster to evaluate.
            order = np.argsort(given[part, self._leading])
            sums[part][order] = self._walk.of_many(given[part][order])
        return sums
