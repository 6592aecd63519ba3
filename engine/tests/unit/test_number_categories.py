"""Categories that are numbers: the compiled form says what scikit-learn's encoders say, cell by cell."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from waypost.contracts.mlmodel import Column
from waypost.inference.compiled import Compiled, Content
from waypost.inference.compiling import compiled_form
from waypost.inference.features import Kind
from waypost.inference.layout import Layout, TableError
from waypost.inference.learned import NotCompilableError
from waypost.inference.table import Table

COLUMNS = (Column(name="k", type="double", required=False), Column(name="b", type="boolean"))
NO_NUMBER = -1.7976931348623157e308
ENCODERS = {
    "onehot": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
}
LEARNED = pd.DataFrame({"k": [4.0, 1.5, np.nan, 7.0], "b": [1.0, 0.0, 1.0, 0.0]})


def pipeline(encoder: Any, *before: Any) -> Any:
    parts = [("k", make_pipeline(*before, encoder), ["k", "b"])]
    forest = RandomForestClassifier(1, random_state=0)
    return Pipeline([("features", ColumnTransformer(parts)), ("forest", forest)])


@pytest.mark.parametrize("encode", ENCODERS)
@pytest.mark.parametrize("fills", [True, False])
def test_the_features_are_scikit_learns(encode: str, fills: bool) -> None:
    """Table and rows get scikit-learn's features: known, new, missing values; 4 and 4.0, true and 1."""
    known = FunctionTransformer(operator.methodcaller("fillna", NO_NUMBER))
    learned = LEARNED if fills else LEARNED.fillna({"k": 2.0})
    model = pipeline(ENCODERS[encode], *([known] if fills else [])).fit(learned, ["x", "y", "x", "y"])
    plan = compiled_form(model, COLUMNS)[0].plan
    layout = Layout(COLUMNS)
    asked = pd.DataFrame({"k": [4, 4.0, 1.5, 9.0, np.nan, 7], "b": [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]})
    expected = model[:-1].transform(asked)
    np.testing.assert_array_equal(plan.bound(layout, Kind())(Table(asked.to_numpy(), {})), expected)
    values: list[Any] = [4, 4.0, 1.5, 9, None, 7]
    flags = [True, False, 1, 0, True, 1.0]
    cells = plan.bound_cells(layout, Kind())
    found = [cells(row, ()) for row in zip(values, flags, strict=True)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("encode", ENCODERS)
def test_infinities_are_refused(encode: str) -> None:
    """An infinite number is no category: scikit-learn refuses it, and so does the compiled form."""
    model = pipeline(ENCODERS[encode]).fit(LEARNED.fillna(0.0), ["x", "y", "x", "y"])
    plan = compiled_form(model, COLUMNS)[0].plan
    with pytest.raises(TableError, match="column 'k', row 0: the value is infinite"):
        plan.bound(Layout(COLUMNS), Kind())(Table(np.array([[np.inf, 1.0]]), {}))
    with pytest.raises(TableError, match="column 'k', row 0: the value is infinite"):
        plan.bound_cells(Layout(COLUMNS), Kind())((float("inf"), True), ())


def test_a_boolean_that_may_be_missing_is_left_to_the_original() -> None:
    """MLflow keeps it missing in a table and makes it false in JSON: its own code answers."""
    columns = (COLUMNS[0], Column(name="b", type="boolean", required=False))
    model = pipeline(ENCODERS["onehot"]).fit(LEARNED.fillna(0.0), ["x", "y", "x", "y"])
    with pytest.raises(NotCompilableError, match="column 'b': MLflow reads an optional boolean"):
        compiled_form(model, columns)


def test_what_is_not_the_same_as_a_float_stays_uncompiled() -> None:
    """Two ids that are one float64 have no compiled form."""
    ids = pd.DataFrame({"k": [2**53, 2**53 + 1], "b": [0, 1]})
    with pytest.raises(NotCompilableError, match=r"beyond 2\^53"):
        compiled_form(pipeline(ENCODERS["onehot"]).fit(ids, ["x", "y"]), COLUMNS)


@pytest.mark.parametrize("encode", ENCODERS)
def test_a_missing_value_may_be_a_category(encode: str) -> None:
    """What the encoder learned as missing has the encoder's code for it, in a table and in a row."""
    model = pipeline(ENCODERS[encode]).fit(LEARNED, ["x", "y", "x", "y"])
    plan = compiled_form(model, COLUMNS)[0].plan
    given = pd.DataFrame({"k": [np.nan, 4.0, 7.0], "b": [1.0, 0.0, 1.0]})
    expected = np.nan_to_num(model[:-1].transform(given), nan=-5.0)
    layout = Layout(COLUMNS)
    table = plan.bound(layout, Kind())(Table(given.to_numpy(), {}))
    np.testing.assert_array_equal(np.nan_to_num(table, nan=-5.0), expected)
    cells = plan.bound_cells(layout, Kind())
    rows = [cells(row, ()) for row in ((None, True), (4, 0), (7.0, True))]
    np.testing.assert_array_equal(np.nan_to_num(np.array(rows), nan=-5.0), expected)


@pytest.mark.parametrize("unknown", ["ignore", "error"])
def test_a_category_beyond_2_to_53(unknown: str) -> None:
    """One id is enough: as float64 it would be its neighbour, too, which the encoder has never seen."""
    learned = pd.DataFrame({"k": [4, 2**53 + 2, 4, 7], "b": [True, False, True, False]})
    model = pipeline(OneHotEncoder(handle_unknown=unknown)).fit(learned, ["x", "y", "x", "y"])
    columns = (Column(name="k", type="long"), Column(name="b", type="boolean"))
    with pytest.raises(NotCompilableError, match=r"a category beyond 2\^53"):
        compiled_form(model, columns)


@pytest.mark.parametrize("after", [[], [StandardScaler()]])
def test_a_scaler_of_a_column_without_values(after: list[Any]) -> None:
    """Its NaN is stored: the form that is read answers as the one that was made."""
    learned = pd.DataFrame({"k": [1.0, 2.0, 3.0, 5.0], "e": np.nan})
    model = make_pipeline(RobustScaler(), *after, RandomForestClassifier(3, random_state=0)).fit(
        learned, list("xyxy")
    )
    columns = tuple(Column(name=str(name), type="double", required=False) for name in learned)
    content, form = compiled_form(model, columns)
    read = Content.model_validate_json(content.model_dump_json())
    answer = Compiled(read, form, Layout(columns)).predict(Table(learned.to_numpy(), {}))
    np.testing.assert_array_equal(answer.probabilities, model.predict_proba(learned))
