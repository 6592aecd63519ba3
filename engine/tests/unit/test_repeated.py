"""Bodies whose columns were parsed before: what is parsed is always what the whole body says."""

from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest

from waypost.errors import WaypostError
from waypost.serving import repeated
from waypost.serving.protocol import parsed_json
from waypost.serving.repeated import Repeated

HEAD = b'{"dataframe_split":{"columns":["a","b"],'
FIRST = HEAD + b'"data":[[1,2]]}}'


def said(parse: Any, *given: Any) -> Any:
    """Returns what a parser says of a body, with the order of its keys, or how it refuses it."""
    try:
        return json.dumps(parse(*given))
    except WaypostError as error:
        return type(error), str(error)


def after(first: bytes) -> Repeated:
    found = Repeated()
    found.parsed(first)
    return found


@pytest.mark.parametrize(
    "rest",
    [
        b'"data":[[3,4]]}}',
        b'"data":[[3,4]],"columns":["b","a"]}}',
        b'"data":[[3,4]],"columns":null}}',
        b'"data":[[3,4]]},"params":{"probabilities":true}}',
        b'"data":[[3,4]]},"dataframe_split":{"data":[[5,6]]}}',
        b'"data":[[3,4]]},"dataframe_split":7}',
        b'"data":[[3,NaN]]}}',
        b'"data":[[3,Infinity]]}}',
        b'"data":[[3,"\xff"]]}}',
        b"}}",
        b',"data":[[3,4]]}}',
        b'"data":[[3,4]]}} x',
        b'"data":[[3,4',
        b"",
    ],
)
def test_a_body_says_the_same_as_without_memory(rest: bytes) -> None:
    """Whatever follows the columns of the body before: keys and their order, values and refusals, with the
    text of the message, are those of the whole body.
    """
    body = HEAD + rest
    assert said(after(FIRST).parsed, body) == said(parsed_json, body)


@pytest.mark.parametrize(
    ("first", "is_remembered"),
    [
        (FIRST, True),
        (b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]]}}', True),
        (b'{"dataframe_split":{"data":[[1,2]],"columns":["a","b"]}}', False),
        (b'{"dataframe_split":{"columns":["a],","b"],"data":[[1,2]]}}', False),
        (b'{"dataframe_split":{"columns":[["a"],["b"]],"data":[[1,2]]}}', False),
        (b'{"dataframe_split":{"columns":7,"data":[[1,2],[3,4]]}}', False),
        (b'{"dataframe_split":[["columns"],1]}', False),
        (b'{"dataframe_split":{"columns":["a"]},"params":{"x":["c"],"data":[[1]]}}', False),
        (b'{"dataframe_records":[{"a":[1],"b":2}]}', False),
        (b'{"dataframe_split"', False),
    ],
)
def test_what_is_remembered(first: bytes, is_remembered: bool) -> None:
    """Only a beginning that is the columns and nothing else is remembered; the next body is read alike."""
    found = Repeated()
    said(found.parsed, first)
    assert first.startswith(found._head) == is_remembered
    assert said(found.parsed, first) == said(parsed_json, first)


def test_what_is_done_with_a_body_changes_no_other() -> None:
    """The columns of each body are a list of its own."""
    found = after(FIRST)
    found.parsed(FIRST)["dataframe_split"]["columns"].append("c")
    assert found.parsed(FIRST) == orjson.loads(FIRST)


def test_there_is_no_memory_before_the_first_body() -> None:
    """A first body that is no JSON is refused, whatever it begins with."""
    for first in (b"", b"\0", b"{", b'\0"data":[[1]]}}', b'"data":[[1]]}}'):
        assert said(Repeated().parsed, first) == said(parsed_json, first)


def test_no_client_can_stand_in_for_the_columns() -> None:
    """What stands for the columns is another text in each process, of 128 bits."""
    assert len(repeated._TOKEN) == 32
    body = HEAD + b'"columns":"columns","data":[]}}'
    assert after(FIRST).parsed(body) == orjson.loads(body)


def test_any_bodies_in_a_row() -> None:
    """Bodies of several clients, whole, cut and changed, one after the other."""
    choose = random.Random(0)
    found = Repeated()
    bodies = [FIRST, FIRST.replace(b'"a"', b'"z"'), FIRST.replace(b":", b": "), b'{"instances":[{"a":1}]}']
    for _ in range(2000):
        body = bytearray(choose.choice(bodies))
        for _ in range(choose.choice([0, 0, 1, 2])):
            body[choose.randrange(len(body))] = choose.choice(b'[]{},:"a1\\ ')
        given = bytes(body)
        assert said(found.parsed, given) == said(parsed_json, given), given
