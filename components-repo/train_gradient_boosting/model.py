"""The model: what its configuration may say, and the scikit-learn pipeline that comes of it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import model_validator
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from componentkit.arguments import ComponentError
from training.config import TrainerConfig, check_options, class_weights
from training.encoding import TRUSTED_TYPES, encoding, number_categories
from training.learner import Asked

TRUSTED = (*TRUSTED_TYPES, "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
MOST_TREES = 1000
"""With early stopping, which hardly any model needs so many for."""
_OURS = (
    *("random_state", "categorical_features", "monotonic_cst", "early_stopping", "validation_fraction"),
    *("verbose", "warm_start", "class_weight"),
)
_SIGNS = {"increasing": 1, "decreasing": -1}


class ModelConfig(TrainerConfig):
    early_stopping: bool = True
    monotonic: dict[str, Literal["increasing", "decreasing"]] = {}
    boosting: dict[str, Any] = {}

    @model_validator(mode="after")
    def _constrains_numbers(self) -> ModelConfig:
        if wrong := [name for name in self.monotonic if name not in self.features.numeric]:
            raise ValueError(f"monotonic: {wrong[0]!r} is none of the numeric features")
        if self.monotonic and self.features.text:
            raise ValueError("monotonic: it does not go with text features: leave one of them out")
        return self


def new_pipeline(asked: Asked) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `boosting`.

    Missing numbers stay missing, categories become codes. Raises ComponentError for an option that is not
    there.
    """
    config: ModelConfig = asked.config
    is_number = asked.task.name == "regression"
    kind = HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
    check_options("boosting", config.boosting, kind(), "gradient boosting", _OURS)
    if config.monotonic and not is_number and len(np.unique(asked.labels)) > 2:
        raise ComponentError(
            "model: monotonic: it is for two classes or numbers, the target has more classes"
        )
    options = _options(config, asked.seed)
    if not is_number:
        options["class_weight"] = class_weights(config, asked.labels)
    numbers = number_categories(asked.features, config.features)
    return Pipeline([("features", _features(config, numbers)), ("boosting", kind(**options))])


def _features(config: ModelConfig, numbers: list[str]) -> ColumnTransformer:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return encoding(config.features, numbers, config.text, numeric="passthrough", encoder=encoder, dense=True)


def _options(config: ModelConfig, seed: int) -> dict[str, Any]:
    """Returns the options of the estimator; the encoded columns are numeric, categorical, text, in order.

    Splits by sets of categories (`categorical_features`) are left out: with them scikit-learn puts a part
    into the model that skops builds only where any function is trusted.
    """
    lists = config.features
    signs = [_SIGNS.get(config.monotonic.get(name, ""), 0) for name in lists.numeric]
    return {
        "max_iter": MOST_TREES if config.early_stopping else 100,
        "categorical_features": None,
        **config.boosting,
        "early_stopping": config.early_stopping,
        "random_state": seed,
        "monotonic_cst": signs + [0] * len(lists.categorical) if config.monotonic else None,
    }


def trees_of(model: Pipeline) -> int:
    """Returns after how many rounds of boosting a fitted model stopped."""
    return int(model.named_steps["boosting"].n_iter_)


def settled(model: Pipeline) -> Pipeline:
    """Returns the unfitted pipeline that makes as many trees as a fitted one has, without early stopping."""
    new = clone(model)
    new.named_steps["boosting"].set_params(early_stopping=False, max_iter=trees_of(model))
    return new


def doubts(model: Pipeline) -> list[str]:
    """Returns what the user should know: that learning had not stopped by itself."""
    last = model.named_steps["boosting"]
    if not last.early_stopping or last.n_iter_ < last.max_iter:
        return []
    return [f"learning had not stopped after {last.max_iter} rounds: allow more, boosting: {{max_iter: …}}"]


def quantile_of(config: ModelConfig) -> dict[str, float]:
    """Returns which quantile the model predicts, for its metadata; nothing where it predicts the mean."""
    if config.boosting.get("loss") != "quantile":
        return {}
    return {"quantile": float(config.boosting.get("quantile", 0.5))}
