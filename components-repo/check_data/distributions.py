"""How a column is distributed in the reference and in the checked table: what pictures of drift show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from check_data.rules import Drift
from componentkit.columns import as_text

SIDES = ("reference", "checked")
MOST_CATEGORIES = 12


class Column(NamedTuple):
    """A column that drift is measured of, and its values on both sides, without those that are missing."""

    name: str
    is_numeric: bool
    reference: pd.Series
    checked: pd.Series


def columns_with_values(data: pd.DataFrame, reference: pd.DataFrame, drift: Drift) -> Iterator[Column]:
    """Gives the columns that have values on both sides."""
    for names, is_numeric in ((drift.numeric, True), (drift.categorical, False)):
        for name in names:
            sides = [side[name].dropna() for side in (reference, data) if name in side]
            if len(sides) == 2 and not any(side.empty for side in sides):
                yield Column(name, is_numeric, *sides)


def shares_by_bin(column: Column, bins: int) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Returns the edges of bins, and the share of each side in them: one range, all but the outermost half
    percent on each side, which counts in the outermost bins.
    """
    sides = [side.astype("float64").to_numpy() for side in (column.reference, column.checked)]
    sides = [side[np.isfinite(side)] for side in sides]
    both = np.concatenate(sides)
    low, high = (float(value) for value in np.quantile(both, [0.005, 0.995])) if len(both) else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    return edges, [np.histogram(np.clip(side, low, high), edges)[0] / max(len(side), 1) for side in sides]


def shares_by_category(column: Column) -> pd.DataFrame:
    """Returns the share of each side for the most frequent categories of both, those first."""
    shares = [as_text(side).value_counts(normalize=True) for side in (column.reference, column.checked)]
    table = pd.concat(shares, axis="columns", keys=SIDES).fillna(0.0)
    table = table.assign(both=table.sum(axis="columns"), name=table.index)
    table = table.sort_values(["both", "name"], ascending=[False, True]).head(MOST_CATEGORIES)
    return table[list(SIDES)]
