"""Every kind of model that has a compiled form: MLflow's own answer, by either walk, one row or many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import ensemble, linear_model, tree
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests import models
from waypost.inference.compiled import Compiled
from waypost.inference.forest import NATIVE
from waypost.inference.layout import TableError
from waypost.inference.model_cache import ready
from waypost.inference.table import from_arrow, from_columns

TABLE = models.frame()
NUMBERS = TABLE[["amount", "age"]]
WHOLE = NUMBERS.fillna(50.0)
CLASSES, TWO = models.labels(TABLE), models.labels(TABLE, 2)
VALUES = TABLE["amount"].to_numpy() * 1.5 + 3


def scaled(model: Any) -> Any:
    return make_pipeline(SimpleImputer(), StandardScaler(), model)


KINDS: dict[str, tuple[Any, pd.DataFrame, Any]] = {
    "bare forest": (ensemble.RandomForestClassifier(5, random_state=0), NUMBERS, CLASSES),
    "bare forest, nothing missing": (ensemble.RandomForestClassifier(5, random_state=0), WHOLE, CLASSES),
    "forest of numbers": (ensemble.RandomForestRegressor(5, random_state=0), NUMBERS, VALUES),
    "extra trees": (ensemble.ExtraTreesClassifier(5, random_state=0), NUMBERS, CLASSES),
    "one tree": (tree.DecisionTreeRegressor(random_state=0), NUMBERS, VALUES),
    "boosting": (ensemble.GradientBoostingClassifier(n_estimators=5), WHOLE, CLASSES),
    "boosting, two classes": (ensemble.GradientBoostingClassifier(n_estimators=5), WHOLE, TWO),
    "boosting, exponential": (
        ensemble.GradientBoostingClassifier(n_estimators=5, loss="exponential"),
        WHOLE,
        TWO,
    ),
    "boosting of numbers": (ensemble.GradientBoostingRegressor(n_estimators=5, init="zero"), WHOLE, VALUES),
    "histograms": (ensemble.HistGradientBoostingClassifier(max_iter=5), NUMBERS, CLASSES),
    "histograms, two classes": (ensemble.HistGradientBoostingClassifier(max_iter=5), NUMBERS, TWO),
    "histograms of numbers": (ensemble.HistGradientBoostingRegressor(max_iter=5), NUMBERS, VALUES),
    "histograms, counts": (
        ensemble.HistGradientBoostingRegressor(max_iter=5, loss="poisson"),
        NUMBERS,
        np.abs(VALUES),
    ),
    "logistic": (scaled(linear_model.LogisticRegression()), NUMBERS, CLASSES),
    "logistic, two classes": (scaled(linear_model.LogisticRegression()), NUMBERS, TWO),
    "a search's best": (
        GridSearchCV(scaled(linear_model.LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2),
        NUMBERS,
        CLASSES,
    ),
    "linear": (scaled(linear_model.LinearRegression()), NUMBERS, VALUES),
    "ridge": (linear_model.Ridge(), WHOLE, VALUES),
    "text before histograms": (
        models.full_pipeline(encode="onehot", forest=ensemble.HistGradientBoostingClassifier(max_iter=2)),
        TABLE,
        CLASSES,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_answers_as_the_original(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof holds by the extension, and the form answers the same bits without it; a row alone answers as
    it does among others, within the tolerance that the proof states.
    """
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    model, table, target = KINDS[name]
    folder = models.save(model.fit(table, target), table, tmp_path / "model", format="cloudpickle")
    found = ready(folder, is_trusted=True)
    assert found.proof.is_equal, found.proof.reason
    monkeypatch.setenv(NATIVE, "0")
    other = ready(folder, is_trusted=True)
    assert isinstance(found.answers, Compiled)
    assert isinstance(other.answers, Compiled)
    new = models.frame(60, seed=3)[list(table)]
    new = new.fillna(50.0) if table is WHOLE else new
    rows = from_arrow(pa.Table.from_pandas(new, preserve_index=False), found.answers.layout)
    expected, again = found.answers.predict(rows), other.answers.predict(rows)
    np.testing.assert_array_equal(expected.labels, again.labels)
    np.testing.assert_array_equal(expected.probabilities, again.probabilities)
    objects = new.astype("object").where(new.notna(), None)
    tolerance = found.proof.tolerance if found.answers.content.weights else 0.0
    for row in range(0, 60, 10):
        one = from_columns({str(k): [objects[k].iloc[row]] for k in objects}, found.answers.layout)
        for answers in (found.answers, other.answers):
            alone = answers.predict(one)
            np.testing.assert_allclose(alone.probabilities[0], expected.probabilities[row], rtol=tolerance)
            if answers.classes is None:
                np.testing.assert_allclose(alone.labels[0], expected.labels[row], rtol=tolerance)
            else:
                assert alone.labels[0] == expected.labels[row]


def test_a_forest_of_a_sparse_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn's trees take missing values, but in no sparse matrix: both refuse them, so the form is
    equal. Ids up to 2^53 are categories.
    """
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    table = WHOLE[["age"]].assign(id=2**53 - 1 - WHOLE["age"].astype("int64") % 2)
    parts = [("codes", OneHotEncoder(handle_unknown="ignore"), ["id"]), ("rest", "passthrough", ["age"])]
    features = ColumnTransformer(parts, sparse_threshold=1.0)
    model = make_pipeline(features, ensemble.RandomForestClassifier(5, random_state=0)).fit(table, CLASSES)
    found = ready(models.save(model, table, tmp_path / "model", format="cloudpickle"), is_trusted=True)
    assert found.proof.is_equal, found.proof.reason
    asked = pa.table({"id": [2**53 - 2], "age": pa.array([None], pa.float64())})
    with pytest.raises(TableError, match="column 'age', row 0: the value is missing"):
        found.answers.of_table(asked)
