"""What kind of values a column holds, so that a category is one value wherever it comes from.

A table says 4 where another one says 4.0, because of one empty cell, or "4", because of one letter further
down. Numbers are compared as numbers, and become text in one way.
"""

from __future__ import annotations

import keyword
import re
from decimal import Decimal
from typing import Any, Literal

import pandas as pd

from componentkit.arguments import ComponentError

Kind = Literal["whole", "number", "boolean", "text", "date", "other"]
NOUNS: dict[Kind, str] = {
    "whole": "whole numbers",
    "number": "numbers",
    "boolean": "booleans",
    "text": "text",
    "date": "dates",
    "other": "no simple values",
}
_INFERRED: dict[str, Kind] = {
    "boolean": "boolean",
    "integer": "whole",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "string": "text",
    "empty": "text",
    "date": "date",
    "datetime": "date",
    "datetime64": "date",
}
MONEY = r"[-+]?[\s$€£¥₹₩₽¢]*[-+]?\d[\d.,\s'’]*[\s$€£¥₹₩₽¢]*"
_SIMPLE = (str, bool, int, float, Decimal)
_EXACT = 2.0**53  # a float64 holds each whole number up to this one


def written(name: object) -> str:
    """Returns the name of a column as expressions have it: in backticks where it is no word."""
    text = str(name)
    return text if text.isidentifier() and not keyword.iskeyword(text) else f"`{text}`"


def plain(column: pd.Series) -> pd.Series:
    """Returns a column without pandas' categories: their values instead."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Series(
            column.astype("object").to_numpy(), index=column.index, name=column.name
        ).infer_objects()
    return column


def kind_of(column: pd.Series) -> Kind:
    """Returns what the values of a column are, missing ones aside; numbers among texts make it text."""
    types = pd.api.types
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = plain(column)
    if types.is_bool_dtype(column.dtype):
        return "boolean"
    if types.is_integer_dtype(column.dtype):
        return "whole"
    if types.is_float_dtype(column.dtype) or types.is_numeric_dtype(column.dtype):
        return "number"
    if types.is_datetime64_any_dtype(column.dtype) or types.is_timedelta64_dtype(column.dtype):
        return "date"
    found = _INFERRED.get(types.infer_dtype(column, skipna=True))
    if found:
        return found
    return "text" if column.dropna().map(lambda value: isinstance(value, _SIMPLE)).all() else "other"


def as_text(column: pd.Series) -> pd.Series:
    """Returns a column as text, whole numbers without a fraction; a missing value stays missing."""
    column = plain(column)
    if pd.api.types.infer_dtype(column, skipna=True) == "string":
        return column.astype("str")
    texts = column.astype("object").map(text_of, na_action="ignore")
    return texts.where(column.notna(), None).astype("str")


def text_of(value: Any) -> str:
    """Returns the one text of a value: 4 and 4.0 are "4"."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return str(int(value))
    return str(value)


def as_numbers(column: pd.Series) -> pd.Series:
    """Returns numbers, booleans, or texts that say numbers, as float64; what is missing is NaN.

    Raises ComponentError that names the first value that is no number.
    """
    column = plain(column)
    if column.dtype == "object":  # None is no number for NumPy
        column = column.where(column.notna(), float("nan"))
    try:
        numbers = pd.to_numeric(column.astype("object")) if kind_of(column) == "text" else column
        return numbers.astype("float64")
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ComponentError(f"column {column.name!r} is not numeric: {why_not_numeric(column)}") from error


def why_not_numeric(column: pd.Series) -> str:
    """Returns what stands in a column in the place of numbers, and what makes numbers of it."""
    kind = kind_of(column)
    name = written(column.name)
    if kind != "text":
        mend = f"; derive: {{weekday: {name}.dt.weekday}} in the recipe of preprocess makes numbers of them"
        return f"it holds {NOUNS[kind]}{mend if kind == 'date' else ''}"
    texts = column.astype("object").map(str, na_action="ignore")
    wrong = pd.to_numeric(texts, errors="coerce").isna() & column.notna()
    row = int(wrong.to_numpy().argmax())
    value = str(column.iloc[row])
    if not re.fullmatch(MONEY, value):
        missing = f"csv: {{na_values: [{value!r}]}} in the recipe of preprocess"
        return f"{value!r} in row {row + 1:,}; if that stands for a missing value, {missing} says so"
    decimal = ", decimal=','" if re.search(r",\d\d?$", value) else ""
    rule = f'derive: {{{column.name}: "number({name}{decimal})"}}'
    return f"{value!r} in row {row + 1:,}; {rule} in the recipe of preprocess makes numbers of it"
