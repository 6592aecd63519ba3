"""preprocess: what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from componentkit.arguments import ComponentError
from componentkit.tables import read_table, with_unit, write_table
from preprocess.clean import Recipe, clean
from segregate.split import split


def cleaned(table: pd.DataFrame, keep: str = "", **recipe: Any) -> pd.DataFrame:
    return clean(table, Recipe(**recipe), drop_duplicates=True, keep=keep)[0]


def test_duplicates_keep_first_and_order() -> None:
    """Duplicates go, the first stays, the rows keep their order, and the metrics add up."""
    table = pd.DataFrame({"a": [3, 1, 3, 2], "b": ["x", "y", "x", "z"]})
    result, metrics = clean(table, Recipe(), drop_duplicates=True, keep="a != 2")
    assert result["a"].tolist() == [3, 1]
    assert metrics["rows_before"] == 4
    assert metrics["rows_duplicate"] == 1
    assert metrics["rows_filtered"] == 1
    assert metrics["rows_after"] == 2
    kept, _ = clean(table, Recipe(), drop_duplicates=False, keep="")
    assert len(kept) == 4


def test_recipe_in_documented_order() -> None:
    """Later rules see what earlier ones made: renamed, cast and filled columns."""
    table = pd.DataFrame({"A b": ["1", None], "t": ["x ", None], "u": [" y  z", "w"]})
    result = cleaned(
        table,
        rename={"A b": "n"},
        cast={"n": "float"},
        fill_missing={"n": 7},
        join_text={"text": ["t", "u"]},
        drop=["t", "u"],
        keep="n > 0",
    )
    assert result.to_dict("list") == {"n": [1.0, 7.0], "text": ["x y z", "w"]}


def test_casts_keep_missing() -> None:
    """Every type can be cast to, and a missing value stays missing."""
    table = pd.DataFrame({"s": [1, None], "i": ["5", None], "b": ["Yes", None], "d": ["2018-01", None]})
    result = cleaned(table, cast={"s": "string", "i": "int", "b": "bool"}, dates={"d": "%Y-%m"})
    assert result["s"].tolist()[0] == "1"
    assert result["i"].tolist()[0] == 5
    assert result["b"].tolist()[0] is True
    assert result["d"].iloc[0] == pd.Timestamp(2018, 1, 1)
    assert result.iloc[1].isna().all()


def test_new_columns() -> None:
    """Columns by expressions, in their order; parts of dates, length of texts, numbers of money, bins."""
    table = pd.DataFrame(
        {
            "a": [1.0, 2.0, None],
            "b": [2, 0, 4],
            "day": ["2024-01-01", "2024-02-03", None],
            "born": ["2000-01-01", "2000-01-01", "2000-01-01"],
            "t": ["x yz", "", None],
            "price": ["$1,200.50", "7 €", None],
        }
    )
    bins = {
        "size": {"column": "b", "edges": [0, 2, 4]},
        "named": {"column": "b", "edges": [0, 3], "labels": ["s"]},
    }
    result = cleaned(
        table,
        dates={"day": None, "born": None},
        derive={
            "late": "a > 1",
            "ratio": "a / b",
            "twice": "ratio * 2",
            "weekday": "day.dt.weekday",
            "age": "(day - born).dt.days // 365",
            "letters": "t.str.len()",
            "amount": "number(price)",
            "one": "1",
        },
        bins=bins,
    )
    assert result["late"].tolist() == [False, True, False]
    assert result["ratio"].dropna().tolist() == [0.5]
    assert result["twice"].dropna().tolist() == [1.0]
    assert result["weekday"].dropna().tolist() == [0, 5]
    assert result["age"].dropna().tolist() == [24, 24]
    assert result["letters"].dropna().tolist() == [4, 0]
    assert result["amount"].dropna().tolist() == [1200.5, 7]
    assert result["one"].tolist() == [1, 1, 1]
    assert result["size"].tolist()[:2] == ["2 to 4", "0 to 2"]
    assert result["size"].isna().tolist() == [False, False, True]
    assert result["named"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("recipe", "keep", "message"),
    [
        ({"drop": ["nope"]}, "", "drop: column 'nope' not in the table"),
        ({"cast": {"t": "float"}}, "", r"as float: 'x' in row 1; .* csv: {na_values: \['x'\]}"),
        ({"cast": {"t": "bool"}}, "", "cannot be read as bool: 'x' in row 1; these are read: true, yes, 1"),
        ({"cast": {"h": "int"}}, "", "column 'h' cannot be read as int: '1.5' in row 2; cast it to float"),
        ({"cast": {"big": "int"}}, "", r"column 'big' cannot be read as int: (?!'1)"),
        ({"dates": {"t": None}}, "", r"as date \(ISO 8601\): 'x' in row 1; name its form, such as %d"),
        ({"fill_missing": {"n": "x"}}, "", "fill_missing: column 'n' .* cannot hold 'x'"),
        ({}, "nope > 1", "filter 'nope > 1': name 'nope' is not defined: there is no such column"),
        ({}, "n > 100", "no row is left of 2"),
        (
            {"derive": {"x": "nn * 2"}},
            "",
            r"derive: x: name 'nn' is not defined.*did you mean 'n'\? \(it has t, n, h, big\)",
        ),
        ({"derive": {"x": "n +"}}, "", "derive: x: this is no expression"),
        ({"derive": {"x": "t * n * 'a'"}}, "", "derive: x: "),
        ({"bins": {"x": {"column": "t", "edges": [0, 1]}}}, "", "column 't' is not numeric: 'x' in row 1"),
    ],
)
def test_misfit_is_named(recipe: dict[str, Any], keep: str, message: str) -> None:
    """A recipe that does not fit the table is an error that names rule and column."""
    table = pd.DataFrame({"t": ["x", "y"], "n": [1.0, None], "h": [None, 1.5], "big": [1.0, 1e30]})
    with pytest.raises(ComponentError, match=message):
        cleaned(table, keep=keep, **recipe)


def test_units_stay_with_the_table(tmp_path: Path) -> None:
    """The units of a recipe are in the Parquet file, and still there after a split."""
    table = pd.DataFrame({"a": range(10), "b": ["x", "y"] * 5})
    result = cleaned(table, rename={"a": "n"}, units={"n": "EUR"}, keep="n >= 0")
    write_table(result, tmp_path / "clean.parquet")
    part = split(read_table(tmp_path / "clean.parquet"), "random", "", 0.3, 1).test.drop(columns=["b"])
    write_table(part.reset_index(drop=True), tmp_path / "test.parquet")
    again = read_table(tmp_path / "test.parquet")
    assert [with_unit(name, again) for name in ("n", "b")] == ["n (EUR)", "b"]
    assert not cleaned(table).attrs
    with pytest.raises(ComponentError, match=r"units: column 'B' not in the table; did you mean 'b'"):
        cleaned(table, units={"B": "EUR"})
