"""Random models of every kind, and random tables: the compiled form answers, or refuses, as the model."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import ensemble, linear_model, tree
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests import walks
from tests.fuzzing import CASES, fuzz
from waypost.contracts.mlmodel import Column
from waypost.inference.compiled import Compiled
from waypost.inference.compiling import compiled_form
from waypost.inference.layout import Layout, TableError
from waypost.inference.links import Answer
from waypost.inference.table import from_arrow, from_rows

ROWS, NEW = 60, 30
MODELS_SHARE = 8  # of the cases: fitting takes longer than reading
Make = Callable[[random.Random], Any]


def grown(kind: Any, *, own: bool = True) -> Make:
    """Returns what makes trees of a kind, of some size and seed."""
    more: dict[str, Any] = {} if own else {"n_estimators": 4}
    return lambda choose: kind(
        max_depth=choose.choice([None, 1, 3]) or (3 if "Boost" in kind.__name__ else None),
        random_state=choose.randrange(1000),
        **more,
    )


def linear(kind: Any, **options: Any) -> Make:
    return lambda choose: make_pipeline(
        SimpleImputer(strategy=choose.choice(["mean", "median"])), StandardScaler(), kind(**options)
    )


KINDS: dict[str, tuple[Make, str, bool]] = {
    "tree": (grown(tree.DecisionTreeClassifier), "classes", True),
    "tree of numbers": (grown(tree.DecisionTreeRegressor), "numbers", True),
    "forest": (grown(ensemble.RandomForestClassifier, own=False), "classes", True),
    "forest of numbers": (grown(ensemble.RandomForestRegressor, own=False), "numbers", True),
    "extra trees": (grown(ensemble.ExtraTreesClassifier, own=False), "classes", True),
    "boosting": (grown(ensemble.GradientBoostingClassifier, own=False), "classes", False),
    "boosting of numbers": (grown(ensemble.GradientBoostingRegressor, own=False), "numbers", False),
    "histograms": (
        lambda choose: ensemble.HistGradientBoostingClassifier(
            max_iter=4, min_samples_leaf=choose.choice([1, 5, 20])
        ),
        "classes",
        True,
    ),
    "histograms of numbers": (
        lambda choose: ensemble.HistGradientBoostingRegressor(
            max_iter=4, loss=choose.choice(["squared_error", "absolute_error"])
        ),
        "numbers",
        True,
    ),
    "histograms, scaled": (linear(ensemble.HistGradientBoostingClassifier, max_iter=4), "classes", True),
    "logistic": (linear(linear_model.LogisticRegression, max_iter=50), "classes", True),
    "ridge": (linear(linear_model.Ridge), "numbers", True),
}


def table(choose: random.Random, names: list[str], rows: int, *, share: float, odd: float) -> pd.DataFrame:
    """Returns numbers, a share of them missing, some of them odd."""

    def value() -> float:
        if choose.random() < share:
            return np.nan
        if choose.random() < odd:
            return choose.choice(walks.ODD)
        return choose.choice([round(choose.gauss(0, 2), 1), choose.gauss(0, 1), float(choose.randint(-3, 3))])

    return pd.DataFrame([[value() for _ in names] for _ in range(rows)], columns=names, dtype="float64")


def attempt(number: int, folder: Path) -> str:
    """Fits a model, compiles it and asks both the same rows, together and one by one."""
    warnings.simplefilter("ignore")
    choose = random.Random(number)
    make, target, takes_missing = KINDS[[*KINDS][number % len(KINDS)]]
    names = [f"spalte ä{i}" for i in range(choose.randint(1, 4))]
    learned = table(choose, names, ROWS, share=choose.choice([0.0, 0.2]) * takes_missing, odd=0.0)
    learned.iloc[0] = 0.5  # no column is missing as a whole
    score = learned.fillna(0).sum(axis=1) + [choose.gauss(0, 1) for _ in range(ROWS)]
    classes = choose.choice([2, 3])
    wanted = (
        np.array([f"k{i}" for i in pd.qcut(score, classes, labels=False)]) if target == "classes" else score
    )
    model = make(choose).fit(learned, wanted)
    columns = tuple(Column(name=name, type="double") for name in names)
    content, form = compiled_form(model, columns)
    compiled = Compiled(content, form, Layout(columns))
    new = table(choose, names, NEW, share=choose.choice([0.0, 0.2]), odd=choose.choice([0.0, 0.0, 0.1]))
    outcomes = {compare(model, compiled, new)}
    for row in range(0, NEW, 3):
        outcomes.add(compare(model, compiled, new.iloc[[row]]))
    return "answered" if "answered" in outcomes else "refused"


def compare(model: Any, compiled: Compiled, rows: pd.DataFrame) -> str:
    """Returns what both say of rows; AssertionError where they differ."""
    ways = [lambda: compiled.predict(from_arrow(pa.Table.from_pandas(rows), compiled.layout))]
    if np.isfinite(rows.to_numpy()[~rows.isna().to_numpy()]).all():  # JSON has no infinity
        objects = rows.astype("object").where(rows.notna(), None)
        given = list(objects.itertuples(index=False, name=None))
        ways.append(lambda: compiled.predict(from_rows(tuple(map(str, rows)), given, compiled.layout)))
    try:
        labels = model.predict(rows)
        chances = getattr(model, "predict_proba", lambda some: np.empty((len(some), 0)))(rows)
    except ValueError:
        for ask in ways:
            with pytest.raises(TableError):
                ask()
        return "refused"
    for ask in ways:
        check(ask(), labels, chances, compiled)
    return "answered"


def check(answer: Answer, labels: Any, chances: Any, compiled: Compiled) -> None:
    tolerance = compiled.content.tolerance
    np.testing.assert_allclose(answer.probabilities, chances, rtol=0, atol=tolerance)
    if compiled.classes is None:
        np.testing.assert_allclose(answer.labels, labels, rtol=tolerance, atol=tolerance)
        return
    is_clear = np.ones(len(labels), dtype=bool)
    if compiled.content.weights is not None:
        # Where two classes are as good as equal, a linear model's own answers differ, alone and among many.
        near = np.sort(chances, axis=1)
        is_clear = near[:, -1] - near[:, -2] > tolerance
    assert ((answer.labels == labels) | ~is_clear).all()


@pytest.mark.journey
def test_random_models(tmp_path: Path) -> None:
    """Whatever the kind, the table and the row: equal, or within the stated tolerance; what one refuses, so
    does the other. A model is asked 40 rows: `make fuzz` compares over 2,000 rows of each kind.
    """
    outcomes = fuzz(__name__, CASES // MODELS_SHARE, tmp_path, seconds=60.0)
    assert outcomes["answered"] == outcomes.total() == CASES // MODELS_SHARE, outcomes
