"""What the model's metadata says of the columns that it learned from: ranges and categories, no rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

MOST_CATEGORIES = 30
"""Of a column with more, none is listed: some would pass for all."""
LEAST_ROWS = 10
"""A category of fewer rows may tell of one person."""


def known_columns(features: pd.DataFrame, categorical: Collection[str]) -> dict[str, dict[str, Any]]:
    """Returns the least and the largest of each column's numbers, or the categories that many rows have."""
    found: dict[str, dict[str, Any]] = {}
    for name, column in features.items():
        if name in categorical:
            counts = column.value_counts()
            common = counts[counts >= LEAST_ROWS].sort_index().index.tolist()
            if common and len(counts) <= MOST_CATEGORIES:
                found[str(name)] = {"categories": common}
        elif column.dtype == "float64" and column.notna().any():
            found[str(name)] = {"minimum": float(column.min()), "maximum": float(column.max())}
    return found
