"""Strata: values, or ranges of numbers, that have the same share of rows in both tables."""

from __future__ import annotations

import pandas as pd

from componentkit.arguments import ComponentError
from componentkit.columns import as_numbers


def strata_of(column: pd.Series, bins: int) -> pd.Series:
    """Returns the stratum of each row: its value, or the range of numbers that it is in, of equal rows as
    nearly as rows of one value allow. Raises ComponentError where ranges are asked of what has no order.
    """
    if not bins:
        return column
    return pd.Series(
        pd.qcut(as_numbers(column), bins, duplicates="drop").astype("str"),
        index=column.index,
        name=column.name,
    )


def check_strata(strata: pd.Series, test_size: float) -> None:
    counts = strata.value_counts()
    small = counts[counts < 2]
    if len(small):
        names = ", ".join(f"{name!r} ({count} row)" for name, count in small.items())
        raise ComponentError(f"stratified: column {strata.name!r}: too few rows to be on both sides: {names}")
    sides = {"test": round(len(strata) * test_size), "train": round(len(strata) * (1 - test_size))}
    for side, rows in sides.items():
        if rows < len(counts):
            raise ComponentError(
                f"stratified: column {strata.name!r} has {len(counts)} classes,"
                f" the {side} table would have {rows} rows"
            )
