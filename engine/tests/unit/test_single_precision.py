"""Columns of 32 bits: the compiled form computes with them in 32 bits, as scikit-learn does."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from waypost.contracts.mlmodel import Column
from waypost.inference.compiling import compiled_form
from waypost.inference.features import Kind
from waypost.inference.layout import Layout
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
