"""segregate: what it promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from componentkit.arguments import ComponentError
from segregate.split import split


def table(rows: int = 100) -> pd.DataFrame:
    return pd.DataFrame(
        {"id": range(rows), "y": ["a", "b"] * (rows // 2), "g": [i // 10 for i in range(rows)]}
    )


@settings(max_examples=25, deadline=None)
@given(
    strategy=st.sampled_from(["random", "stratified", "group", "time"]),
    test_size=st.floats(0.1, 0.9),
    seed=st.integers(0, 1000),
)
def test_no_row_lost_or_shared(strategy: str, test_size: float, seed: int) -> None:
    """Whatever the strategy: every row is on exactly one side, and the same seed gives the same."""
    data = table()
    column = {"stratified": "y", "group": "g", "time": "id"}.get(strategy, "")
    train, test = split(data, strategy, column, test_size, seed)
    assert sorted([*train["id"], *test["id"]]) == list(range(100))
    assert train["id"].is_monotonic_increasing
    again, _ = split(data, strategy, column, test_size, seed)
    assert again.equals(train)


def test_strategies_keep_their_word() -> None:
    """Stratified keeps class shares, group keeps groups whole, time keeps the future out."""
    train, test = split(table(), "stratified", "y", 0.3, 1)
    assert test["y"].value_counts().to_dict() == {"a": 15, "b": 15}
    train, test = split(table(), "group", "g", 0.3, 1)
    assert not set(train["g"]) & set(test["g"])
    train, test = split(table(), "time", "g", 0.25, 1)
    assert train["g"].max() < test["g"].min()


@pytest.mark.parametrize(
    ("strategy", "column", "message"),
    [
        ("stratified", "y", r"column 'y': too few rows .*'rare' \(1 row\)"),
        ("stratified", "", "needs the parameter column"),
        ("group", "nope", "group: column 'nope' not in the table"),
        ("group", "one", "column 'one' has one value"),
        ("time", "one", "none is left for training"),
        ("time", "hole", "column 'hole' is missing in 99 rows"),
        ("stratified", "id", "too few rows"),
    ],
)
def test_impossible_split_is_named(strategy: str, column: str, message: str) -> None:
    """A split that cannot be made is an error that names strategy, column and class."""
    data = table().assign(one=1, hole=[1.0] + [np.nan] * 99)
    data.loc[0, "y"] = "rare"
    with pytest.raises(ComponentError, match=message):
        split(data, strategy, column, 0.3, 1)
