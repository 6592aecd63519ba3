"""MLflow's scoring protocol, without a server: each form says the same, each mistake is named."""

from __future__ import annotations

import contextlib
import io
import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waypost.contracts.mlmodel import Column
from waypost.inference.columnar import ARROW, PARQUET
from waypost.inference.layout import Layout, OddError, TableError
from waypost.inference.limits import Limits, RequestError
from waypost.inference.table import Table
from waypost.serving.protocol import (
    CSV,
    JSON,
    content_type,
    parsed,
    table_of,
)

LAYOUT = Layout(
    (
        Column(name="amount", type="double"),
        Column(name="age", type="double", required=False),
        Column(name="city", type="string"),
        Column(name="rooms", type="long"),
        Column(name="new", type="boolean"),
    )
)
LIMITS = Limits(rows=50)
ROWS: list[dict[str, Any]] = [
    {"amount": 1.5, "age": None, "city": "Zürich", "rooms": 3, "new": True},
    {"amount": -2.0, "age": 40.0, "city": 'a "b", c', "rooms": 0, "new": False},
    {"amount": 1e6, "age": 7.0, "city": None, "rooms": 12, "new": True},
]
FRAME = pd.DataFrame(ROWS)
NAMES = list(ROWS[0])
DATA = [[row[name] for name in NAMES] for row in ROWS]


def read(kind: str, body: bytes, limits: Limits = LIMITS) -> Table:
    table, _ = table_of(kind, parsed(kind, body), LAYOUT, limits)
    return table.table()


def read_json(content: Any, limits: Limits = LIMITS) -> Table:
    return read(JSON, json.dumps(content).encode(), limits)


def test_names_that_were_seen_before() -> None:
    """Each body is read by its own names: the last request's are recognized only where all are equal."""
    turned = {"columns": NAMES[::-1], "data": [row[::-1] for row in DATA]}
    split = {"columns": NAMES, "data": DATA}
    for form in (split, split, turned, turned, split):
        found = read_json({"dataframe_split": form})
        np.testing.assert_array_equal(found.numbers[:, 0], [1.5, -2.0, 1e6])
    for wrong in ([*NAMES[:-1], 5], [*NAMES[:-1], "nwe"], NAMES[:-1], []):
        with pytest.raises(TableError):
            read_json({"dataframe_split": {"columns": wrong, "data": DATA}})


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(FRAME), out)
    return out.getvalue()


def stream() -> bytes:
    table = pa.Table.from_pandas(FRAME)
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return out.getvalue()


FORMS: dict[str, tuple[str, bytes]] = {
    "split": (JSON, json.dumps({"dataframe_split": {"columns": NAMES, "data": DATA}}).encode()),
    "split with index": (
        JSON,
        json.dumps({"dataframe_split": {"columns": NAMES, "index": [7, 8, 9], "data": DATA}}).encode(),
    ),
    "other order": (
        JSON,
        json.dumps(
            {"dataframe_split": {"columns": [*NAMES[::-1], "x"], "data": [[*r[::-1], 0] for r in DATA]}}
        ).encode(),
    ),
    "records": (JSON, json.dumps({"dataframe_records": ROWS}).encode()),
    "NaN as Python writes it": (
        JSON,
        json.dumps(
            {
                "dataframe_records": [
                    {**ROWS[0], "age": float("nan")},
                    ROWS[1],
                    {**ROWS[2], "city": float("nan")},
                ]
            }
        ).encode(),
    ),
    "csv": (CSV, FRAME.to_csv(index=False).encode()),
    "parquet": (PARQUET, parquet()),
    "arrow": (ARROW, stream()),
}


FULL = [{**row, "city": row["city"] or "x"} for row in ROWS]
ARRAYS: dict[str, Any] = {
    "instances": {"instances": FULL},
    "inputs": {"inputs": {n: [r[n] for r in FULL] for n in NAMES}},
    "inputs as records": {"inputs": FULL},
}


@pytest.mark.parametrize("form", ARRAYS)
def test_arrays_say_the_same(form: str) -> None:
    """What MLflow makes arrays of says the same, too, where nothing becomes a text that it is not."""
    table = read_json(ARRAYS[form])
    np.testing.assert_array_equal(table.numbers, [[1.5, np.nan, 3, 1], [-2.0, 40, 0, 0], [1e6, 7, 12, 1]])
    assert table.texts["city"].to_pylist() == ["Zürich", 'a "b", c', "x"]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_says_the_same(form: str) -> None:
    """The same rows in any form of MLflow's protocol, or as parquet or Arrow: the same table."""
    table = read(*FORMS[form])
    expected = np.array([[1.5, np.nan, 3, 1], [-2.0, 40, 0, 0], [1e6, 7, 12, 1]])
    np.testing.assert_array_equal(table.numbers, expected)
    assert table.texts["city"].to_pylist() == ["Zürich", 'a "b", c', None]


