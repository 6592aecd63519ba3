"""The model: what its configuration may say, and the scikit-learn pipeline that comes of it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from training.config import TrainerConfig, check_options, class_weights
from training.encoding import by_feature, encoding, number_categories
from training.features import Features
from training.learner import Asked

_OURS = ("C", "alpha", "l1_ratio", "penalty", "solver", "random_state", "n_jobs", "class_weight", "verbose")
_ROUNDS = {"max_iter": 1000}


class ModelConfig(TrainerConfig):
    impute: Literal["median", "mean", "most_frequent"] = "median"
    penalty: Literal["ridge", "elastic_net"] = "ridge"
    strength: float = Field(default=1.0, gt=0)
    l1_ratio: float = Field(default=0.5, ge=0, le=1)
    linear: dict[str, Any] = {}

    @property
    def is_onehot(self) -> bool:
        return True


def new_pipeline(asked: Asked) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `linear`."""
    config: ModelConfig = asked.config
    is_number = asked.task.name == "regression"
    last = _number_model(config, asked.seed) if is_number else _class_model(config, asked.seed)
    check_options("linear", config.linear, last, "this linear model", _OURS)
    last.set_params(**config.linear)
    if not is_number:
        last.set_params(class_weight=class_weights(config, asked.labels))
    numeric = make_pipeline(SimpleImputer(strategy=config.impute, keep_empty_features=True), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    numbers = number_categories(asked.features, config.features)
    features = encoding(config.features, numbers, config.text, numeric=numeric, encoder=encoder)
    return Pipeline([("features", features), ("linear", last)])


def _class_model(config: ModelConfig, seed: int) -> LogisticRegression:
    """Returns logistic regression; a strength of 1 is scikit-learn's `C=1`."""
    is_ridge = config.penalty == "ridge"
    return LogisticRegression(
        C=1 / config.strength,
        l1_ratio=0.0 if is_ridge else config.l1_ratio,
        solver="lbfgs" if is_ridge else "saga",
        random_state=seed,
        **_ROUNDS,
    )


def _number_model(config: ModelConfig, seed: int) -> Ridge | ElasticNet:
    """Returns ridge regression, or an elastic net."""
    if config.penalty == "ridge":
        return Ridge(alpha=config.strength, random_state=seed)
    return ElasticNet(alpha=config.strength, l1_ratio=config.l1_ratio, random_state=seed, **_ROUNDS)


def coefficients(model: Pipeline, features: Features) -> pd.Series:
    """Returns the sum of the absolute coefficients of each feature's encoded columns, over the classes."""
    sizes = np.abs(np.atleast_2d(model.named_steps["linear"].coef_)).sum(axis=0)
    return by_feature(model, sizes, "coefficient", features)


def doubts(model: Pipeline) -> list[str]:
    """Returns what the user should know: that the solver has not come to its end."""
    last = model.named_steps["linear"]
    found = getattr(last, "n_iter_", None)  # none where the solver is exact
    rounds = 0 if found is None else int(np.max(found))
    if not last.max_iter or rounds < last.max_iter:
        return []
    rounds_said = f"the solver had not converged after {last.max_iter} rounds"
    return [f"{rounds_said}: allow more, linear: {{max_iter: …}}"]
