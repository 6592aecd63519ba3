"""segregate: what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from componentkit.arguments import ComponentError
from segregate.page import page
from segregate.split import split
from segregate.strata import strata_of
from segregate.together import units_for_test, units_of


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
    found = split(data, strategy, column, test_size, seed)
    train, test = found.train, found.test
    assert sorted([*train["id"], *test["id"]]) == list(range(100))
    assert train["id"].is_monotonic_increasing
    assert split(data, strategy, column, test_size, seed).train.equals(train)


def test_strategies_keep_their_word() -> None:
    """Stratified keeps class shares, group keeps groups whole, time keeps the future out."""
    found = split(table(), "stratified", "y", 0.3, 1)
    assert found.test["y"].value_counts().to_dict() == {"a": 15, "b": 15}
    found = split(table(), "group", "g", 0.3, 1)
    assert not set(found.train["g"]) & set(found.test["g"])
    found = split(table(), "time", "g", 0.25, 1)
    assert found.train["g"].max() < found.test["g"].min()


def test_strata_of_numbers() -> None:
    """With bins, each range of a number has the same share in both tables, ids kept whole or not."""
    draw = np.random.default_rng(0)
    data = pd.DataFrame({"rate": draw.lognormal(2, 0.5, 1000).round(1), "id": np.arange(1000) // 2})
    edges = data["rate"].quantile([0, 0.2, 0.4, 0.6, 0.8, 1]).to_numpy()
    for together in ([], ["id"]):
        found = split(data, "stratified", "rate", 0.3, 1, bins=5, together=together)
        counts, _ = np.histogram(found.test["rate"], edges)
        assert len(found.train) + len(found.test) == 1000
        assert np.abs(counts / np.histogram(data["rate"], edges)[0] - 0.3).max() < 0.04
    assert len(set(strata_of(pd.Series([0.0] * 90 + [1.0, 2.0] * 5, name="x"), 10))) == 2
    with pytest.raises(ComponentError, match="'y' is not numeric"):
        split(table(), "stratified", "y", 0.3, 1, bins=5)
    with pytest.raises(ComponentError, match="bins are for strategy 'stratified', not for 'time'"):
        split(table(), "time", "id", 0.3, 1, bins=5)


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


def visits(rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Visits of people of some households: ids with gaps, three classes, days."""
    draw = np.random.default_rng(seed)
    person = draw.integers(0, 600, rows)
    return pd.DataFrame(
        {
            "person": pd.Series(person, dtype="float64").where(draw.random(rows) > 0.01),
            "household": [f"h{p // 2}" if p % 5 else None for p in person],
            "y": draw.choice(["a", "b", "rare"], rows, p=[0.6, 0.35, 0.05]),
            "day": pd.Timestamp(2024, 1, 1) + pd.to_timedelta(draw.integers(0, 300, rows), unit="D"),
        }
    )


@settings(max_examples=8, deadline=None)
@given(
    strategy=st.sampled_from(["random", "stratified", "group", "time"]),
    test_size=st.floats(0.1, 0.6),
    seed=st.integers(0, 1000),
)
def test_rows_of_an_id_are_not_parted(strategy: str, test_size: float, seed: int) -> None:
    """Whatever the strategy: no id is on both sides, no row is on both, and the same seed gives the same."""
    data = visits(400, seed)
    data["home"] = data["household"].fillna(data.index.to_series().astype("str"))
    column = {"stratified": "y", "group": "home", "time": "day"}.get(strategy, "")
    ids = ["person", "household"]
    found = split(data, strategy, column, test_size, seed, together=ids)
    for name in ids:
        assert not set(found.train[name].dropna()) & set(found.test[name].dropna())
    assert not set(found.train.index) & set(found.test.index)
    if strategy != "time":
        assert len(found.train) + len(found.test) == len(data)
    assert split(data, strategy, column, test_size, seed, together=ids).test.equals(found.test)


