"""Splits by sets of categories, as features that select the child: 0 the first, else 1. So trees split only
by thresholds, however they are evaluated. Nodes with the same set share a feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from waypost.inference.trees import Array

THRESHOLD = 0.5
"""The threshold of nodes with such a feature."""


class Membership(BaseModel):
    """Membership of a feature's codes 0, 1, … in its sets, then that of other codes, and of missing ones: one
    bit per set, packed, as hex. `is_truncated`: -0.5 is the code 0, too.
    """

    model_config = ConfigDict(frozen=True)

    feature: int
    sets: int
    rows: list[str]
    is_truncated: bool = False

    def table(self, dtype: Any) -> Array:
        """Returns the features of each row of codes, shape (codes + 2, sets)."""
        packed = np.array([list(bytes.fromhex(row)) for row in self.rows], dtype=np.uint8)
        return np.unpackbits(packed, axis=1, count=self.sets).astype(dtype)


class Expansion:
    """Appends the features of sets to a matrix of features."""

    def __init__(self, members: Sequence[Membership], dtype: Any) -> None:
        self._members = [(one, one.table(dtype)) for one in members]
        self.sets = sum(one.sets for one in members)

    def __call__(self, matrix: Array) -> Array:
        """Returns the wider matrix, shape (rows, features + sets)."""
        rows, width = matrix.shape
        found = np.empty((rows, width + self.sets), dtype=matrix.dtype)
        found[:, :width] = matrix
        for member, table in self._members:
            codes = matrix[:, member.feature]
            count = len(table) - 2
            least = codes > -1 if member.is_truncated else codes >= 0
            is_known = least & (codes < count)
            places = np.where(is_known, codes, count + np.isnan(codes)).astype(np.int64)
            found[:, width : width + member.sets] = table[places]
            width += member.sets
        return found


class Sets:
    """Collects the sets of nodes, and numbers them by feature once they are complete."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._known: dict[int, dict[tuple[bytes, bool, bool], int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def add(self, feature: int, left: NDArray[np.bool_], *, other: bool, missing: bool) -> tuple[int, int]:
        """Adds the set of codes that go to the first child; returns its key for `place`. Args: other,
        missing: whether other codes, and missing ones, go there, too.
        """
        of = self._known.setdefault(feature, {})
        key = (left.astype(np.uint8).tobytes(), other, missing)
        return feature, of.setdefault(key, len(of))

    def place(self, added: tuple[int, int]) -> int:
        """Returns the number of a set's feature in the wider matrix."""
        feature, number = added
        before = [len(self._known[one]) for one in sorted(self._known) if one < feature]
        return self.width + sum(before) + number

    def members(self, *, is_truncated: bool = False) -> list[Membership]:
        """Returns the memberships to widen the matrix by."""
        return [self._member(feature, is_truncated=is_truncated) for feature in sorted(self._known)]

    def _member(self, feature: int, *, is_truncated: bool) -> Membership:
        keys = list(self._known[feature])
        count = max(len(left) for left, _, _ in keys)
        goes = np.empty((count + 2, len(keys)), dtype=np.uint8)
        for place, (left, other, missing) in enumerate(keys):
            goes[:, place] = 1 - other
            goes[: len(left), place] = 1 - np.frombuffer(left, np.uint8)
            goes[-1, place] = 1 - missing
        rows = [row.tobytes().hex() for row in np.packbits(goes, axis=1)]
        return Membership(feature=feature, sets=len(keys), rows=rows, is_truncated=is_truncated)


def bits_of(words: Sequence[int]) -> NDArray[np.bool_]:
    """Returns the bits of 32-bit numbers, the lowest first."""
    packed = np.array(words, dtype="<u4").view(np.uint8)
    return np.unpackbits(packed, bitorder="little").astype(bool)