def test_texts_of_a_large_csv_may_have_line_breaks() -> None:
    """Lines may break in quotes, and a text may be large, in a CSV of more than one block, too."""
    texts = [f'line {"x" * (i % 17)}\r\n"quoted",\n{"y" * (i % 23)}' for i in range(40_000)]
    texts[7] = "long\n" * 300_000
    frame = pd.DataFrame([{**ROWS[0], "city": text} for text in texts])
    table = read(CSV, frame.to_csv(index=False).encode(), Limits(rows=40_000))
    assert table.texts["city"].to_pylist() == texts
    plain = read(CSV, b"amount,city,rooms,new\n1,%s,1,1\n" % (b"x" * 3_000_000))
    assert len(plain.texts["city"][0].as_py()) == 3_000_000


MANY = [{**ROWS[0], "amount": float(i)} for i in range(40)]


def test_many_rows_are_a_table_like_few() -> None:
    """More rows than are answered one by one give the same table as the few."""
    few = [read_json({"dataframe_records": [row]}).numbers for row in MANY]
    many = read_json({"dataframe_records": MANY})
    np.testing.assert_array_equal(many.numbers, np.concatenate(few))


ONE = ROWS[0]
ODD: dict[str, Any] = {
    "number as text": {"dataframe_records": [{**ONE, "amount": " 1.5"}]},
    "number for a text": {"dataframe_records": [{**ONE, "city": 3}]},
    "fraction": {"dataframe_records": [{**ONE, "rooms": 1.5}]},
    "more than a float64 holds": {"dataframe_records": [{**ONE, "rooms": 2**53 + 1}]},
    "boolean of a number": {"dataframe_records": [{**ONE, "new": 2}]},
    "boolean missing": {"dataframe_records": [{**ONE, "new": None}]},
    "column missing in a row": {"dataframe_records": [ONE, {k: v for k, v in ONE.items() if k != "amount"}]},
    "short row": {"dataframe_split": {"columns": NAMES, "data": [DATA[0], [1]]}},
    "short index": {"dataframe_split": {"columns": NAMES, "index": [1, 2], "data": [DATA[0]]}},
    "text missing in an array": {"instances": [{**ONE, "city": None}]},
    "text with a NUL in an array": {"inputs": {**{k: [v] for k, v in ONE.items()}, "city": ["x\0"]}},
    "texts missing in an array": {"instances": [{**ONE, "city": "x"}] * 20 + [{**ONE, "city": None}]},
    "other columns": {"instances": [{**ONE, "x": 1}, ONE]},
    "value for a column": {"inputs": {**{k: [v, v] for k, v in ONE.items()}, "amount": 3}},
    "object of columns": {"instances": {k: [v] for k, v in ONE.items()}},
}


@pytest.mark.parametrize("name", ODD)
def test_what_mlflow_reads_in_its_own_way_is_left_to_it(name: str) -> None:
    """Values that MLflow changes, or may take though they are no plain ones: its own reader decides."""
    with pytest.raises(OddError):
        read_json(ODD[name])


def test_numbers_beyond_all_floats_are_left_to_mlflow() -> None:
    """1e400 is infinite, as MLflow reads it, and no missing value; so it is beside a NaN."""
    for value in ("1e400", "-1e400, NaN", "9" * 400 + ".0"):
        with pytest.raises(OddError, match="larger than any 64-bit number"):
            read(JSON, f'{{"instances": [{value}]}}'.encode())


