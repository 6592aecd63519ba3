"""predict: what it promises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from componentkit.arguments import ComponentError
from predict.answers import kept, predicted, spread

DRAW = np.random.default_rng(0)
TABLE = pd.DataFrame({"id": range(100), "x": DRAW.normal(size=100), "prediction": 0})
GRADES = np.where(TABLE["x"] > 0, "good", "bad")


def test_one_answer_for_each_row() -> None:
    """Rows keep their order; classes have probabilities that may be left out, numbers have none."""
    features = TABLE[["x"]]
    grades, line = LogisticRegression().fit(features, GRADES), LinearRegression().fit(features, TABLE["x"])
    found = predicted(grades, features, probabilities=True)
    assert list(found) == ["prediction", "probability_bad", "probability_good"]
    assert (found["prediction"] == grades.predict(features)).all()
    assert list(predicted(grades, features, probabilities=False)) == ["prediction"]
    assert list(predicted(line, features, probabilities=True)) == ["prediction"]


def test_what_stands_beside() -> None:
    """Named columns are kept, or all; one that is not there is an error."""
    assert list(kept(TABLE, "id, x")) == ["id", "x"]
    assert list(kept(TABLE, "*")) == list(TABLE)
    assert list(kept(TABLE, "")) == []
    with pytest.raises(ComponentError, match="keep: column 'idd' not in the table; did you mean 'id'"):
        kept(TABLE, "idd")


def test_the_report_shows_the_answers() -> None:
    """Each class has its share of rows, numbers have ranges with all rows in them."""
    classes = spread(pd.Series(GRADES), False)
    assert [row[0] for row in classes["rows"]] == ["bad", "good"]
    assert sum(row[2] for row in classes["rows"]) == pytest.approx(1)
    assert sum(row[1] for row in spread(TABLE["x"], True)["rows"]) == 100
