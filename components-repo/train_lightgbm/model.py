"""The model: what its configuration may say, and the pipeline with LightGBM that comes of it."""

from __future__ import annotations

import warnings
from typing import Any

import lightgbm
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from scoring import Labels
from training.boosted import BoostingConfig, coded_features, most_trees, not_stopped, signs_of
from training.config import check_options, class_weights
from training.encoding import TRUSTED_TYPES
from training.learner import Asked

TRUSTED = (
    *TRUSTED_TYPES,
    *("collections.OrderedDict", "collections.defaultdict", "lightgbm.basic.Booster"),
    *("lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMRegressor"),
)
_PATIENCE = 10
"""As many rounds as in scikit-learn's gradient boosting."""
_OURS = ("random_state", "verbose", "n_jobs", "class_weight", "importance_type")


class ModelConfig(BoostingConfig):
    pass


def new_pipeline(asked: Asked) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `boosting`. Raises ComponentError
    for an option that is not there.
    """
    config: ModelConfig = asked.config
    is_number = asked.task.name == "regression"
    kind = lightgbm.LGBMRegressor if is_number else lightgbm.LGBMClassifier
    check_options("boosting", config.boosting, kind(), "LightGBM", _OURS)
    same_on_any_cores = {"deterministic": True, "force_row_wise": True}
    options: dict[str, Any] = {
        "n_estimators": most_trees(config),
        **config.boosting,
        **same_on_any_cores,
        "random_state": asked.seed,
        "verbose": -1,
        "n_jobs": asked.jobs,
    }
    if signs := signs_of(asked):
        options["monotone_constraints"] = signs
    if not is_number:
        options["class_weight"] = class_weights(config, asked.labels)
    return Pipeline([("features", coded_features(asked)), ("boosting", kind(**options))])


def stopped(estimator: Any, known: Any, labels: Labels, others: Any, truth: Labels) -> None:
    """Fits an estimator until its loss on held-out rows has not fallen for some rounds."""
    ending = lightgbm.early_stopping(_PATIENCE, verbose=False)
    with warnings.catch_warnings():
        # Of eval_X and eval_y, which it asks for, LightGBM 4.7 does not encode the classes.
        warnings.filterwarnings("ignore", message="The argument 'eval_set' is deprecated")
        estimator.fit(known, labels, eval_set=[(others, truth)], callbacks=[ending])


def trees_of(model: Pipeline) -> int:
    """Returns how many rounds of boosting a fitted model answers with."""
    last = model.named_steps["boosting"]
    return int(last.best_iteration_ or last.n_estimators_)


def settled(model: Pipeline) -> Pipeline:
    """Returns the unfitted pipeline that makes as many trees as a fitted one answers with."""
    new = clone(model)
    new.named_steps["boosting"].set_params(n_estimators=trees_of(model))
    return new


def doubts(model: Pipeline) -> list[str]:
    """Returns what the user should know: that learning had not stopped by itself."""
    last = model.named_steps["boosting"]
    if not last.best_iteration_ or last.best_iteration_ < last.n_estimators:
        return []
    return [not_stopped(last.n_estimators, "n_estimators")]


def quantile_of(config: ModelConfig) -> dict[str, float]:
    """Returns which quantile the model predicts, for its metadata; nothing where it predicts the mean."""
    if config.boosting.get("objective") != "quantile":
        return {}
    return {"quantile": float(config.boosting.get("alpha", 0.5))}
