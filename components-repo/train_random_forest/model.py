"""The model: what its configuration may say, and the scikit-learn pipeline that comes of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Literal

import pandas as pd
from pydantic import model_validator
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from training.config import TrainerConfig, Weight, check_options, class_weights
from training.encoding import TRUSTED_TYPES, by_feature, encoding, number_categories
from training.features import Features, feature_table
from training.learner import Asked

__all__ = [
    "TRUSTED_TYPES",
    "ModelConfig",
    "feature_table",
    "impurity_importances",
    "new_pipeline",
    "pipeline_for",
]


class ModelConfig(TrainerConfig):
    known_weights: ClassVar[tuple[str, ...]] = ("none", "balanced", "balanced_subsample")

    impute: Literal["median", "mean", "most_frequent"] = "median"
    encode: Literal["onehot", "ordinal"] = "onehot"
    forest: dict[str, Any] = {}
    class_weight: Literal["none", "balanced", "balanced_subsample"] | dict[Any, Weight] = "none"  # type: ignore[assignment]

    @model_validator(mode="after")
    def _weighs_once(self) -> ModelConfig:
        if self.class_weight != "none" and "class_weight" in self.forest:
            raise ValueError("class_weight is given twice, once in forest")
        return self

    @property
    def is_onehot(self) -> bool:
        return self.encode == "onehot"


def pipeline_for(
    config: ModelConfig,
    numbers: Collection[str] = (),
    *,
    seed: int,
    jobs: int,
    kind: type[RandomForestClassifier | RandomForestRegressor] = RandomForestClassifier,
) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `forest`.

    `numbers` are the categorical columns that hold numbers or booleans.
    """
    check_options("forest", config.forest, kind(), "a random forest", ("random_state", "n_jobs"))
    numeric = make_pipeline(SimpleImputer(strategy=config.impute, keep_empty_features=True), StandardScaler())
    features = encoding(config.features, numbers, config.text, numeric=numeric, encoder=_encoder(config))
    forest = kind(**config.forest, random_state=seed, n_jobs=jobs)
    return Pipeline([("features", features), ("forest", forest)])


def _encoder(config: ModelConfig) -> OneHotEncoder | OrdinalEncoder:
    if config.is_onehot:
        return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)


def new_pipeline(asked: Asked) -> Pipeline:
    """Returns the unfitted pipeline for a task and a feature table."""
    config: ModelConfig = asked.config
    numbers = number_categories(asked.features, config.features)
    is_number = asked.task.name == "regression"
    kind = RandomForestRegressor if is_number else RandomForestClassifier
    pipeline = pipeline_for(config, numbers, seed=asked.seed, jobs=asked.jobs, kind=kind)
    if not is_number and (weights := class_weights(config, asked.labels)) is not None:
        pipeline.named_steps["forest"].set_params(class_weight=weights)
    return pipeline


def impurity_importances(model: Pipeline, features: Features) -> pd.Series:
    """Returns the share of impurity decrease of each feature, its encoded columns added up."""
    return by_feature(model, model.named_steps["forest"].feature_importances_, "impurity", features)
