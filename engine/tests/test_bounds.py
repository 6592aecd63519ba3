"""Requests that ask for too much: whatever they bring, the work is bounded and the refusal is short."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.test_protocol import LAYOUT, NAMES, ROWS, read, read_json
from waypost.contracts.mlmodel import Column
from waypost.errors import did_you_mean
from waypost.inference.delimited import read_csv
from waypost.inference.layout import Layout, TableError, check_names
from waypost.inference.limits import MIB, Limits, RequestError
from waypost.serving.protocol import CSV, JSON, parsed, table_of
from waypost.serving.reply_bodies import error_reply

ONE = ROWS[0]
WORDS = [f"c{i:x}" for i in range(250_000)]
TWICE = [*WORDS, WORDS[-1]]


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """What is refused is refused in a moment; before, each of these took from seconds to hours."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 5


MANY_COLUMNS: dict[str, tuple[str, bytes]] = {
    "split": (JSON, json.dumps({"dataframe_split": {"columns": TWICE, "data": [[0] * len(TWICE)]}}).encode()),
    "records": (JSON, json.dumps({"dataframe_records": [dict.fromkeys(WORDS, 0)]}).encode()),
    "records that differ": (
        JSON,
        json.dumps({"instances": [{**ONE, name: 0} for name in WORDS[:40_000]]}).encode(),
    ),
    "inputs": (JSON, json.dumps({"inputs": {key: [0] for key in WORDS}}).encode()),
    "inputs, each key twice": (
        JSON,
        f'{{"inputs": {{{",".join(f"{chr(34)}{n}{chr(34)}:[1]" for n in TWICE * 2)}}}}}'.encode(),
    ),
    "csv": (CSV, (",".join(TWICE[:100_000]) + "\n" + ",".join("1" * 100_000) + "\n").encode()),
}


@pytest.mark.parametrize("form", MANY_COLUMNS)
def test_columns_are_limited_first(form: str) -> None:
    """Far more columns than the model has: 413 with the limit, whatever else is wrong with them."""
    kind, body = MANY_COLUMNS[form]
    with pytest.raises(TableError, match=r"columns; 1,000 are the limit") as error:
        read(kind, body, Limits(rows=100_000))
    assert error.value.status == 413
    assert "the model has 5" in error.value.hint


def test_some_columns_more_are_no_matter() -> None:
    """Columns that the model does not know are ignored, up to a number; with a wide model to a larger one."""
    more = dict.fromkeys(WORDS[:900], 1)
    assert len(read_json({"dataframe_records": [{**ONE, **more}] * 20})) == 20
    wide = Layout(tuple(Column(name=name, type="double") for name in WORDS[:500]))
    body = json.dumps({"dataframe_split": {"columns": WORDS[:4000], "data": [[1.0] * 4000]}}).encode()
    table, _ = table_of(JSON, parsed(JSON, body), wide, Limits(rows=5))
    assert table.table().numbers.shape == (1, 500)


def test_records_may_differ() -> None:
    """Rows that leave out other columns each are one table, whatever unknown columns come along."""
    rows = [{**ONE, f"x{i}": i} for i in range(40)]
    del rows[3]["age"]
    np.testing.assert_array_equal(
        read_json({"dataframe_records": rows}).numbers[3], [ONE["amount"], np.nan, ONE["rooms"], 1]
    )


def test_names_are_limited() -> None:
    """A column with a name of a megabyte: 413; the refusal does not repeat it."""
    name = "n" * MIB
    bodies = {
        JSON: json.dumps({"dataframe_records": [{**ONE, name: 1}]}).encode(),
        CSV: f"{','.join(NAMES)},{'n' * 5000}\n".encode(),
    }
    for kind, body in bodies.items():
        with pytest.raises(TableError, match="the name of a column has more than 1,000 characters") as error:
            read(kind, body)
        assert error.value.status == 413
        assert len(error_reply(error.value)) < 1000


LONG = "n" * MIB
LONG_MESSAGES: dict[str, Any] = {
    "key of the body": {"instances": [], LONG: 1},
    "key of params": {"instances": [ONE], "params": {LONG: 1}},
    "key of a split": {"dataframe_split": {"data": [], LONG: 1}},
    "key of inputs": {"inputs": {**{name: [1, 2] for name in NAMES}, LONG: [1]}},
    "text for a number": {"instances": [{**ONE, "amount": LONG}]},
    "list for a number": {"instances": [{**ONE, "amount": [LONG] * 10}]},
    "object for a text": {"instances": [{**ONE, "city": {LONG: {LONG: LONG}}}]},
}


@pytest.mark.parametrize("name", LONG_MESSAGES)
def test_messages_are_short(name: str) -> None:
    """However long what is wrong is: the message and the reply are a line that can be read and logged."""
    with pytest.raises(TableError) as error:
        read_json(LONG_MESSAGES[name])
    assert len(str(error.value)) <= 500
    assert len(error_reply(error.value)) < 1200


