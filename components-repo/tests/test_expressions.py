"""The language of filters, derived columns and relations: pandas', and nothing that could do harm."""

from __future__ import annotations

import pandas as pd
import pytest

from componentkit.arguments import ComponentError
from componentkit.expressions import evaluated, rows_for

TABLE = pd.DataFrame(
    {
        "a": [1.0, 2.0, None, 4.0],
        "b": [4, 3, 2, 1],
        "kind": ["x", "y", None, "x"],
        "flag": [True, False, True, False],
        "Loan Amount": [10, 20, 30, 40],
        "day": pd.to_datetime(pd.Series(["2024-01-01", "2024-01-02", None, "2024-02-01"])),
    }
)
SAME = [
    "a > 1",
    "a > 1 & b < 3",
    "a > 1 and b < 3 or kind == 'y'",
    "~flag",
    "not flag and a >= 2",
    "flag == True",
    "kind in ['x', 'z']",
    "kind not in ['x']",
    "kind == ['x', 'y']",
    "kind != 'x'",
    "1 < a <= 4",
    "`Loan Amount` > 15",
    "a + b * 2 > 6",
    "-a < -1",
    "a.isna() | b == 4",
    "a.notna() and kind.str.startswith('x')",
    "day > '2024-01-01'",
    "day.dt.month == 2",
    "kind.isin(['y'])",
    "a.between(1, 2)",
    "b ** 2 > 4",
    "b % 2 == 0",
    "(a > 1)\n and (b < 4)",
    "index > 1",
    "sqrt(b) > 1.5",
    "kind.str.upper() == 'X'",
    "kind.str.contains('X', case=False) and b.astype('str') == '4'",
    "kind.str.replace('x', 'q') == 'q' or b.shift(1) == 3",
    "day.dt.strftime('%m') == '02'",
]


@pytest.mark.parametrize("text", SAME)
def test_the_language_is_that_of_pandas_query(text: str) -> None:
    """A filter of the library's version 1.0 keeps the rows that it kept."""
    expected = TABLE.query(text.replace("\n", " "), engine="python")
    pd.testing.assert_frame_equal(TABLE[rows_for(text, TABLE, purpose="filter")], expected)


HARMFUL = {
    "().__class__": r"\.__class__ is not part of the language",
    "a.__class__": r"\.__class__ is not part",
    "a.values": r"\.values is not part",
    "a.to_csv('/tmp/x')": r"\.to_csv\(\) is not part of the language; there are abs",
    "a.str.__init__()": r"\.str\.__init__\(\) is not part",
    "__import__('os')": r"__import__\(\) is not part of the language; there are number",
    "open('/etc/passwd')": r"open\(\) is not part",
    "@a": "this is no expression",
    "a @ b": "binop is not part",
    "[x for x in a]": "listcomp is not part",
    "lambda: 1": "lambda is not part",
    "a[0]": "subscript is not part",
    "f'{a}'": "joinedstr is not part",
    "a if b else 1": "ifexp is not part",
    "a.abs(**b)": r"\*\* is not part",
    "9**9**9**9": r"\(34, |too large",
    "'x' * 999999999999": "could not convert",
    "kind * 999999999": "a text cannot be multiplied",
    "a is None": "`is` is not part of the language: for missing values there is .isna",
    "kind.apply(b)": r"\.apply\(\) is not part",
    "a > ": "this is no expression",
    "`a": "a backtick is not closed",
    "flagg": r"name 'flagg' is not defined.*did you mean 'flag'\? \(it has a, b, kind",
}


@pytest.mark.parametrize("text", HARMFUL)
def test_nothing_else_is_part_of_it(text: str) -> None:
    """What is no comparison, arithmetic or listed call is refused by name, and never executed."""
    with pytest.raises(ComponentError, match=rf"^filter: .*{HARMFUL[text]}"):
        evaluated(text, TABLE, purpose="filter")


def test_deep_and_long_texts_are_refused() -> None:
    """However a text is nested, and however long it is, it is one error."""
    for text in ("(" * 5000 + "a" + ")" * 5000, "a" * 20_000, "-" * 9000 + "a"):
        with pytest.raises(ComponentError, match=r"^filter: "):
            evaluated(text, TABLE, purpose="filter")


def test_a_condition_is_wanted() -> None:
    """A filter that gives numbers is told, not taken for a condition."""
    with pytest.raises(ComponentError, match="filter: this is float64, no condition: compare it"):
        rows_for("a + 1", TABLE, purpose="filter")
