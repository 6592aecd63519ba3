"""LightGBM, XGBoost and CatBoost, alone and in pipelines, where installed: MLflow's own answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests import models
from waypost.contracts.mlmodel import Column
from waypost.inference.compiled import Compiled
from waypost.inference.compiling import compiled_form
from waypost.inference.layout import Layout
from waypost.inference.learned import SINGLE_TOLERANCE, NotCompilableError
from waypost.inference.model_cache import ready
from waypost.inference.table import Table, from_columns

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
            np.testing.assert_array_equal(answer.labels, model.predict(pd.DataFrame(row)))


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


def test_numbers_that_lightgbm_takes_as_zero() -> None:
    """Below 1e-35 a number is 0 to LightGBM, whose trees split just there where others are missing."""
    package = pytest.importorskip("lightgbm")
    signs = np.repeat([-1.0, 0.0, 1.0, np.nan], 50)
    table = pd.DataFrame({"amount": signs, "age": np.arange(200.0)})
    model = package.LGBMRegressor(min_child_samples=3, **OPTIONS["lightgbm"]).fit(table, np.nan_to_num(signs))
    columns = tuple(Column(name=str(name), type="double", required=False) for name in table)
    content, form = compiled_form(model, columns)
    small = float(np.float32(1e-35))
    odd = [0.0, *(sign * at for at in (5e-324, small, np.nextafter(small, 1)) for sign in (1, -1))]
    asked = pd.DataFrame({"amount": odd, "age": 7.0})
    answer = Compiled(content, form, Layout(columns)).predict(Table(asked.to_numpy(), {}))
    np.testing.assert_array_equal(answer.labels, model.predict(asked))
    assert len(set(answer.labels)) == 3


def compiled(model: Any, table: pd.DataFrame) -> Compiled:
    columns = tuple(Column(name=str(name), type="double", required=False) for name in table)
    return Compiled(*compiled_form(model, columns), Layout(columns))


def test_xgboost_with_names_of_classes() -> None:
    """A vote of one keeps the names that XGBoost has no place for; the mean of one answer is that answer, in
    its float32.
    """
    vote = VotingClassifier([("xgboost", estimator("xgboost", "three classes"))], voting="soft")
    model = vote.fit(NUMBERS, np.array(["low", "middle", "high"])[THREE])
    answer = compiled(model, NUMBERS).predict(Table(NUMBERS.to_numpy(), {}))
    assert answer.labels.tolist() == model.predict(NUMBERS).tolist()
    expected = model.predict_proba(NUMBERS)
    assert answer.probabilities.dtype == expected.dtype == np.float32
    assert np.array_equal(expected, model.estimators_[0].predict_proba(NUMBERS))
    np.testing.assert_allclose(answer.probabilities, expected, rtol=0, atol=SINGLE_TOLERANCE)


def test_xgboost_of_one_class() -> None:
    """What learned one class answers with it, and with the probability that XGBoost begins with."""
    model = estimator("xgboost", "two classes").fit(NUMBERS, np.zeros(len(NUMBERS), dtype=int))
    answer = compiled(model, NUMBERS).predict(Table(NUMBERS.to_numpy(), {}))
    assert set(answer.labels.tolist()) == {0}
    np.testing.assert_array_equal(answer.probabilities, model.predict_proba(NUMBERS))


@pytest.mark.parametrize("is_sparse", [True, False])
def test_xgboost_takes_what_a_sparse_matrix_leaves_out_as_missing(is_sparse: bool) -> None:
    """The zeros of numbers and codes are missing to XGBoost in a sparse matrix, and 0 in any other."""
    steps = ColumnTransformer(
        [("codes", OneHotEncoder(), ["k"]), ("n", "passthrough", ["n"])], sparse_threshold=float(is_sparse)
    )
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"k": draw.integers(0, 8, 400), "n": draw.integers(0, 2, 400)}, dtype=float)
    model = make_pipeline(steps, estimator("xgboost", "two classes"))
    model.fit(table, (table["k"] < 3) ^ (table["n"] > 0))
    table.loc[::9, "n"] = np.nan
    found = compiled(model, table).predict(Table(table.to_numpy(), {})).probabilities
    np.testing.assert_allclose(found, model.predict_proba(table), rtol=0, atol=SINGLE_TOLERANCE)


NOT_COMPILED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "averaged": (
        "lightgbm",
        "LGBMRegressor",
        {"boosting_type": "rf", "subsample": 0.7, "subsample_freq": 1},
        r"averages its trees \(boosting_type='rf'\)",
    ),
    "dropped": ("xgboost", "XGBRegressor", {"booster": "dart"}, "the booster dart"),
    "forest": ("xgboost", "XGBRFRegressor", {}, r"several trees a round \(num_parallel_tree\)"),
    "variances": (
        "catboost",
        "CatBoostRegressor",
        {"loss_function": "RMSEWithUncertainty"},
        "CatBoost with the loss RMSEWi",
    ),
    "leaves": (
        "catboost",
        "CatBoostRegressor",
        {"grow_policy": "Lossguide"},
        r"not symmetric \(grow_policy\)",
    ),
}


@pytest.mark.parametrize("name", NOT_COMPILED)
def test_the_part_in_the_way_is_named(name: str) -> None:
    """What has no compiled form says in one line which option stands in the way."""
    library, kind, more, message = NOT_COMPILED[name]
    model = getattr(pytest.importorskip(library), kind)(**OPTIONS[library], **more).fit(NUMBERS, VALUES)
    columns = tuple(Column(name=str(column), type="double", required=False) for column in NUMBERS)
    with pytest.raises(NotCompilableError, match=message):
        compiled_form(model, columns)


def test_a_probability_threshold_of_catboost_is_named() -> None:
    """CatBoost keeps a threshold with the model, which decides its labels."""
    model = estimator("catboost", "two classes").fit(NUMBERS, TWO)
    model.set_probability_threshold(0.2)
    columns = tuple(Column(name=str(column), type="double", required=False) for column in NUMBERS)
    with pytest.raises(NotCompilableError, match="its own probability threshold"):
        compiled_form(model, columns)
