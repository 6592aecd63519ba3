"""training: what a model's metadata tells of its training table, and what it does not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from training.features import Features, feature_table
from training.known import LEAST_ROWS, MOST_CATEGORIES, known_columns


def test_ranges_and_categories() -> None:
    """Numbers have a range, categories their values in the table's own type; free text, empty columns, and
    booleans among the numbers have nothing.
    """
    rows = 2 * LEAST_ROWS
    data = pd.DataFrame(
        {
            "n": [1, *np.linspace(-2.5, 7.5, rows - 2), np.nan],
            "b": [True, False] * LEAST_ROWS,
            "empty": np.nan,
            "c": ["y", "x"] * LEAST_ROWS,
            "k": [4, 2] * LEAST_ROWS,
            "own": [True, False] * LEAST_ROWS,
            "t": "words",
        }
    )
    names = Features(numeric=["n", "b", "empty"], categorical=["c", "k", "own"], text=["t"])
    found = known_columns(feature_table(data, names), names.categorical)
    assert found == {
        "n": {"minimum": -2.5, "maximum": 7.5},
        "c": {"categories": ["x", "y"]},
        "k": {"categories": [2, 4]},
        "own": {"categories": [False, True]},
    }
    assert json.loads(json.dumps(found)) == found


def test_rare_categories_are_not_told() -> None:
    """A category of few rows is left out, and a column of many categories, or of rare ones alone, is."""
    rows = (MOST_CATEGORIES + 1) * LEAST_ROWS
    data = pd.DataFrame(
        {
            "c": ["one person"] * (LEAST_ROWS - 1) + ["x"] * (rows - LEAST_ROWS + 1),
            "many": [f"street {row % (MOST_CATEGORIES + 1)}" for row in range(rows)],
            "id": [f"id {row}" for row in range(rows)],
        }
    )
    names = Features(categorical=["c", "many", "id"])
    assert known_columns(feature_table(data, names), names.categorical) == {"c": {"categories": ["x"]}}