def test_nesting_is_no_server_error() -> None:
    """A value that is nested deeper than Python's repr goes is an error of the request."""
    deep = b"[" * 1000 + b"]" * 1000
    with pytest.raises(TableError, match="is not a valid number"):
        read(JSON, b'{"dataframe_records": [{"amount": %s, "city": "x", "rooms": 1, "new": true}]}' % deep)
    with pytest.raises(TableError, match="not valid JSON"):
        read(JSON, b'{"instances": [[NaN, %s]]}' % (b'{"a":' * 100_000))


def test_rows_are_limited_by_what_they_become() -> None:
    """Rows of nothing are small in a body, and as large as any in a table of many columns."""
    wide = Layout(tuple(Column(name=name, type="double", required=False) for name in WORDS[:10_000]))
    limits = Limits(rows=100_000, bytes=8 * MIB)
    assert len(table_of(JSON, {"instances": [{}] * 100}, wide, limits)[0]) == 100
    for content in ({"instances": [{}] * 1000}, {"dataframe_split": {"columns": [], "data": [[]] * 1000}}):
        with pytest.raises(
            RequestError, match="1,000 rows of 10,000 columns are a table of more than 8 MiB"
        ) as error:
            table_of(JSON, content, wide, limits)
        assert error.value.status == 413


def test_a_column_twice_is_found_behind_others() -> None:
    """A column of the model that appears twice is found behind any that the model does not know."""
    with pytest.raises(TableError, match="column 'city' appears twice"):
        check_names(["x", "x", *NAMES, "city"], LAYOUT)


def test_wide_models_take_no_square_of_their_width() -> None:
    """10,000 columns in another order, and 10,000 that are missing beside 1,000 that are not known."""
    names = WORDS[:10_000]
    wide = Layout(tuple(Column(name=name, type="double", required=False) for name in names))
    body = json.dumps({"dataframe_split": {"columns": names[::-1], "data": [list(range(10_000))]}}).encode()
    table, _ = table_of(JSON, parsed(JSON, body), wide, Limits(rows=5))
    assert table.table().numbers[0, 0] == 9999
    check_names([f"x{i}" for i in range(1000)], wide)


def test_other_orders_do_not_keep_a_usual_one_out() -> None:
    """Who asks in ever new orders of columns does not fill the memory of them for ever."""
    layout = Layout(LAYOUT.columns)
    for number in range(1000):
        layout.picks((*NAMES, f"x{number}"))
    assert len(layout._picks) <= 64
    layout.picks(tuple(NAMES))
    assert tuple(NAMES) in layout._picks


def test_the_nearest_name_is_looked_for_within_bounds() -> None:
    """`did you mean` finds the nearest of many names, and does not compare names of any length or number."""
    assert did_you_mean("c1234", [*WORDS[:5000], "x"]) == "did you mean 'c1234'?"
    assert did_you_mean("learning_rte", ["learning_rate", "n" * MIB]) == "did you mean 'learning_rate'?"
    assert did_you_mean("n" * MIB, ["n" * (MIB - 1), "learning_rate"]) == "known: learning_rate"
    assert did_you_mean("abc", ["x" * 90] * 1_000_000) == ""
    worst = ["".join(pair) for pair in zip("ab" * 25, "ba" * 25, strict=True)] * 100
    assert did_you_mean("ab" * 50, worst) == ""


def test_a_header_is_read_as_arrow_reads_it() -> None:
    """Quotes, line breaks in names, blank lines and a byte order mark: the columns are found all the same."""
    layout = Layout((Column(name="a", type="double"), Column(name='t"\n,', type="string")))
    for body in (
        b'a,"t""\n,"\n1,x\n',
        b'\n\r\n"a","t""\n,"\r\n1,x\r\n',
        b'\xef\xbb\xbfx,a,"t""\n,"\n0,1,x\n',
        b'"t""\n,",a\rx,1\r',
    ):
        table = read_csv(body, layout)
        assert table["a"].to_pylist() == [1.0]
        assert table['t"\n,'].to_pylist() == ["x"]


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b"n" * 2_000_000,
        b"n" * 2_000_000,
        b'"\n",' + b"a," * 900_000,
        b"amount,age,city,rooms,new\n1,2,x,3,1\n" + b"x" * 2_000_000,
        b"\n" * 2_000_000,
        b",\n" * 500_000,
        b"\xff\xfe,\x00\n1,2\n",
    ],
)
def test_odd_csv_is_refused(body: bytes) -> None:
    """A header or a field without end, lines without anything, bytes that are no text: refused, shortly."""
    with pytest.raises(TableError) as error:
        read(CSV, body)
    assert len(str(error.value)) <= 500


def test_many_rows_of_few_bytes_are_refused() -> None:
    """More rows than the limit in a small CSV: 413."""
    with pytest.raises(RequestError, match="300,000 rows; 50 are the limit"):
        read(CSV, b"amount,city,rooms,new\n" + b"1,x,1,1\n" * 300_000)
