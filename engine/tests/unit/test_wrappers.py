"""Models within models: what passes on the answer of one estimator is compiled, all else is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import calibration, compose, ensemble, multiclass, multioutput
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from waypost.contracts.mlmodel import Column
from waypost.inference.compiled import Compiled
from waypost.inference.compiling import compiled_form
from waypost.inference.layout import Layout
from waypost.inference.learned import NotCompilableError
from waypost.inference.table import Table

_DRAW = np.random.default_rng(0)
TABLE = pd.DataFrame({"a": _DRAW.normal(size=60), "b": _DRAW.integers(0, 5, 60).astype(float)})
NAMES = np.array(["low", "high"])[(TABLE["a"] + _DRAW.normal(size=60) > 0).astype(int)]
VALUES = TABLE["a"].to_numpy() + TABLE["b"].to_numpy()
COLUMNS = tuple(Column(name=str(name), type="double", required=True) for name in TABLE)
TREE, NUMBERS = DecisionTreeClassifier(max_depth=3, random_state=0), DecisionTreeRegressor(max_depth=3)
DEPTHS: dict[str, Any] = {"max_depth": [1, 3]}


def soft(estimator: Any, **options: Any) -> Any:
    return ensemble.VotingClassifier([("one", estimator)], voting="soft", **options)


WRAPPED: dict[str, Callable[[], Any]] = {
    "a halving search": lambda: HalvingGridSearchCV(TREE, DEPTHS, cv=2),
    "a random halving search": lambda: HalvingRandomSearchCV(
        TREE, DEPTHS, n_candidates=2, cv=2, random_state=0
    ),
    "a frozen estimator": lambda: FrozenEstimator(TREE.fit(TABLE, NAMES)),
    "a tuned threshold": lambda: TunedThresholdClassifierCV(TREE, cv=2),
    "a vote of one": lambda: soft(TREE),
    "a vote of a pipeline": lambda: make_pipeline(
        StandardScaler(), soft(make_pipeline(StandardScaler(), TREE))
    ),
    "a vote of a logistic regression": lambda: soft(LogisticRegression()),
    "a vote asks for no threshold": lambda: soft(FixedThresholdClassifier(TREE, threshold=0.95)),
    "a threshold over a vote": lambda: FixedThresholdClassifier(soft(TREE), threshold=0.9, pos_label="low"),
    "a vote of a vote": lambda: soft(soft(TREE)),
    "a vote of numbers": lambda: ensemble.VotingRegressor([("one", NUMBERS)]),
    "one left of two": lambda: ensemble.VotingRegressor([("one", NUMBERS), ("two", "drop")]),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapper_answers_as_its_estimator(name: str) -> None:
    """Labels and probabilities are the original's: of the names that the wrapper learned, and by its rule."""
    made = WRAPPED[name]()
    model = made.fit(TABLE, VALUES if isinstance(made, ensemble.VotingRegressor) else NAMES)
    content, form = compiled_form(model, COLUMNS)
    found = Compiled(content, form, Layout(COLUMNS)).predict(Table(TABLE.to_numpy(), {}))
    assert found.labels.tolist() == model.predict(TABLE).tolist()
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(found.probabilities, model.predict_proba(TABLE), rtol=content.tolerance)


TWO = [("one", TREE), ("two", TREE)]
OTHERS: dict[str, tuple[Any, str]] = {
    "two votes": (ensemble.VotingClassifier(TWO, voting="soft"), "VotingClassifier of 2 estimators"),
    "a hard vote": (ensemble.VotingClassifier(TWO[:1]), "VotingClassifier with voting='hard'"),
    "weights": (soft(TREE, weights=[0.3]), "VotingClassifier with weights"),
    "a tuned decision": (
        TunedThresholdClassifierCV(LogisticRegression(), cv=2, response_method="decision_function"),
        "TunedThresholdClassifierCV over its decision_function",
    ),
    "calibrated": (calibration.CalibratedClassifierCV(TREE, cv=2), "CalibratedClassifierCV has no"),
    "one against the rest": (multiclass.OneVsRestClassifier(TREE), "OneVsRestClassifier has no"),
    "one against one": (multiclass.OneVsOneClassifier(TREE), "OneVsOneClassifier has no"),
    "stacked": (ensemble.StackingClassifier(TWO, cv=2), "StackingClassifier has no"),
    "bagged": (ensemble.BaggingClassifier(TREE, 2), "BaggingClassifier has no"),
}
OTHER_NUMBERS: dict[str, tuple[Any, str]] = {
    "a transformed target": (
        compose.TransformedTargetRegressor(NUMBERS, func=np.exp, inverse_func=np.log),
        "TransformedTargetRegressor has no",
    ),
    "several targets": (multioutput.MultiOutputRegressor(NUMBERS), "MultiOutputRegressor has no"),
    "numbers, stacked": (
        ensemble.StackingRegressor([("one", NUMBERS), ("two", LinearRegression())], cv=2),
        "StackingRegressor has no",
    ),
}


@pytest.mark.parametrize("name", [*OTHERS, *OTHER_NUMBERS])
def test_other_wrappers_are_named(name: str) -> None:
    """What combines several answers, or changes one, is left to the original; the reason names it."""
    model, message = (OTHERS | OTHER_NUMBERS)[name]
    target: Any = NAMES if name in OTHERS else VALUES
    if isinstance(model, multioutput.MultiOutputRegressor):
        target = np.stack([VALUES, VALUES], axis=1)
    with pytest.raises(NotCompilableError, match=message):
        compiled_form(model.fit(TABLE, target), COLUMNS)
