"""The features of a table as the model asks for them, and how much of them it has never seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from componentkit.arguments import ComponentError
from componentkit.columns import NOUNS, Kind, as_numbers, as_text, kind_of
from componentkit.tables import require_columns

_EXPECTED: dict[str, tuple[Kind, ...]] = {
    "string": ("text",),
    "boolean": ("boolean",),
    "long": ("whole", "number"),
    "integer": ("whole", "number"),
    "double": ("number", "whole", "boolean"),
    "float": ("number", "whole", "boolean"),
}
_WORDS = {"true": True, "false": False, "1": True, "0": False}


def aligned(table: pd.DataFrame, schema: Any, tell: Callable[[str], None] = print) -> pd.DataFrame:
    """Returns the columns of an MLflow schema, in its types; `tell` hears of columns of another type.

    4, 4.0 and "4" are one value. Raises ComponentError where a column cannot be read so.
    """
    require_columns(table, schema.input_names(), purpose="the model's features")
    columns = {}
    for name, kind in zip(schema.input_names(), schema.input_types(), strict=True):
        column, wanted = table[name], kind.name
        try:
            columns[name] = _in_type(column, wanted)
        except ComponentError as error:
            raise ComponentError(f"the model's features: {error}; it learned from {_noun(wanted)}") from error
        found = kind_of(column)
        if found not in _EXPECTED.get(wanted, (found,)) and column.notna().any():
            learned = _noun(wanted)
            tell(f"column {name!r} holds {NOUNS[found]}, the model learned from {learned}: compared as such")
    return pd.DataFrame(columns)


def _noun(wanted: str) -> str:
    return f"{NOUNS[_EXPECTED[wanted][0]] if wanted in _EXPECTED else wanted} ({wanted})"


def _in_type(column: pd.Series, wanted: str) -> pd.Series:
    if wanted in ("double", "float"):
        return as_numbers(column)
    if wanted in ("long", "integer"):
        numbers = as_numbers(column)
        is_whole = bool((numbers == np.floor(numbers)).all()) and kind_of(column) == "whole"
        return column.astype("int64") if is_whole else numbers
    if wanted == "boolean":
        return _booleans(column)
    return as_text(column)


def _booleans(column: pd.Series) -> pd.Series:
    """Returns booleans, as objects where some are missing."""
    found = as_text(column).str.lower().map(_WORDS)
    if (wrong := found.isna() & column.notna()).any():
        raise ComponentError(f"column {column.name!r} is not boolean: {column[wrong].iloc[0]!r}")
    return found.astype("object").where(column.notna(), None) if column.hasnans else found.astype("bool")


def unknown_shares(model: Any, features: pd.DataFrame) -> dict[str, float]:
    """Returns per categorical column the share of rows with a value that the model has not learned from.

    Known are those of scikit-learn's encoders in a ColumnTransformer; a missing value counts as one.
    """
    shares: dict[str, float] = {}
    if isinstance(model, (FixedThresholdClassifier, TunedThresholdClassifierCV)):
        model = getattr(model, "estimator_", model.estimator)
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    for transformer in (step for step in steps if isinstance(step, ColumnTransformer)):
        for _, part, columns in transformer.transformers_:
            chain = [step for _, step in part.steps] if isinstance(part, Pipeline) else [part]
            if not isinstance(chain[-1], (OneHotEncoder, OrdinalEncoder)):
                continue
            values: Any = features[columns]
            for step in chain[:-1]:
                values = step.transform(values)
            for at, known in enumerate(chain[-1].categories_):
                shares[str(columns[at])] = _share_unknown(pd.DataFrame(values).iloc[:, at], known)
    return shares


def _share_unknown(values: pd.Series, known: Any) -> float:
    if known.dtype.kind in "iufb":
        values = as_numbers(values)
    return float((~values.isin(known.tolist())).mean())


def check_unknown(shares: dict[str, float], most: float, tell: Callable[[str], None] = print) -> None:
    """Tells of categories that the model has never seen. Raises ComponentError for more than `most`."""
    found = [f"column {name!r}: {share:.1%} of the rows" for name, share in shares.items() if share > 0]
    if not found:
        return
    said = f"categories that the model has never seen: {'; '.join(found)}"
    if max(shares.values()) > most:
        raise ComponentError(
            f"{said}; {most:.0%} are allowed: is the column of another kind in this table?"
            " Allow more by max_unknown"
        )
    tell(said)
