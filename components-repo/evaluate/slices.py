"""The rows of each value of a column, where there are enough of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from componentkit.arguments import ComponentError

FEWEST_ROWS = 20  # a slice smaller than that says nothing
MOST_VALUES = 60


def slice_rows(column: pd.Series) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Gives each value of a column with its rows; numbers are cut at their quartiles, missing is a value.

    Raises ComponentError for a column of too many values.
    """
    values = column
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > 10:
        values = pd.qcut(column, 4, duplicates="drop").astype("str")
    elif column.nunique() > MOST_VALUES:
        raise ComponentError(
            f"slices: column {column.name!r} has {column.nunique():,} values, more than {MOST_VALUES}"
        )
    texts = values.astype("object").where(column.notna(), "missing").astype("str").to_numpy()
    for value in sorted(set(texts)):
        rows = texts == value
        if rows.sum() >= FEWEST_ROWS:
            yield value, rows
