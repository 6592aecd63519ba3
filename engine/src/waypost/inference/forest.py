"""What the trees of a form say to rows: walked by an extension in C where that is installed, else by ONNX
Runtime.

Both give the same bits: sums in float64, tree after tree.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np

from waypost.inference.graphs import GraphWalk
from waypost.inference.table import FEW_ROWS
from waypost.inference.trees import Array, Floats, FormError, facts_of, from_bytes

NATIVE = "WAYPOST_NATIVE"
"""The variable that does without the extension: 0."""

# Rows that are sorted at a time, so that calling costs little.
_CALL_ROWS = 16_384


class Walk(Protocol):
    """What walks. Both return the sums, shape (rows, outputs), for features, shape (rows, features)."""

    def of_few(self, features: Array) -> Floats: ...

    def of_many(self, features: Array) -> Floats: ...

    def warm(self) -> None: ...


class _NativeWalk:
    """The trees as the extension has them: its own copy, which it has checked."""

    def __init__(self, extension: Any, form: bytes, outputs: int) -> None:
        try:
            self._trees = extension.Trees(form)
        except ValueError as error:
            raise FormError(str(error)) from error
        self._outputs = outputs

    def of_few(self, features: Array) -> Floats:
        sums = np.empty((len(features), self._outputs))
        self._trees.add_up(features, sums)
        return sums

    of_many = of_few

    def warm(self) -> None:
        """All is ready."""


def extension() -> Any:
    """Returns the extension, None where it is not installed, or is not wanted."""
    if os.environ.get(NATIVE) == "0":
        return None
    try:
        import waypost_walk
    except ImportError:
        return None
    return waypost_walk


class Forest:
    """Trees that are asked; any number of threads may ask at once.

    Args: form: the trees as they are stored; leading: the feature that they ask most. Raises FormError.
    """

    def __init__(self, form: bytes, leading: int) -> None:
        self.dtype, self.outputs = facts_of(form)
        self._leading = leading
        native = extension()
        self._walk: Walk = _NativeWalk(native, form, self.outputs) if native else GraphWalk(from_bytes(form))

    def warm(self) -> None:
        """Makes ready what the first request would wait for."""
        self._walk.warm()

    def sums(self, features: Array) -> Floats:
        """Returns the sums of the trees' answers, shape (rows, outputs), for features (rows, features)."""
        rows = len(features)
        given = np.ascontiguousarray(features, dtype=self.dtype)
        if rows <= FEW_ROWS:
            return self._walk.of_few(given)
        sums = np.empty((rows, self.outputs))
        for start in range(0, rows, _CALL_ROWS):
            part = slice(start, start + _CALL_ROWS)
            # Neighbours that take the same ways through the trees are quicker to follow.
            order = np.argsort(given[part, self._leading])
            sums[part][order] = self._walk.of_many(given[part][order])
        return sums
