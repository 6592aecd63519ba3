"""Rows that must not be parted, such as those of one customer, and how they come on two sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Integers = NDArray[np.int64]


def units_of(table: pd.DataFrame, columns: Sequence[str]) -> Integers:
    """Returns for each row the number of its unit: rows that share a value in any of the columns are one.

    Units are numbered as they appear. A row that lacks a value shares none by that column.
    """
    rows = np.arange(len(table))
    ends, values, offset = [], [], len(table)
    for name in columns:
        codes, known = pd.factorize(table[name])
        ends.append(rows[codes >= 0])
        values.append(codes[codes >= 0] + offset)
        offset += len(known)
    one, other = np.concatenate(ends), np.concatenate(values)
    links = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(offset, offset))
    _, found = connected_components(links, directed=False)
    return np.asarray(pd.factorize(found[: len(table)])[0], dtype=np.int64)


def units_for_test(units: Integers, strata: Integers, share: float, seed: int) -> NDArray[np.bool_]:
    """Returns for each unit whether it goes to the test side, so that each stratum has its share there.

    Units come in the order of their size, those of one size as they are drawn; each goes where it brings
    the sides nearer to what is asked of them (sum over strata of squared deviation / rows asked for).
    """
    counts = np.zeros((units.max() + 1, strata.max() + 1))
    np.add.at(counts, (units, strata), 1)
    drawn = np.random.default_rng(seed).permutation(len(counts))
    order = drawn[np.argsort(-counts[drawn].sum(axis=1), kind="stable")]
    total = counts.sum(axis=0)
    wanted = {True: total * share, False: total * (1 - share)}
    there = {side: np.zeros(len(total)) for side in wanted}
    is_test = np.zeros(len(counts), dtype=bool)
    for unit in order:
        rows = counts[unit]
        cost: dict[bool, Any] = {
            side: (rows * (2 * (there[side] - wanted[side]) + rows) / wanted[side]).sum() for side in wanted
        }
        is_test[unit] = cost[True] <= cost[False]
        there[bool(is_test[unit])] += rows
    return is_test