def test_shares_are_near_what_is_asked() -> None:
    """With whole units, rows and each class are within half a point of the asked share, and it is told."""
    found = split(visits(), "stratified", "y", 0.3, 1, together=["person", "household"])
    whole = visits()["y"].value_counts()
    assert (abs(found.test["y"].value_counts() / whole - 0.3) < 0.005).all()
    told = " ".join(found.said)
    assert "units of rows that share person or household are kept whole" in told
    assert "the test table has 30." in told
    assert "30.00% were asked for" in told
    assert "column 'person' is missing in" in found.doubts[0]


def test_units_are_what_hangs_together() -> None:
    """Rows hang together through each other, too; a missing value joins nothing."""
    data = pd.DataFrame({"a": [1, 1, 2, None, None], "b": ["x", "y", "y", "z", None]})
    assert units_of(data, ["a"]).tolist() == [0, 0, 1, 2, 3]
    assert units_of(data, ["a", "b"]).tolist() == [0, 0, 0, 1, 2]
    sizes = np.repeat(np.arange(5), [50, 20, 15, 10, 5])
    is_test = units_for_test(sizes, np.zeros(100, dtype=np.int64), 0.2, 1)
    assert np.bincount(sizes)[is_test].tolist() == [20]


def test_gap_before_the_test() -> None:
    """Rows less than the gap before the border are left out, and how many; so are ids of the test table."""
    data = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=100), "id": [*range(95), *range(5)]})
    found = split(data, "time", "day", 0.2, 1, gap="7d", together=["id"])
    assert (found.train["day"].min(), found.train["day"].max()) == (
        pd.Timestamp("2024-01-06"),
        pd.Timestamp("2024-03-14"),
    )
    assert found.said[1:] == [
        "6 rows less than 7d before that are left out (gap)",
        "5 rows are left out because the test table has their id",
    ]
    numbers = split(data.assign(day=range(100)), "time", "day", 0.2, 1, gap="10")
    assert (len(numbers.train), len(numbers.test)) == (71, 20)


@pytest.mark.parametrize(
    ("strategy", "column", "more", "message"),
    [
        ("time", "day", {"gap": "7"}, "gap '7': column 'day' holds dates: write 7d, 12h or 30min"),
        ("time", "day", {"gap": "week"}, "gap 'week': column 'day' holds dates"),
        ("time", "n", {"gap": "7d"}, "gap '7d': column 'n' holds numbers"),
        ("time", "text", {"gap": "7d"}, r"holds text, which have no distance; dates: \[text\] in the recipe"),
        ("time", "day", {"gap": "999d"}, "time: no row is left for training: .*rows less than 999d before"),
        ("random", "", {"gap": "7d"}, "gap is for strategy 'time'"),
        ("random", "", {"together": ["perso"]}, "keep_together: column 'perso' .*did you mean 'person'"),
        ("random", "", {"together": ["one"]}, "keep_together: 3,000 of 3,000 rows hang together by one"),
    ],
)
def test_impossible_units_are_named(strategy: str, column: str, more: dict[str, Any], message: str) -> None:
    """Ids and gaps that cannot be are told with what mends it."""
    data = visits().assign(n=range(3000), text=[f"{n:05}" for n in range(3000)], one=1)
    with pytest.raises(ComponentError, match=message):
        split(data, strategy, column, 0.3, 1, **more)


def test_page_says_what_is_where() -> None:
    """The page has rows, classes, times and ids of both sides; the same split gives the same page."""
    data = visits()
    found = split(data, "time", "day", 0.3, 1, gap="7d", together=["person"])
    pages = [
        page(data, found.train, found.test, "visits.csv", target="y", ids=["person"], said=found.said)
        for _ in range(2)
    ]
    assert pages[0] == pages[1]
    for text in ("Split: visits.csv", "left out", "Classes of <code>y</code>", "2024-01-01", ">0</td>"):
        assert text in pages[0]
    with pytest.raises(ComponentError, match="target: column 'z'"):
        page(data, found.train, found.test, "visits.csv", target="z", ids=[], said=[])
