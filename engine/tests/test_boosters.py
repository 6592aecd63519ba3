"""LightGBM, XGBoost and CatBoost, alone and in pipelines, where installed: MLflow's own answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from tests import models
from waypost.inference.compiled import Compiled
from waypost.inference.model_cache import ready
from waypost.inference.table import from_columns

TABLE = models.frame()
NUMBERS = TABLE[["amount", "age"]]
TWO = (TABLE["amount"] > 100).astype(int).to_numpy()
THREE = np.digitize(TABLE["amount"], [80, 120])
VALUES = TABLE["amount"].to_numpy() + TABLE["age"].fillna(50).to_numpy()
OPTIONS: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_estimators": 20, "verbose": -1, "n_jobs": 1},
    "xgboost": {"n_estimators": 20, "n_jobs": 1},
    "catboost": {"iterations": 20, "verbose": 0, "thread_count": 1, "allow_writing_files": False},
}
PREFIX = {"lightgbm": "LGBM", "xgboost": "XGB", "catboost": "CatBoost"}
TARGETS: dict[str, tuple[str, Any]] = {
    "numbers": ("Regressor", VALUES),
    "two classes": ("Classifier", TWO),
    "three classes": ("Classifier", THREE),
}


def estimator(library: str, target: str) -> Any:
    package = pytest.importorskip(library)
    return getattr(package, f"{PREFIX[library]}{TARGETS[target][0]}")(**OPTIONS[library])


def saved_alone(library: str, model: Any, folder: Path) -> None:
    import importlib

    from mlflow.models import infer_signature

    flavour: Any = importlib.import_module(f"mlflow.{library}")
    answer = pd.Series(np.ravel(model.predict(NUMBERS.head(20))))
    flavour.save_model(model, str(folder), signature=infer_signature(NUMBERS, answer), pip_requirements=[])


def saved_in_a_pipeline(library: str, model: Any, folder: Path) -> None:
    pipeline = make_pipeline(SimpleImputer().fit(NUMBERS), model)
    models.save(pipeline, NUMBERS, folder, format="cloudpickle")


@pytest.mark.parametrize("save", [saved_alone, saved_in_a_pipeline])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("library", OPTIONS)
def test_a_booster_answers_as_the_original(
    library: str,
    target: str,
    save: Callable[[str, Any, Path], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proof against MLflow's answer holds; sums are the library's bits, the rest within its tolerance.
    CatBoost's answers of several classes are lists.
    """
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    rows = NUMBERS if save is saved_alone else SimpleImputer().fit(NUMBERS).transform(NUMBERS)
    if (library, target, save) == ("catboost", "three classes", saved_in_a_pipeline):
        pytest.skip("its answers fit no signature")
    model = estimator(library, target).fit(rows, TARGETS[target][1])
    save(library, model, tmp_path / "model")
    found = ready(tmp_path / "model", is_trusted=True)
    assert found.proof.is_equal, found.proof.reason
    assert isinstance(found.answers, Compiled)
    assert (found.answers.classes is None) == (save is saved_alone or target == "numbers")
    one = from_columns({"amount": [101.5], "age": [None]}, found.answers.layout)
    is_list = library == "catboost" and target == "three classes"
    assert found.answers.predict(one).labels.shape == ((1, 1) if is_list else (1,))
    if save is saved_alone:
        for value in (1e300, -1e300, 3.4e38):
            row = {"amount": [value], "age": [20.0]}
            answer = found.answers.predict(from_columns(row, found.answers.layout))
            np.testing.assert_array_equal(answer.labels, np.ravel(model.predict(pd.DataFrame(row))))


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_booster_without_classes_answers_with_a_probability(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A booster that was logged as such answers with the probability of the second class."""
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    model = estimator(library, "two classes").fit(NUMBERS, TWO)
    booster = model.booster_ if library == "lightgbm" else model.get_booster()
    import mlflow

    flavour: Any = getattr(mlflow, library)
    from mlflow.models import infer_signature

    signature = infer_signature(NUMBERS, pd.Series([0.5]))
    flavour.save_model(booster, str(tmp_path / "model"), signature=signature, pip_requirements=[])
    found = ready(tmp_path / "model", is_trusted=True)
    assert found.proof.is_equal, found.proof.reason
