"""From columns to numbers: the first step of every model, of scikit-learn's own parts alone."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from training.config import TextOptions
from training.features import Features, is_text

# The only types beyond scikit-learn's own that a trainer puts into a model.
TRUSTED_TYPES = ["numpy.dtype", "numpy.ravel", "operator.methodcaller", "sklearn.tree._tree.Tree"]
NO_NUMBER = -sys.float_info.max
"""Stands for a missing number among categories, as "" does among texts."""


def number_categories(features: pd.DataFrame, lists: Features) -> list[str]:
    """Returns the categorical columns that hold numbers or booleans."""
    return [name for name in lists.categorical if not is_text(features[name])]


def encoding(
    lists: Features, numbers: Any, text: TextOptions, *, numeric: Any, encoder: Any, dense: bool = False
) -> ColumnTransformer:
    """Returns the unfitted transformer of all features.

    Args: `numbers` are the categorical columns that hold numbers or booleans, `numeric` what becomes of the
    numeric ones, `encoder` of categories, each kind with its missing values filled.
    """
    # None and NaN both mean "missing", but scikit-learn's text steps know neither: a request with
    # an empty field would fail. `fillna` by methodcaller is the one form that skops can store.
    known_text = FunctionTransformer(operator.methodcaller("fillna", ""))
    known_number = FunctionTransformer(operator.methodcaller("fillna", NO_NUMBER))
    parts: list[tuple[str, Any, list[str]]] = []
    if lists.numeric:
        parts.append(("numeric", numeric, lists.numeric))
    for part, known, names in (
        ("categorical", known_text, [n for n in lists.categorical if n not in numbers]),
        ("categorical_numbers", known_number, [n for n in lists.categorical if n in numbers]),
    ):
        if names:
            parts.append((part, make_pipeline(known, clone(encoder)), names))
    for name in lists.text:
        words = TfidfVectorizer(
            max_features=text.max_features, ngram_range=(1, text.ngram_max), min_df=text.min_documents
        )
        chain = make_pipeline(known_text, FunctionTransformer(np.ravel), words)
        parts.append((f"text_{name}", chain, [name]))
    return ColumnTransformer(parts, sparse_threshold=0.0) if dense else ColumnTransformer(parts)


def by_feature(model: Pipeline, values: Any, name: str, lists: Features) -> pd.Series:
    """Returns figures of the encoded columns, added up for each feature."""
    transformer = model.named_steps["features"]
    totals = dict(_sums(transformer, np.asarray(values)))
    return pd.Series(totals, name=name).reindex(lists.names())


def _sums(transformer: ColumnTransformer, values: Any) -> Iterator[tuple[str, float]]:
    for part, _, columns in transformer.transformers_:
        if part == "remainder":
            continue
        own = values[transformer.output_indices_[part]]
        if part.startswith("categorical"):
            encoder = transformer.named_transformers_[part][-1]
            one_each = isinstance(encoder, OrdinalEncoder)
            widths = [1 if one_each else len(known) for known in encoder.categories_]
        elif part == "numeric":
            widths = [1] * len(columns)
        else:
            widths = [len(own)]
        pieces = np.split(own, np.cumsum(widths)[:-1])
        yield from ((name, float(piece.sum())) for name, piece in zip(columns, pieces, strict=True))
