"""The stored form of trees, which is evaluated without bounds checks, and its checks beforehand.

All numbers are little-endian. A header of 48 bytes: `WAYPOSTT`, then ten uint32: the version (1), bytes per
feature (4 or 8), trees, nodes, features, outputs, values per leaf, leaves, whether sums are rounded to
float32, 0. Then the initial sums (one float64 per output), the number of each tree's root (uint32, padded to
eight bytes), the nodes, and the leaf values (float64), in the order of the nodes.

A node has a threshold, the distance `below` to its first child, its feature, and whether missing values go to
the first child, as do values up to the threshold. The second child follows the first; a leaf is its own
child. Narrow nodes (8 bytes) have float32 and everything else in 32 bits, wide ones (16 bytes) have float64.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from waypost.errors import WaypostError

Floats = NDArray[np.float64]
Array = NDArray[Any]

DEEPEST = 1000
"""Most levels of a tree."""
MOST_LEAVES = 2**24
"""Most leaves: ONNX Runtime numbers them in float32, which is exact up to here."""

_BLOCK_LEVELS = 3  # 14 nodes of 8 bytes: two lines of a cache

_HEADER = struct.Struct("<8s10I")
_MAGIC, _VERSION = b"WAYPOSTT", 1
_MOST_NODES, _MOST_OUTPUTS = 2**26, 2**16
_NARROW = np.dtype([("threshold", "<f4"), ("link", "<u4")])
_WIDE = np.dtype([("threshold", "<f8"), ("below", "<u4"), ("link", "<u4")])


class FormError(WaypostError):
    """The bytes are not valid trees."""


class Tree(NamedTuple):
    """A tree of a library: by node, in any order, the root first. `left` is -1 at a leaf; values: shape
    (nodes, values per leaf), used at leaves only.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    values: Floats