MISTAKES: dict[str, tuple[Any, str]] = {
    "no object": ([], "the body is an array, not an object"),
    "no form": ({"date": []}, "no known form of a table"),
    "MLflow 1": (
        {"columns": NAMES, "data": DATA},
        'in the format of MLflow 1.*{"dataframe_split": {"columns"',
    ),
    "two forms": ({"instances": [], "inputs": {}}, "both instances and inputs"),
    "unknown key": ({"instances": [], "parms": {}}, "unknown key: 'parms'.*did you mean 'params'"),
    "params no object": ({"instances": [ONE], "params": 3}, "params is a number, not an object"),
    "unknown param": (
        {"instances": [ONE], "params": {"probability": True}},
        "params: unknown key 'probability'.*did you mean 'probabilities'",
    ),
    "param of another type": (
        {"instances": [ONE], "params": {"probabilities": 1}},
        "probabilities is a number, not true or false",
    ),
    "split no object": ({"dataframe_split": []}, "dataframe_split is an array, not an object"),
    "split without data": ({"dataframe_split": {"columns": []}}, "dataframe_split: data is missing"),
    "columns of numbers": (
        {"dataframe_split": {"columns": [1], "data": []}},
        "columns: a number is not a column name",
    ),
    "row no array": ({"dataframe_split": {"columns": NAMES, "data": [1]}}, "row 0 is a number, not an array"),
    "short row": ({"dataframe_split": {"columns": NAMES, "data": [DATA[0], [1]]}}, "row 1 has 1 values"),
    "column twice": (
        {"dataframe_split": {"columns": [*NAMES, "city"], "data": [[*DATA[0], "x"]]}},
        "column 'city' appears twice",
    ),
    "record no object": ({"dataframe_records": [ONE, 5]}, "row 1 is a number, not an object"),
    "column missing in a row": (
        {"dataframe_records": [ONE, {k: v for k, v in ONE.items() if k != "amount"}]},
        "column 'amount', row 1: it is missing",
    ),
    "column missing": ({"inputs": {"amount": [1]}}, "column 'city' is missing"),
    "misspelt": (
        {"dataframe_records": [{**{k: v for k, v in ONE.items() if k != "age"}, "aeg": 3}]},
        "looks like 'age'",
    ),
    "columns of other lengths": (
        {"inputs": {**{k: [v] for k, v in ONE.items()}, "new": [True, False]}},
        "column 'new' has 2 values, others 1",
    ),
    "text for a number": (
        {"dataframe_records": [{**ONE, "amount": "1 m"}]},
        "'amount', row 0: '1 m' is not a valid number",
    ),
    "columns without names": ({"dataframe_split": {"data": DATA}}, "have no names.*name them: amount, age,"),
    "arrays without names": ({"instances": DATA}, "the columns have no names"),
    "number for a text": (
        {"dataframe_records": [ONE, {**ONE, "city": 3}]},
        "'city', row 1: 3 is not a valid text",
    ),
    "fraction": (
        {"dataframe_records": [{**ONE, "rooms": 1.5}]},
        "'rooms', row 0: long: 1.5 is not a valid whole",
    ),
    "whole number missing": (
        {"dataframe_records": [{**ONE, "rooms": None}]},
        "'rooms', row 0: long: cannot be missing",
    ),
    "array for a number": (
        {"dataframe_records": [{**ONE, "amount": [1]}]},
        r"row 0: \[1\] is not a valid number",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_named(name: str) -> None:
    """A request that cannot be answered: the error says which key, column or row, and why."""
    content, message = MISTAKES[name]
    with pytest.raises(TableError) as error:
        read_json(content)
    assert re.search(message, f"{error.value} {error.value.hint}"), f"{error.value} {error.value.hint}"


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        (JSON, b"{", "not valid JSON"),
        (JSON, b'{"instances": [Infinity]}', "not valid JSON: Infinity is not a number"),
        (JSON, b"[" * 100_000, "not valid JSON"),
        (JSON, b'{"a": "\\ud800"}', "not valid JSON"),
        (CSV, b"", "not valid text/csv"),
        (CSV, b"amount,age,city,rooms,new\n1,2,x,1,1\n3,4\n", "Expected 5 columns, got 2"),
        (CSV, b"amount,age,city,rooms,new\nx,2,x,1,1\n", "column 'amount': invalid value 'x'"),
        (PARQUET, b"PAR1 nothing PAR1", "not valid application/vnd.apache.parquet"),
        (ARROW, stream()[:200], "not valid application/vnd.apache.arrow.stream"),
        (PARQUET, b"", "not valid"),
    ],
)
def test_a_broken_body_is_refused(kind: str, body: bytes, message: str) -> None:
    """A body that is not what its type says is an error of the request, whatever is in it."""
    with pytest.raises(TableError, match=message):
        read(kind, body)


BODIES = FORMS | {form: (JSON, json.dumps(content).encode()) for form, content in ARRAYS.items()}


@pytest.mark.parametrize("form", ["split", "records", "inputs", "csv", "parquet", "arrow"])
def test_too_many_rows_are_refused(form: str) -> None:
    """More rows than the limit: 413, in any form."""
    with pytest.raises(RequestError, match="3 rows; 2 are the limit") as error:
        read(*BODIES[form], Limits(rows=2))
    assert error.value.status == 413


def test_content_types() -> None:
    """The type may carry a charset of UTF-8; another type or charset is a 415 that lists the known ones."""
    assert content_type("application/json; charset=UTF-8") == JSON
    assert content_type("Text/CSV") == CSV
    for header in ("", "application/xml", "application/json; charset=latin-1"):
        with pytest.raises(RequestError) as error:
            content_type(header)
        assert error.value.status == 415


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
keys = st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "params", "x"])


@settings(max_examples=500, deadline=None)
@given(content=values | st.dictionaries(keys, values, max_size=3))
def test_no_json_is_a_server_error(content: Any) -> None:
    """Whatever JSON comes, it is a table or an error of the request, never another exception."""
    with contextlib.suppress(TableError):
        read_json(content)
