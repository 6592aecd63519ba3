"""What a model is asked with and answers: no value changes on the way, whatever its type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from waypost.compat.mlflow_serving import RefusedError, rows_in
from waypost.contracts.mlmodel import Column
from waypost.inference.frames import exact, frame_of
from waypost.inference.layout import Layout, TableError
from waypost.inference.original import labels_of
from waypost.inference.table import from_arrow

EXACT: dict[str, tuple[pa.Array, pa.DataType]] = {
    "whole numbers as double": (pa.array([1, None, -(2**53)]), pa.float64()),
    "small ones as float": (pa.array([1, 2**24], pa.int32()), pa.float32()),
    "double as float": (pa.array([0.5, None, float("nan")]), pa.float32()),
    "float as double": (pa.array([0.1, float("nan")], pa.float32()), pa.float64()),
    "doubles that are whole": (pa.array([3.0, -1.0]), pa.int64()),
    "long as integer": (pa.array([2**31 - 1, -(2**31)]), pa.int32()),
    "booleans as numbers": (pa.array([True, None]), pa.float64()),
    "nothing as double": (pa.nulls(2), pa.float64()),
    "categories as texts": (pa.array(["a", None, "a"]).dictionary_encode(), pa.string()),
    "large texts": (pa.array(["a", None], pa.large_string()), pa.string()),
}
OTHER: dict[str, tuple[pa.Array, pa.DataType]] = {
    "an id as double": (pa.array([2**53 + 1]), pa.float64()),
    "an id as float": (pa.array([2**24 + 1]), pa.float32()),
    "digits beyond 32 bits": (pa.array([0.5, 0.1]), pa.float32()),
    "a fraction": (pa.array([3.7]), pa.int64()),
    "what is missing": (pa.array([1.0, None]), pa.int64()),
    "too large": (pa.array([2**31]), pa.int32()),
    "a number as boolean": (pa.array([1]), pa.bool_()),
    "a text as number": (pa.array(["1"]), pa.float64()),
    "a number as text": (pa.array([1]), pa.string()),
    "a time": (pa.array([0], pa.timestamp("ms")), pa.float64()),
}


@pytest.mark.parametrize("name", EXACT)
def test_values_that_stay_what_they_are_get_the_models_type(name: str) -> None:
    values, wanted = EXACT[name]
    made = exact(values, wanted)
    assert made.type == wanted
    assert repr(made.to_pylist()) == repr(values.cast(wanted, safe=False).to_pylist())


@pytest.mark.parametrize("name", OTHER)
def test_values_that_would_change_stay(name: str) -> None:
    values, wanted = OTHER[name]
    assert exact(values, wanted) is None


def test_a_frame_has_the_models_types() -> None:
    """Columns that the model does not know, and those that would change, stay as they are."""
    columns = (
        Column(name="a", type="float"),
        Column(name="i", type="long"),
        Column(name="t", type="datetime"),
    )
    table = pa.table({"a": [0.5], "i": [2**53 + 1], "t": pa.array([0], pa.timestamp("us")), "x": ["u"]})
    frame = frame_of(table, columns)
    assert [str(dtype) for dtype in frame.dtypes][:2] == ["float32", "int64"]
    assert frame["i"].tolist() == [2**53 + 1]
    assert list(frame) == ["a", "i", "t", "x"]


ANSWERS: dict[str, tuple[Any, list[Any]]] = {
    "array": (np.array([1, 2]), [1, 2]),
    "matrix": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "series": (pd.Series([1.5, 2.5], name="s", index=[7, 8]), [1.5, 2.5]),
    "one column": (pd.DataFrame({"a": ["x", "y"]}), ["x", "y"]),
    "table": (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
    "list": ([2**60 + 1, 3], [2**60 + 1, 3]),
    "ragged": ([[1], [2, 3]], [[1], [2, 3]]),
    "lists of one length": ([[1], [2]], [[1], [2]]),
    "records": ([{"a": 1}, None], [{"a": 1}, None]),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_row_has_its_answer(name: str) -> None:
    said, expected = ANSWERS[name]
    assert labels_of(said, 2).tolist() == expected


@pytest.mark.parametrize("said", [3.5, "x", None, [1], np.array([1, 2, 3]), {"a": [1, 2]}])
def test_other_numbers_of_answers_are_refused(said: Any) -> None:
    """A table of results needs one answer a row."""
    with pytest.raises(RefusedError, match=r"the model gives (one answer|\d answers) for 2 rows"):
        labels_of(said, 2)


def test_rows_are_counted_whatever_a_model_is_asked_with() -> None:
    """A frame, columns of arrays, an array, a text, one value."""
    asked = [pd.DataFrame({"a": [1, 2]}), {"a": np.array([1, 2]), "b": 1}, np.zeros((2, 3)), ["x", "y"]]
    assert [rows_in(data) for data in asked] == [2] * 4
    assert [rows_in(data) for data in ("text", 1.5, {"a": np.array("x")}, {})] == [1] * 4


@pytest.mark.parametrize("given", [2, 2.0, -1, 2**53 + 1])
def test_other_numbers_are_no_booleans(given: float) -> None:
    """Of numbers in a boolean column 0 and 1 are taken, others are refused, as MLflow refuses them all."""
    layout = Layout((Column(name="b", type="boolean"),))
    assert from_arrow(pa.table({"b": [0, 1]}), layout).numbers.tolist() == [[0.0], [1.0]]
    with pytest.raises(TableError, match=r"column 'b', row 1: boolean: .* is not a valid boolean"):
        from_arrow(pa.table({"b": [type(given)(1), given]}), layout)
