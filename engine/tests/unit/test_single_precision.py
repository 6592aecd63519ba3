"""Columns of 32 bits: the compiled form computes with them in 32 bits, as scikit-learn does."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import check_array

from waypost.contracts.mlmodel import Column
from waypost.inference.compiling import compiled_form
from waypost.inference.features import Kind
from waypost.inference.layout import Layout
from waypost.inference.learned import NotCompilableError
from waypost.inference.table import Table


def test_scaled_columns_of_32_bits_are_scikit_learns() -> None:
    """A scaler's quotient is rounded to 32 bits, too, in tables and in rows: linear models see it."""
    columns = tuple(Column(name=name, type="float") for name in "abc")
    random = np.random.default_rng(3)
    learned = random.normal(50, 7, (200, 3))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(learned, learned[:, 0] > 50)
    asked = random.normal(50, 70, (100, 3)).astype(np.float32)
    expected = model[:-1].transform(asked)
    assert expected.dtype == np.float32
    plan, layout, kind = compiled_form(model, columns)[0].plan, Layout(columns), Kind(is_wide=True)
    wide = asked.astype(np.float64)
    np.testing.assert_array_equal(plan.bound(layout, kind)(Table(wide, {})), expected)
    cells = plan.bound_cells(layout, kind)
    np.testing.assert_array_equal([cells(row, ()) for row in wide.tolist()], expected)


def test_booleans_beside_columns_of_32_bits() -> None:
    """A boolean does not make float64 of its neighbours: scikit-learn scales all of them in 32 bits."""
    columns = (Column(name="a", type="float"), Column(name="t", type="boolean"))
    random = np.random.default_rng(3)
    asked = pd.DataFrame({"a": random.normal(50, 7, 200).astype(np.float32), "t": random.random(200) < 0.3})
    features = ColumnTransformer([("all", StandardScaler(), ["a", "t"])])
    model = make_pipeline(features, RandomForestRegressor(2)).fit(asked, asked["a"])
    expected = model[:-1].transform(asked)
    assert expected.dtype == np.float32
    plan = compiled_form(model, columns)[0].plan
    table = Table(asked.to_numpy(dtype=np.float64), {})
    np.testing.assert_array_equal(plan.bound(Layout(columns), Kind(is_wide=True))(table), expected)


@pytest.mark.parametrize(
    ("step", "kind", "message"),
    [
        (TfidfVectorizer(dtype=np.float32), "string", "TfidfVectorizer of float32: leave its dtype"),
        (TfidfVectorizer(analyzer="char_wb"), "string", "with the analyzer 'char_wb': only words"),
        (TfidfVectorizer(analyzer=str.split), "string", "with its own analyzer"),
        (FunctionTransformer(partial(check_array, dtype=np.float32)), "double", "with its own function"),
    ],
)
def test_what_rounds_in_its_own_way_is_not_compiled(step: Any, kind: str, message: str) -> None:
    """Trees would seldom show a weight that is another in its last digit: the part is named instead."""
    values = pd.DataFrame({"a": ["ab cd", "ab", "cd ef"] if kind == "string" else [1.1, 2.2, 3.3]})
    features = ColumnTransformer([("a", step, "a" if kind == "string" else ["a"])])
    model = make_pipeline(features, RandomForestRegressor(2)).fit(values, [1.0, 2.0, 3.0])
    with pytest.raises(NotCompilableError, match=message):
        compiled_form(model, (Column(name="a", type=kind),))
