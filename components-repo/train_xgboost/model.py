"""The model: what its configuration may say, and the pipeline with XGBoost that comes of it."""

from __future__ import annotations

from typing import Any

import xgboost
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Bunch
from sklearn.utils.class_weight import compute_sample_weight

from componentkit.arguments import ComponentError
from scoring import Labels
from training.boosted import BoostingConfig, coded_features, most_trees, not_stopped, signs_of
from training.config import check_options, class_weights
from training.encoding import TRUSTED_TYPES
from training.learner import Asked

TRUSTED = (
    *TRUSTED_TYPES,
    *("sklearn.utils._bunch.Bunch", "xgboost.core.Booster"),
    *("xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor"),
)
# One import name, two distributions: see requirements.in.
PACKAGES = (
    f"xgboost-cpu=={xgboost.__version__}; sys_platform != 'darwin'",
    f"xgboost=={xgboost.__version__}; sys_platform == 'darwin'",
)
_PATIENCE = 10
"""As many rounds as in scikit-learn's gradient boosting."""
_OURS = (
    *(
        "random_state",
        "n_jobs",
        "verbosity",
        "early_stopping_rounds",
        "monotone_constraints",
        "importance_type",
    ),
    *("booster", "callbacks", "device", "enable_categorical", "feature_types", "missing"),
)
_BY_OBJECTIVE = ("huber_slope", "quantile_alpha", "tweedie_variance_power")
"""Options that XGBoost takes without naming them."""
_NAME = "xgboost"


class ModelConfig(BoostingConfig):
    pass


def new_pipeline(asked: Asked) -> Pipeline:
    """Returns the unfitted pipeline: `features` (ColumnTransformer), then `boosting`.

    XGBoost has no place for the names of classes. scikit-learn's vote has: of one alone, it answers with that
    one's probabilities, bit by bit. Raises ComponentError for an option that is not there.
    """
    config: ModelConfig = asked.config
    is_number = asked.task.name == "regression"
    kind = xgboost.XGBRegressor if is_number else xgboost.XGBClassifier
    check_options("boosting", config.boosting, kind(**dict.fromkeys(_BY_OBJECTIVE)), "XGBoost", _OURS)
    if not isinstance(config.boosting.get("quantile_alpha", 0.5), float):
        raise ComponentError("model: boosting.quantile_alpha: give one number between 0 and 1")
    options: dict[str, Any] = {
        "n_estimators": most_trees(config),
        **config.boosting,
        "random_state": asked.seed,
        "verbosity": 0,
        "n_jobs": asked.jobs,
    }
    if signs := signs_of(asked):
        options["monotone_constraints"] = tuple(signs)
    row_weights(config, asked.labels)  # a wrong class is told before any work
    trees = kind(**options)
    last = trees if is_number else VotingClassifier([(_NAME, trees)], voting="soft")
    return Pipeline([("features", coded_features(asked)), ("boosting", last)])


def row_weights(config: ModelConfig, labels: Labels) -> Labels | None:
    """Returns the weight of each row by its class: XGBoost takes none by class. Raises ComponentError."""
    weights = class_weights(config, labels)
    return None if weights is None else compute_sample_weight(weights, labels)


def stopped(
    estimator: Any, known: Any, labels: Labels, others: Any, truth: Labels, **weights: Labels
) -> None:
    """Fits an estimator until its loss on held-out rows has not fallen for some rounds.

    A vote does not hand held-out rows on, so its trees are fitted first, and it is left as fitting leaves it.
    """
    if not isinstance(estimator, VotingClassifier):
        estimator.set_params(early_stopping_rounds=_PATIENCE)
        estimator.fit(known, labels, eval_set=[(others, truth)], verbose=False, **weights)
        return
    codes = LabelEncoder().fit(labels)
    trees = clone(estimator.estimators[0][1])
    stopped(trees, known, codes.transform(labels), others, codes.transform(truth), **weights)
    estimator.le_, estimator.classes_ = codes, codes.classes_
    estimator.estimators_, estimator.named_estimators_ = [trees], Bunch(**{_NAME: trees})


def trees_in(model: Pipeline) -> Any:
    """Returns XGBoost's own estimator in a fitted pipeline."""
    last = model.named_steps["boosting"]
    return last.estimators_[0] if isinstance(last, VotingClassifier) else last


def trees_of(model: Pipeline) -> int:
    """Returns how many rounds of boosting a fitted model answers with."""
    trees = trees_in(model)
    best = getattr(trees, "best_iteration", None)
    return int(trees.get_booster().num_boosted_rounds() if best is None else best + 1)


def settled(model: Pipeline) -> Pipeline:
    """Returns the unfitted pipeline that makes as many trees as a fitted one answers with."""
    new = clone(model)
    last = new.named_steps["boosting"]
    trees = last.estimators[0][1] if isinstance(last, VotingClassifier) else last
    trees.set_params(n_estimators=trees_of(model), early_stopping_rounds=None)
    return new


def doubts(model: Pipeline) -> list[str]:
    """Returns what the user should know: that learning had not stopped by itself."""
    trees = trees_in(model)
    if not trees.early_stopping_rounds or trees.get_booster().num_boosted_rounds() < trees.n_estimators:
        return []
    return [not_stopped(trees.n_estimators, "n_estimators")]


def quantile_of(config: ModelConfig) -> dict[str, float]:
    """Returns which quantile the model predicts, for its metadata; nothing where it predicts the mean."""
    if config.boosting.get("objective") != "reg:quantileerror":
        return {}
    return {"quantile": float(config.boosting["quantile_alpha"])}