@dataclass(frozen=True)
class Trees:
    """Trees in the order of summation, the nodes of each in evaluation order.

    A row's sum begins at `start`, shape (outputs,). A tree adds the values of its leaf to all outputs, or to
    one of them in turn. `is_single`: sums are rounded to float32 after each tree.
    """

    roots: Array
    threshold: Array
    below: Array
    feature: Array
    missing_first: Array
    values: Floats
    start: Floats
    width: int
    is_single: bool = False

    @property
    def outputs(self) -> int:
        return len(self.start)

    @cached_property
    def is_leaf(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.below == 0
        return found

    @property
    def dtype(self) -> Any:
        """The type of features, in which thresholds are compared."""
        return self.threshold.dtype.type

    def spans(self) -> Iterable[tuple[int, int]]:
        """Yields the range of each tree's nodes: the first, and the one after the last."""
        return zip(self.roots.tolist(), [*self.roots[1:].tolist(), len(self.threshold)], strict=True)

    def to_bytes(self) -> bytes:
        """Returns the trees in their stored form."""
        shift = _shift(self.width)
        is_narrow = self.dtype == np.float32 and int(self.below.max(initial=0)) < 1 << (32 - shift)
        nodes = np.empty(len(self.threshold), _NARROW if is_narrow else _WIDE)
        link = self.feature.astype(np.uint32) << 1 | self.missing_first.astype(np.uint32)
        nodes["threshold"] = self.threshold
        if is_narrow:
            nodes["link"] = self.below.astype(np.uint32) << shift | link
        else:
            nodes["below"], nodes["link"] = self.below, link
        counts = (
            len(self.roots),
            len(nodes),
            self.width,
            self.outputs,
            self.values.shape[1],
            len(self.values),
        )
        head = _HEADER.pack(_MAGIC, _VERSION, 4 if is_narrow else 8, *counts, self.is_single, 0)
        roots = self.roots.astype("<u4").tobytes()
        padding = bytes(len(roots) % 8)
        start, values = self.start.astype("<f8"), self.values.astype("<f8")
        return b"".join([head, start.tobytes(), roots, padding, nodes.tobytes(), values.tobytes()])


def _shift(width: int) -> int:
    """Returns the number of a narrow node's bits for its feature and the branch of missing values."""
    return 1 + max(width - 1, 0).bit_length()


def facts_of(content: bytes) -> tuple[Any, int]:
    """Returns (type of features, number of outputs) in the header of stored trees."""
    if len(content) < _HEADER.size:
        raise FormError("it is shorter than its header")
    _, _, kind, _, _, _, outputs, *_ = _HEADER.unpack_from(content)
    return (np.float32 if kind == np.dtype(np.float32).itemsize else np.float64), outputs


def from_bytes(content: bytes) -> Trees:
    """Returns the stored trees. Raises FormError for anything else."""
    if len(content) < _HEADER.size:
        raise FormError("it is shorter than its header")
    magic, version, kind, trees, nodes, width, outputs, per_leaf, leaves, single, unused = (
        _HEADER.unpack_from(content)
    )
    is_known = (magic, version, unused) == (_MAGIC, _VERSION, 0) and kind in (4, 8) and single <= 1
    is_sane = 0 < nodes <= _MOST_NODES and 0 < trees <= nodes and 0 < leaves <= nodes
    is_sane &= 0 < width <= _MOST_NODES and 0 < outputs <= _MOST_OUTPUTS and per_leaf in (1, outputs)
    dtype = _NARROW if kind == 4 else _WIDE
    sizes = (8 * outputs, 8 * ((trees + 1) // 2), dtype.itemsize * nodes, 8 * leaves * per_leaf)
    if not is_known or not is_sane or _HEADER.size + sum(sizes) != len(content):
        raise FormError("its header does not match this version and size")
    at = np.cumsum([_HEADER.size, *sizes]).tolist()
    start = np.frombuffer(content, "<f8", outputs, at[0])
    roots = np.frombuffer(content, "<u4", trees, at[1]).astype(np.int64)
    table = np.frombuffer(content, dtype, nodes, at[2])
    values = np.frombuffer(content, "<f8", leaves * per_leaf, at[3]).reshape(leaves, per_leaf)
    shift = _shift(width)
    below = table["link"] >> shift if kind == 4 else table["below"]
    link = table["link"] & ((1 << shift) - 1) if kind == 4 else table["link"]
    found = Trees(
        roots, table["threshold"], below.astype(np.int64), (link >> 1).astype(np.int64), link & 1 == 1,
        values, start, width, bool(single),
    )  # fmt: skip
    _check(found)
    return found


def _check(trees: Trees) -> None:
    """Raises FormError unless every path stays within its tree and ends."""
    count, roots, is_leaf = len(trees.threshold), trees.roots, trees.is_leaf
    _require(roots[0] == 0 and (np.diff(roots, append=count) > 0).all(), "its trees are not consecutive")
    _require((trees.feature < trees.width).all(), "a tree uses a feature that does not exist")
    _require(not np.isnan(trees.threshold).any(), "a tree has a threshold that is not a number")
    has_no_way_out = (trees.threshold[is_leaf] == np.inf) & trees.missing_first[is_leaf]
    _require(has_no_way_out.all(), "a leaf of a tree has a child")
    _require(is_leaf.sum() == len(trees.values), "the numbers of leaves and values differ")
    ends = np.repeat(np.append(roots[1:], count), np.diff(roots, append=count))
    first = np.arange(count) + trees.below
    _require((first[~is_leaf] + 1 < ends[~is_leaf]).all(), "a tree points outside its nodes")
    children = np.concatenate([first[~is_leaf], first[~is_leaf] + 1])
    is_child = np.bincount(children, minlength=count) == 1
    is_child[roots] = ~is_child[roots]
    _require(
        len(children) + len(roots) == count and is_child.all(),
        "a node of a tree does not have exactly one parent",
    )
    level, depth = roots, 0
    while len(level := level[~is_leaf[level]]):
        depth += 1
        _require(depth <= DEEPEST, f"a tree is deeper than {DEEPEST:,}")
        level = np.concatenate([first[level], first[level] + 1])


def _require(holds: Any, problem: str) -> None:
    if not holds:
        raise FormError(problem)


def laid_out(
    given: Iterable[Tree], width: int, start: Floats, *, dtype: Any = np.float32, is_single: bool = False
) -> Trees:
    """Returns the trees of a library in the stored order.

    Args: dtype: that of the features. Thresholds are rounded down to it, which changes no comparison with
    them. Raises FormError for trees that are too deep or too many.
    """
    parts = [_in_blocks(tree) for tree in given]
    counts = [len(part.threshold) for part in parts]
    threshold = rounded_down(np.concatenate([part.threshold for part in parts]), dtype)
    below = np.concatenate([part.left for part in parts])
    is_leaf = below == 0
    threshold[is_leaf] = np.inf
    _require(is_leaf.sum() <= MOST_LEAVES, f"more than {MOST_LEAVES:,} leaves")
    feature = np.where(is_leaf, 0, np.concatenate([part.feature for part in parts]))
    _require(((feature >= 0) & (feature < width)).all(), "a tree uses a feature that does not exist")
    missing = is_leaf | np.concatenate([part.missing_left for part in parts]).astype(bool)
    values = np.ascontiguousarray(np.concatenate([part.values for part in parts])[is_leaf], dtype=np.float64)
    roots = np.cumsum([0, *counts[:-1]])
    return Trees(roots, threshold, below, feature.astype(np.int64), missing, values, start, width, is_single)


def _in_blocks(tree: Tree) -> Tree:
    """Returns a tree in evaluation order: siblings adjacent, and `_BLOCK_LEVELS` levels below a node in one
    block, so that a row touches few cache lines. `left` is the distance from a node to its first child, 0 at
    a leaf.
    """
    left, right = tree.left.astype(np.int64), tree.right.astype(np.int64)
    level = np.zeros(1, dtype=np.int64)
    blocks, depth = [level], 0
    while len(level := level[left[level] >= 0]):
        found, block = [], np.arange(len(level))
        for _ in range(_BLOCK_LEVELS):
            is_inner = left[level] >= 0
            inner, block = level[is_inner], np.repeat(block[is_inner], 2)
            depth += 1 if len(inner) else 0
            level = np.stack([left[inner], right[inner]], axis=1).ravel()
            found.append((level, block))
        _require(depth <= DEEPEST, f"a tree deeper than {DEEPEST:,}")
        nodes, owners = (np.concatenate(parts) for parts in zip(*found, strict=True))
        blocks.append(nodes[np.argsort(owners, kind="stable")])
        _require(sum(map(len, blocks)) <= len(left), "a node of a tree does not have exactly one parent")
    order = np.concatenate(blocks)
    place = np.full(len(left), -1)
    place[order] = np.arange(len(order))
    _require(
        (place[order] == np.arange(len(order))).all(), "a node of a tree does not have exactly one parent"
    )
    below = np.where(left[order] >= 0, place[left[order]] - np.arange(len(order)), 0)
    return Tree(
        below,
        right,
        tree.feature[order],
        tree.threshold[order],
        tree.missing_left[order],
        tree.values[order],
    )


def rounded_down(thresholds: Floats, dtype: Any = np.float32) -> Array:
    """Returns the largest number of a type that is at most each threshold."""
    if dtype == np.float64:
        return np.array(thresholds, dtype=np.float64)
    with np.errstate(over="ignore"):
        near = thresholds.astype(dtype)
    return np.where(near > thresholds, np.nextafter(near, dtype(-np.inf)), near)


def leading_feature(trees: Trees) -> int:
    """Returns the feature that most trees split on first."""
    asked = np.zeros(trees.width)
    for first, end in trees.spans():
        at = slice(first, min(end, first + 7))  # three levels, the root counts as much as each level below
        level = np.array([1, 1 / 2, 1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 4])[: at.stop - first]
        np.add.at(asked, trees.feature[at], np.where(trees.is_leaf[at], 0, level))
    return int(asked.argmax())
