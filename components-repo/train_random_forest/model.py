"""The model: what its configuration may say, and the scikit-learn pipeline that comes of it."""

from __future__ import annotations

import difflib
import operator
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from componentkit.arguments import ComponentError

# The only types beyond scikit-learn's own that `pipeline_for` puts into a model.
TRUSTED_TYPES = ["numpy.dtype", "numpy.ravel", "operator.methodcaller", "sklearn.tree._tree.Tree"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Features(_Strict):
    """Columns of the table by kind; everything else in the table is ignored."""

    numeric: list[str] = []
    categorical: list[str] = []
    text: list[str] = []

    def names(self) -> list[str]:
        return [*self.numeric, *self.categorical, *self.text]


class TextOptions(_Strict):
    max_features: int = Field(default=200, ge=1)
    ngram_max: int = Field(default=1, ge=1, le=5)
    min_documents: int = Field(default=2, ge=1)


class Permutation(_Strict):
    """Effort of the permutation importances; no repeats switches them off."""

    repeats: int = Field(default=2, ge=0)
    rows: int = Field(default=500, ge=1)


class ModelConfig(_Strict):
    features: Features
    impute: Literal["median", "mean", "most_frequent"] = "median"
    encode: Literal["onehot", "ordinal"] = "onehot"
    text: TextOptions = TextOptions()
    forest: dict[str, Any] = {}
    permutation: Permutation = Permutation()


def feature_table(table: pd.DataFrame, features: Features) -> pd.DataFrame:
    """Returns the features in one fixed type per kind: float64, or text with missing values kept.

    Raises ComponentError for a numeric column that holds something else.
    """
    columns: dict[str, pd.Series] = {}
    for name in features.numeric:
        try:
            columns[name] = table[name].astype("float64")
        except (TypeError, ValueError) as error:
            raise ComponentError(f"column {name!r} is not numeric: {error}") from error
    for name in [*features.categorical, *features.text]:
        columns[name] = table[name].astype("str")
    return pd.DataFrame(columns)


def pipeline_for(config: ModelConfig, *, seed: int, jobs: int) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `forest`."""
    known = RandomForestClassifier().get_params()
    for name in config.forest:
        if name not in known or name in ("random_state", "n_jobs"):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ComponentError(f"model: forest.{name}: no such option of a random forest{hint}")
    numeric = make_pipeline(SimpleImputer(strategy=config.impute, keep_empty_features=True), StandardScaler())
    # None and NaN both mean "missing", but scikit-learn's text steps know neither: a request with
    # an empty field would fail. `fillna` by methodcaller is the one form that skops can store.
    known_text = FunctionTransformer(operator.methodcaller("fillna", ""))
    encoder = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        if config.encode == "onehot"
        else OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    )
    parts: list[tuple[str, Any, list[str]]] = []
    if config.features.numeric:
        parts.append(("numeric", numeric, config.features.numeric))
    if config.features.categorical:
        categorical = make_pipeline(known_text, encoder)
        parts.append(("categorical", categorical, config.features.categorical))
    for name in config.features.text:
        words = TfidfVectorizer(
            max_features=config.text.max_features,
            ngram_range=(1, config.text.ngram_max),
            min_df=config.text.min_documents,
        )
        text = make_pipeline(known_text, FunctionTransformer(np.ravel), words)
        parts.append((f"text_{name}", text, [name]))
    forest = RandomForestClassifier(**config.forest, random_state=seed, n_jobs=jobs)
    return Pipeline([("features", ColumnTransformer(parts)), ("forest", forest)])


def impurity_importances(model: Pipeline, features: Features) -> pd.Series:
    """Returns the share of impurity decrease of each feature, its encoded columns added up."""
    importances = model.named_steps["forest"].feature_importances_
    transformer = model.named_steps["features"]
    totals: dict[str, float] = {}
    for part, _, columns in transformer.transformers_:
        if part == "remainder":
            continue
        values = importances[transformer.output_indices_[part]]
        if part == "categorical":
            encoder = transformer.named_transformers_[part][-1]
            one_each = isinstance(encoder, OrdinalEncoder)
            widths = [1 if one_each else len(known) for known in encoder.categories_]
        elif part == "numeric":
            widths = [1] * len(columns)
        else:
            widths = [len(values)]
        pieces = np.split(values, np.cumsum(widths)[:-1])
        totals |= {name: float(piece.sum()) for name, piece in zip(columns, pieces, strict=True)}
    return pd.Series(totals, name="impurity").reindex(features.names())
