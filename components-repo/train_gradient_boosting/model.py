"""The model: what its configuration may say, and the scikit-learn pipeline that comes of it."""

from __future__ import annotations

from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from training.boosted import BoostingConfig, coded_features, most_trees, not_stopped, signs_of
from training.config import check_options, class_weights
from training.encoding import TRUSTED_TYPES
from training.learner import Asked

TRUSTED = (*TRUSTED_TYPES, "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
_OURS = (
    *("random_state", "categorical_features", "monotonic_cst", "early_stopping", "validation_fraction"),
    *("verbose", "warm_start", "class_weight"),
)


class ModelConfig(BoostingConfig):
    pass


def new_pipeline(asked: Asked) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `boosting`.

    Splits by sets of categories (`categorical_features`) are left out: with them scikit-learn puts a part
    into the model that skops builds only where any function is trusted. Raises ComponentError for an option
    that is not there.
    """
    config: ModelConfig = asked.config
    is_number = asked.task.name == "regression"
    kind = HistGradientBoostingRegressor if is_number else HistGradientBoostingClassifier
    check_options("boosting", config.boosting, kind(), "gradient boosting", _OURS)
    options = {
        "max_iter": most_trees(config),
        "categorical_features": None,
        **config.boosting,
        "early_stopping": config.early_stopping,
        "random_state": asked.seed,
        "monotonic_cst": signs_of(asked),
    }
    if not is_number:
        options["class_weight"] = class_weights(config, asked.labels)
    return Pipeline([("features", coded_features(asked)), ("boosting", kind(**options))])


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
    return [not_stopped(last.max_iter, "max_iter")]


def quantile_of(config: ModelConfig) -> dict[str, float]:
    """Returns which quantile the model predicts, for its metadata; nothing where it predicts the mean."""
    if config.boosting.get("loss") != "quantile":
        return {}
    return {"quantile": float(config.boosting.get("quantile", 0.5))}
