"""check_data: how fresh a table is, and what the page shows of drift."""

from __future__ import annotations

import pandas as pd
import pytest

from check_data.check import check, page
from check_data.pictures import drift_pictures
from check_data.rules import Checks
from check_data.test_run import table
from componentkit.arguments import ComponentError


def test_newest_date_is_fresh() -> None:
    """The newest date is at most so old on the day that is given; without a day, or dates, it is told."""
    day = pd.Timestamp(2024, 5, 1)
    data = pd.DataFrame({"d": [day, None], "u": pd.Series([day, day]).dt.tz_localize("UTC"), "t": ["x", "y"]})
    rules = [{"name": name, "newest_within_days": 30} for name in data]
    checks = Checks.model_validate({"columns": rules})
    for as_of, failed in (("2024-05-31", ["t"]), ("2024-06-01", ["d", "u", "t"]), ("2023-01-01", ["t"])):
        found = [r for r in check(data, None, checks, as_of=as_of) if not r.passed]
        assert [r.column for r in found] == failed
    assert found[0].line() == "column 't': newest at most 30 days before 2023-01-01: holds text, no dates"
    old = [r.line() for r in check(data, None, checks, as_of="2024-06-10") if not r.passed]
    assert old[0].endswith("found 2024-05-01 00:00:00, 40 days before")
    for as_of, message in (("", "newest_within_days needs as_of"), ("soon", "as_of 'soon' is no date")):
        with pytest.raises(ComponentError, match=message):
            check(data, None, checks, as_of=as_of)


def test_drift_has_a_picture() -> None:
    """Where drift is measured, the page shows both sides, with the column's unit; the same each time."""
    data, reference = table(), table(seed=1).assign(kind="<b>")
    data.attrs["units"] = {"amount": "EUR"}
    checks = Checks.model_validate({"drift": {"numeric": ["amount"], "categorical": ["kind", "gone"]}})
    assert checks.drift
    results = check(data, reference, checks)
    pictures = drift_pictures(data, reference, checks.drift)
    assert list(pictures) == ["amount", "kind"]
    text = page(results, data, "data.csv", "abc", pictures)
    assert text.count("<svg") == 2
    assert ">amount (EUR)</text>" in text
    assert "<b>" not in text
    assert pictures == drift_pictures(data, reference, checks.drift)
    constant = data.assign(amount=float("inf"))
    assert "nan" not in drift_pictures(constant, constant, checks.drift)["amount"]
