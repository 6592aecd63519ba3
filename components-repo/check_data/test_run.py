"""check_data: what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from check_data.check import check, page, part_by
from check_data.drift import holm
from check_data.rules import Checks, Result
from check_data.suggest import suggested
from componentkit.arguments import ComponentError


def table(rows: int = 500, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": range(rows),
            "amount": draw.normal(100, 10, rows),
            "kind": draw.choice(["a", "b", "c"], rows),
            "hole": [None, "x"] * (rows // 2),
        }
    )


def failures(data: pd.DataFrame, **checks: Any) -> list[Result]:
    reference = table(seed=1)
    return [r for r in check(data, reference, Checks.model_validate(checks)) if not r.passed]


def test_sound_data_passes() -> None:
    """Data that keeps every kind of rule passes all of them."""
    assert not failures(
        table(),
        rows={"minimum": 500, "maximum": 500},
        columns=[
            {"name": "id", "type": "int", "unique": True, "missing": 0},
            {"name": "amount", "type": "number", "minimum": 0, "maximum": 200},
            {"name": "kind", "type": "string", "categories": ["a", "b", "c"]},
            {"name": "hole", "missing": 0.5},
            {"name": "not there", "optional": True},
        ],
        unique=[["id", "kind"]],
        drift={"numeric": ["amount"], "categorical": ["kind"]},
    )


def test_every_failure_is_listed() -> None:
    """Failures of all kinds come at once, each with rule, column, count and examples."""
    data = table()
    data.loc[:2, "amount"] = [-1.0, -2.0, -3.0]
    data.loc[4, "kind"] = "zebra"
    found = failures(
        data,
        rows={"minimum": 1000, "maximum": 10},
        columns=[
            {"name": "gone"},
            {"name": "id", "type": "string"},
            {"name": "amount", "minimum": 0},
            {"name": "kind", "categories": ["a", "b", "c"], "unique": True},
            {"name": "hole", "missing": 0.1},
        ],
        unique=[["kind"]],
    )
    lines = [result.line() for result in found]
    most = data["amount"].max()
    assert lines[:6] == [
        "at least 1,000 rows: found 500",
        "at most 10 rows: found 500",
        "column 'gone': required: no such column (it has id, amount, kind, hole)",
        "column 'id': type string: is int64",
        f"column 'amount': at least 0: found -3 to {most:g}: 3 rows, such as -1.0, -2.0, -3.0",
        "column 'kind': one of the known categories: found 4 different: 1 row, such as 'zebra'",
    ]
    assert len(found) == 9
    text = page(check(data, None, Checks()) + found, data, "data.csv", "abc123")
    assert "zebra" in text
    assert "abc123" in text
    assert "500 rows, 4 columns" in text


def test_rules_hold_for_reference_rows() -> None:
    """Reference rows are trained on, too: a rule that they break is broken."""
    data = pd.DataFrame({"month": [1, 1, 2, 2], "amount": [-999, 5, 6, 7]})
    checked, reference = part_by(data, "month == 1")
    rules = Checks.model_validate({"columns": [{"name": "amount", "minimum": 0}]})
    failed = [r for r in check(checked, reference, rules, everything=data) if not r.passed]
    assert [r.line() for r in failed] == ["column 'amount': at least 0: found -999 to 7: 1 row, such as -999"]


def test_what_was_found_stands_beside_each_rule() -> None:
    """Rules that hold say what they found, too: how close a value came is seen before it goes too far."""
    columns = [
        {"name": "amount", "minimum": 0, "maximum": 1000, "missing": 0},
        {"name": "kind", "categories": ["a", "b", "c"]},
    ]
    results = check(table(), None, Checks.model_validate({"columns": columns}))
    details = {f"{r.column} {r.rule}": r.detail for r in results}
    low, high = table()["amount"].min(), table()["amount"].max()
    for rule in ("at least 0", "at most 1000", "finite numbers"):
        assert details[f"amount {rule}"] == f"found {low:g} to {high:g}"
    assert details["kind one of the known categories"] == "found 3 different"


def test_numbers_that_are_none_and_relations() -> None:
    """Infinities are found unless they are allowed; relations hold in each row that has all values."""
    data = pd.DataFrame(
        {"a": [1.0, 2.0, None, float("inf")], "b": [2.0, 1.0, 1.0, None], "k": [1.0, None, 2.0, 3.0]}
    )
    columns = [{"name": "a"}, {"name": "k", "categories": [1, "2", 3]}]
    relations = ["a <= b", "a > 0"]
    found = failures(data, columns=columns, relations=relations, unique=[["a", "bb"]])
    assert [r.line() for r in found] == [
        "column 'a': finite numbers: found 1 to inf: 1 row, such as inf",
        "unique together: a, bb: no column 'bb'; did you mean 'b'? (it has a, b, k)",
        "relation a <= b: a, b: 1 row, such as (2.0, 1.0)",
    ]
    assert not failures(data, columns=[{"name": "a", "finite": False}])
    with pytest.raises(ComponentError, match="relations: 'a <= c': name 'c' is not defined"):
        failures(data, relations=["a <= c"])


def test_suggested_rules_hold() -> None:
    """The rules that are suggested for a table are rules that it keeps."""
    data = table().assign(
        flag=[True, False] * 250,
        gaps=pd.Series([1.0, np.nan] * 250),
        mixed=pd.Series([True, None] * 250, dtype=object),
        text=[f"t {i}" for i in range(500)],
        day=pd.Timestamp(2024, 1, 1),
        nothing=None,
        code=pd.Categorical(["x", "y"] * 250),
    )
    rules = yaml.safe_load(suggested(data))
    assert not [r.line() for r in check(data, None, Checks.model_validate(rules)) if not r.passed]
    found = {column["name"]: column for column in rules["columns"]}
    assert found["kind"] == {"name": "kind", "type": "string", "missing": 0, "categories": ["a", "b", "c"]}
    assert found["id"] == {
        "name": "id",
        "type": "number",
        "missing": 0,
        "minimum": 0,
        "maximum": 499,
        "unique": True,
    }
    assert "categories" not in found["text"]


def test_drift_is_found_and_named() -> None:
    """A shifted number, another mix of categories and an emptied column are each called out."""
    data = table().assign(shifted=lambda t: t["amount"])
    reference = table(seed=1).assign(shifted=lambda t: t["amount"] + 5)
    data["kind"] = ["a"] * 400 + ["new"] * 100
    data["empty"] = reference["empty"] = None
    drift = {"numeric": ["amount", "shifted", "empty"], "categorical": ["kind", "gone"]}
    results = check(data, reference, Checks.model_validate({"drift": drift}))
    assert {r.column for r in results if not r.passed} == {"shifted", "kind", "empty", "gone"}


def test_holm_against_published_example() -> None:
    """Holm's correction gives the figures of the method's definition."""
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )


def test_false_alarms_stay_below_alpha() -> None:
    """Twenty columns without drift, fifty times: about alpha of the runs raise an alarm."""
    alarms = 0
    for seed in range(50):
        draw = np.random.default_rng(seed)
        data, reference = (pd.DataFrame(draw.normal(size=(200, 20))).rename(columns=str) for _ in range(2))
        checks = Checks.model_validate({"drift": {"numeric": [str(i) for i in range(20)]}})
        alarms += any(not r.passed for r in check(data, reference, checks))
    assert alarms <= 7  # 2.5 expected


def test_drift_needs_reference() -> None:
    """Drift without a reference is an error, not a check that passes."""
    with pytest.raises(ComponentError, match="drift needs a reference"):
        check(table(), None, Checks.model_validate({"drift": {"numeric": ["amount"]}}))


def test_user_tests(tmp_path: Path) -> None:
    """A pytest file of the user gets the tables; a failing test is a failed check, with its words."""
    tests = tmp_path / "test_mine.py"
    tests.write_text(
        "def test_good(data, reference):\n    assert len(data) == len(reference)\n"
        "def test_bad(data):\n    assert data['amount'].max() < 0, 'amounts are positive'\n"
    )
    results = check(table(), table(), Checks(), tests)
    assert [(r.rule, r.passed) for r in results] == [
        ("test test_good", True),
        ("test test_bad", False),
    ]
    assert "amounts are positive" in results[1].line()
    tests = tmp_path / "test_broken.py"
    tests.write_text("import nothing_of_that_name\n")
    with pytest.raises(ComponentError, match="nothing_of_that_name"):
        check(table(), table(), Checks(), tests)


def test_part_by() -> None:
    """An expression parts the reference from the rest; a side without rows is an error."""
    checked, reference = part_by(table(10), "id < 3")
    assert (len(checked), len(reference)) == (7, 3)
    with pytest.raises(ComponentError, match="the reference has no rows"):
        part_by(table(10), "id < 0")
    with pytest.raises(ComponentError, match="name 'nope' is not defined"):
        part_by(table(10), "nope > 0")
