"""Trees of any shape, rows that try them, and the two ways to walk."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from waypost.inference.forest import extension
from waypost.inference.trees import FormError, Tree, Trees, from_bytes, laid_out

ODD = [0.0, -0.0, 1.0, -1.0, 0.1, 1e-45, 1e300, -1e300, np.inf, -np.inf, np.nan, 3.4e38, 16777217.0]


def tree(choose: random.Random, width: int, per_leaf: int, *, least: int = 0, most: int = 40) -> Tree:
    """Returns a tree whose nodes are in no particular order."""
    inner = choose.randint(least, most)
    size = 2 * inner + 1
    names = [0, *choose.sample(range(1, size), size - 1)]
    left, right = np.full(size, -1), np.full(size, -1)
    leaves, used = [0], 1
    for _ in range(inner):
        node = leaves.pop(choose.randrange(len(leaves)))
        left[node], right[node] = names[used], names[used + 1]
        leaves += names[used : used + 2]
        used += 2
    edges = [value for value in ODD if not np.isnan(value)]
    return Tree(
        left,
        right,
        np.array([choose.randrange(width) for _ in range(size)]),
        np.array(
            [choose.choice(edges) if choose.random() < 0.3 else choose.gauss(0, 1) for _ in range(size)]
        ),
        np.array([choose.random() < 0.5 for _ in range(size)]),
        np.array([[choose.gauss(0, 1) for _ in range(per_leaf)] for _ in range(size)]),
    )


def trees(choose: random.Random, *, most: int = 40) -> Trees:
    """Returns some trees of one kind or another."""
    width, outputs = choose.choice([1, 2, 3, 7, 40]), choose.choice([1, 1, 2, 5])
    per_leaf = choose.choice([1, outputs])
    count = choose.randint(1, 6) * outputs
    is_single = choose.random() < 0.3
    start = np.array([choose.gauss(0, 1) for _ in range(outputs)]).astype(np.float32 if is_single else float)
    dtype = np.float32 if choose.random() < 0.5 else np.float64
    given = [tree(choose, width, per_leaf, most=most) for _ in range(count)]
    return laid_out(given, width, start.astype(np.float64), dtype=dtype, is_single=is_single)


def rows(choose: random.Random, of: Trees, count: int) -> Any:
    """Returns rows of features, some of them odd, some of them thresholds."""
    edges = of.threshold.tolist()

    def value() -> float:
        kind = choose.random()
        return (
            choose.choice(ODD) if kind < 0.2 else choose.choice(edges) if kind < 0.5 else choose.gauss(0, 1)
        )

    with np.errstate(over="ignore"):
        found = np.array([[value() for _ in range(of.width)] for _ in range(count)])
        return found.astype(of.dtype)


def plain_sums(of: Trees, features: Any) -> Any:
    """Returns the sums as plainly as they can be said: row by row, tree after tree, node by node."""
    number = np.cumsum(of.is_leaf) - 1
    kind = np.float32 if of.is_single else np.float64
    found = []
    for row in features:
        sums = of.start.astype(kind)
        for turn, root in enumerate(of.roots.tolist()):
            node = root
            while not of.is_leaf[node]:
                value = row[of.feature[node]]
                goes_first = of.missing_first[node] if np.isnan(value) else value <= of.threshold[node]
                node += int(of.below[node]) + (not goes_first)
            said = of.values[number[node]].astype(kind)
            if len(said) == of.outputs:
                sums = sums + said
            else:
                sums[turn % of.outputs] += said[0]
        found.append(sums)
    return np.array(found, dtype=np.float64)


def changed(form: bytes, choose: random.Random) -> bytes:
    """Returns a form with some bytes, words or its length changed."""
    found = bytearray(form)
    for _ in range(choose.randint(1, 4)):
        kind = choose.random()
        if kind < 0.1 and found:
            del found[choose.randrange(len(found)) :]
        elif kind < 0.2:
            found += bytes(choose.randint(1, 64))
        elif kind < 0.7:
            at = choose.randrange(max(len(found) // 4, 1)) * 4
            value = choose.choice([0, 1, 2, 8, 255, 2**16, 2**31, 2**32 - 1, choose.getrandbits(32)])
            found[at : at + 4] = value.to_bytes(4, "little")
        elif found:
            found[choose.randrange(len(found))] = choose.randrange(256)
    return bytes(found)


def answered(form: bytes, choose: random.Random) -> str:
    """Returns what both ways say of a form: `refused`, or `answered` with the same bits."""
    native = extension()
    try:
        trees = from_bytes(form)
    except FormError:
        if native:
            assert not taken(native, form)
        return "refused"
    if native and trees.width < 10_000:
        walk = native.Trees(form)
        for count in (1, 20):
            features = rows(choose, trees, count)
            sums = np.empty((count, trees.outputs))
            walk.add_up(features, sums)
            with np.errstate(all="ignore"):
                expected = plain_sums(trees, features)
            np.testing.assert_array_equal(sums, expected)
    return "answered"


def taken(native: Any, form: bytes) -> bool:
    """Tells whether the extension takes a form."""
    try:
        native.Trees(form)
    except ValueError:
        return False
    return True
