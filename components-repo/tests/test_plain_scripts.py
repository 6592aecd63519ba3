"""The trainers are as good as scripts of a few lines: the same metrics on the same split."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from segregate.split import split
from train_gradient_boosting.train import LEARNER as BOOSTING
from train_lightgbm.train import LEARNER as LIGHTGBM
from train_linear.train import LEARNER as LINEAR
from train_random_forest.train import LEARNER as FOREST
from train_xgboost.train import LEARNER as XGBOOST
from training.learner import Asked, Learner, fitted
from training.tasks import task_of
from training.trainer import prepare

TABLES = {"breast_cancer": load_breast_cancer, "wine": load_wine, "diabetes": load_diabetes}
SEED = 42
ROUNDS: dict[str, Any] = {"max_iter": 20, "early_stopping": False, "random_state": SEED}
TREES: dict[str, Any] = {"n_estimators": 20, "random_state": SEED, "n_jobs": 1}
FIXED: dict[str, Any] = {"early_stopping": False, "boosting": {"n_estimators": 20}}
TRAINERS: dict[str, tuple[Learner, dict[str, Any], Any, Any]] = {
    "forest": (
        FOREST,
        {"forest": {"n_estimators": 20}},
        make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=SEED)),
        make_pipeline(StandardScaler(), RandomForestRegressor(20, random_state=SEED)),
    ),
    "boosting": (
        BOOSTING,
        {"early_stopping": False, "boosting": {"max_iter": 20}},
        HistGradientBoostingClassifier(**ROUNDS),
        HistGradientBoostingRegressor(**ROUNDS),
    ),
    "lightgbm": (LIGHTGBM, FIXED, LGBMClassifier(**TREES, verbose=-1), LGBMRegressor(**TREES, verbose=-1)),
    "xgboost": (XGBOOST, FIXED, XGBClassifier(**TREES), XGBRegressor(**TREES)),
    "linear": (
        LINEAR,
        {},
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        make_pipeline(StandardScaler(), Ridge()),
    ),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_trainer_is_as_good_as_a_script(name: str, trainer: str) -> None:
    """By the same options on the same rows, a trainer's model has the metric that a plain script's has."""
    table: pd.DataFrame = TABLES[name](as_frame=True).frame
    is_number = name == "diabetes"
    learner, options, *scripts = TRAINERS[trainer]
    task, script = task_of("regression" if is_number else "classification"), scripts[is_number]
    parts = split(table, "stratified", "target", 0.3, SEED, bins=10 if is_number else 0)
    features = [column for column in table if column != "target"]
    config = learner.config.model_validate({"features": {"numeric": features}, **options})
    asked = Asked(config, task, *prepare(parts.train, "target", config.features, task), SEED)
    model = fitted(learner.pipeline(asked), asked.features, asked.labels)
    found, _ = task.scores(model, *prepare(parts.test, "target", config.features, task))
    script.fit(parts.train[features], parts.train["target"])
    said = script.predict(parts.test[features])
    measure = root_mean_squared_error if is_number else accuracy_score
    wanted = measure(parts.test["target"], said)
    assert found["rmse" if is_number else "accuracy"] == pytest.approx(wanted, rel=1e-9)
