"""The model: what its configuration may say, and the scikit-learn pipeline that comes of it."""

from __future__ import annotations

import difflib
import operator
import sys
from collections.abc import Collection
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
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
from componentkit.columns import NOUNS, as_numbers, as_text, kind_of, plain, text_of
from scoring import Labels
from train_random_forest.threshold import Threshold

# The only types beyond scikit-learn's own that `pipeline_for` puts into a model.
TRUSTED_TYPES = ["numpy.dtype", "numpy.ravel", "operator.methodcaller", "sklearn.tree._tree.Tree"]
NO_NUMBER = -sys.float_info.max
"""Stands for a missing number among categories, as "" does among texts."""


Weight = Annotated[float, Field(gt=0)]


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
    class_weight: Literal["none", "balanced", "balanced_subsample"] | dict[Any, Weight] = "none"
    threshold: Threshold | None = None
    permutation: Permutation = Permutation()

    @field_validator("class_weight", mode="wrap")
    @classmethod
    def _says_which(cls, value: Any, checked: ValidatorFunctionWrapHandler) -> Any:
        try:
            return checked(value)
        except ValidationError as error:
            known = "none, balanced, balanced_subsample, or a weight above 0 for each class"
            raise ValueError(f"{value!r} is not one of {known}") from error

    @model_validator(mode="after")
    def _weighs_once(self) -> ModelConfig:
        if self.class_weight != "none" and "class_weight" in self.forest:
            raise ValueError("class_weight is given twice, once in forest")
        return self


def class_weights(asked: ModelConfig, labels: Labels) -> Any:
    """Returns the weights as scikit-learn takes them. Raises ComponentError for a class that is not there."""
    if not isinstance(asked.class_weight, dict):
        return None if asked.class_weight == "none" else asked.class_weight
    known = {text_of(name): name for name in np.unique(labels).tolist()}
    given = {text_of(name): weight for name, weight in asked.class_weight.items()}
    if wrong := [name for name in given if name not in known]:
        raise ComponentError(f"model: class_weight: no class {wrong[0]!r}; there are {', '.join(known)}")
    if lacking := [name for name in known if name not in given]:
        raise ComponentError(f"model: class_weight: no weight for class {lacking[0]!r}: give each class one")
    return {known[name]: weight for name, weight in given.items()}


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


def pipeline_for(config: ModelConfig, numbers: Collection[str] = (), *, seed: int, jobs: int) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `forest`.

    `numbers` are the categorical columns that hold numbers or booleans.
    """
    options = RandomForestClassifier().get_params()
    for name in config.forest:
        if name not in options or name in ("random_state", "n_jobs"):
            near = difflib.get_close_matches(name, options, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ComponentError(f"model: forest.{name}: no such option of a random forest{hint}")
    numeric = make_pipeline(SimpleImputer(strategy=config.impute, keep_empty_features=True), StandardScaler())
    # None and NaN both mean "missing", but scikit-learn's text steps know neither: a request with
    # an empty field would fail. `fillna` by methodcaller is the one form that skops can store.
    known_text = FunctionTransformer(operator.methodcaller("fillna", ""))
    known_number = FunctionTransformer(operator.methodcaller("fillna", NO_NUMBER))
    parts: list[tuple[str, Any, list[str]]] = []
    if config.features.numeric:
        parts.append(("numeric", numeric, config.features.numeric))
    for part, known, names in (
        ("categorical", known_text, [n for n in config.features.categorical if n not in numbers]),
        ("categorical_numbers", known_number, [n for n in config.features.categorical if n in numbers]),
    ):
        if names:
            parts.append((part, make_pipeline(known, _encoder(config)), names))
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


def _encoder(config: ModelConfig) -> OneHotEncoder | OrdinalEncoder:
    if config.encode == "onehot":
        return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def impurity_importances(model: Pipeline, features: Features) -> pd.Series:
    """Returns the share of impurity decrease of each feature, its encoded columns added up."""
    importances = model.named_steps["forest"].feature_importances_
    transformer = model.named_steps["features"]
    totals: dict[str, float] = {}
    for part, _, columns in transformer.transformers_:
        if part == "remainder":
            continue
        values = importances[transformer.output_indices_[part]]
        if part.startswith("categorical"):
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
