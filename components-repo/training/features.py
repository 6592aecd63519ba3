"""The columns that a model learns from, by kind, in the types that it is asked with later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from componentkit.arguments import ComponentError
from componentkit.columns import NOUNS, as_numbers, as_text, kind_of, plain


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Features(Strict):
    """Columns of the table by kind; everything else in the table is ignored."""

    numeric: list[str] = []
    categorical: list[str] = []
    text: list[str] = []

    def names(self) -> list[str]:
        return [*self.numeric, *self.categorical, *self.text]


def feature_table(table: pd.DataFrame, features: Features) -> pd.DataFrame:
    """Returns the features in the types that the model is asked with.

    Numeric: float64, or bool. Categorical: what the table has, int64, float64, bool, object (booleans of
    which some are missing), or text; text: text. Missing values are kept.

    Raises ComponentError for a column that holds something else.
    """
    columns: dict[str, pd.Series] = {}
    for name in features.numeric:
        is_boolean = table[name].dtype == "bool"
        columns[name] = table[name] if is_boolean else as_numbers(table[name])
    for name in features.categorical:
        columns[name] = _categories(table[name])
    for name in features.text:
        columns[name] = as_text(table[name])
    return pd.DataFrame(columns)


def _categories(column: pd.Series) -> pd.Series:
    """Returns a categorical column in the type of the table; numbers stay numbers, and so does their text."""
    kind = kind_of(column)
    if kind == "text":
        return as_text(column)
    if kind in ("date", "other"):
        raise ComponentError(
            f"column {column.name!r} holds {NOUNS[kind]}, which are no categories; make parts of them in the"
            f" recipe of preprocess, such as derive: {{weekday: {column.name}.dt.weekday}}"
        )
    column = plain(column)
    if column.hasnans:
        return (
            column.astype("object").where(column.notna(), None) if kind == "boolean" else as_numbers(column)
        )
    if kind == "whole" and column.max() > np.iinfo(np.int64).max:
        return as_numbers(column)
    own: Any = {"whole": "int64", "number": "float64", "boolean": "bool"}[kind]
    return column.astype(own)


def is_text(column: pd.Series) -> bool:
    """Tells whether a column of a feature table is text."""
    return isinstance(column.dtype, pd.StringDtype)


def learnable(features: pd.DataFrame) -> pd.DataFrame:
    """Returns a feature table with all numbers and booleans as float64: 4 and 4.0 are one category."""
    numbers = {str(name): as_numbers(values) for name, values in features.items() if not is_text(values)}
    return features.assign(**numbers)
