"""What a body becomes is known before MLflow's reader is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.contracts.mlmodel import Column
from waypost.inference.layout import Layout, TableError
from waypost.inference.limits import MIB, Limits, RequestError
from waypost.serving.original_requests import asked, size_of
from waypost.serving.protocol import CSV, JSON

LAYOUT = Layout((Column(name="a", type="double"), Column(name="t", type="string", required=False)))
LIMITS = Limits(rows=1000, bytes=8 * MIB)
LONG = "x" * 100_000


def read(content: Any, layout: Layout = LAYOUT, params: tuple[str, ...] = ()) -> tuple[Any, bool]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    _, given, wants = asked(JSON, body, layout, params, LIMITS, _no_columns)
    return given, wants


def _no_columns(*_: Any) -> bytes:
    raise AssertionError("JSON and CSV need no other process")


LARGE: dict[str, Any] = {
    "a long row among short ones": {"dataframe_split": {"data": [[1] * 20_000] + [[1]] * 900}},
    "many names for short rows": {"dataframe_split": {"columns": ["a"] * 1000, "data": [[]] * 1500}},
    "records that differ": {"dataframe_records": [{f"c{i}": 1} for i in range(900)] * 2},
    "a long text in an array": {"inputs": {"t": [LONG, *["y"] * 900]}},
    "a long text among records": {"instances": [{"a": 1, "t": LONG}, *[{"a": 1, "t": ""}] * 900]},
    "a long text in a list": {"inputs": [LONG, *["y"] * 900]},
    "values for all rows": {"inputs": {**{f"c{i}": 1 for i in range(900)}, "a": [1] * 2000}},
}


@pytest.mark.parametrize("name", LARGE)
def test_what_becomes_far_larger_is_refused(name: str) -> None:
    """A body of some kilobytes that MLflow would make gigabytes of is a 413, before it is asked."""
    with pytest.raises(RequestError) as error:
        read(LARGE[name])
    assert error.value.status == 413


def test_names_and_rows_have_limits_where_the_model_names_none() -> None:
    """A model without a signature has no columns to count by: rows and cells are limited all the same."""
    table = {"dataframe_records": [dict.fromkeys(map(str, range(3000)), 0)] * 60}
    assert read(table, Layout(())) == (table, False)
    with pytest.raises(TableError) as error:
        asked(JSON, json.dumps(table).encode(), Layout(()), (), Limits(1000, MIB), _no_columns)
    assert error.value.status == 413
    lines = b"a,b\n" + b"1,2\n" * 1001
    with pytest.raises(RequestError, match="1,001 rows"):
        asked(CSV, lines, LAYOUT, (), LIMITS, _no_columns)
    breaks = b'a,t\n1,"' + b"\n" * 5000 + b'"\n'
    assert asked(CSV, breaks, LAYOUT, (), LIMITS, _no_columns) == (CSV, breaks, False)


@pytest.mark.parametrize(
    "content", [[1], {"a": {"b": [1, [2]]}}, "x", None, {"data": 3, "columns": 4}, [[], {}]]
)
def test_any_json_has_a_size(content: Any) -> None:
    """Whatever it is, its size is known."""
    assert size_of(content) >= 0
    assert size_of(content, is_array=True) >= 0


def test_parameters_are_the_models_first() -> None:
    """`probabilities` is ours unless the model has one of that name; what nobody knows is refused."""
    table = {"instances": [{"a": 1}]}
    assert read({**table, "params": {"probabilities": True}}) == ({**table, "params": {}}, True)
    own = {**table, "params": {"probabilities": 0.5, "n": 1}}
    assert read(own, params=("probabilities", "n")) == (own, False)
    with pytest.raises(RequestError, match="unknown key 'm'"):
        read({**table, "params": {"m": 1}}, params=("n",))


def test_what_mlflow_takes_beside_tables_is_left_to_it() -> None:
    """Messages, prompts and inputs of language models, which have keys of their own, pass as they are."""
    content = {"messages": [{"role": "user", "content": "hi"}], "temperature": 1}
    assert read(content) == (content, False)


def test_nesting_and_constants_are_no_server_errors() -> None:
    """NaN and Infinity are read as MLflow reads them; what is nested without end is a 400."""
    assert read(b'{"inputs": [Infinity]}')[0] == {"inputs": [float("inf")]}
    with pytest.raises(RequestError, match="not valid JSON"):
        read(b"[" * 100_000)
