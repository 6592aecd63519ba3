"""Mutated bodies of requests: JSON, CSV, Parquet and Arrow end as an answer or as a 4xx."""

from __future__ import annotations

import functools
import io
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests import models
from tests import parquet_lies as lies
from tests.fuzzing import CASES, MOST_MIB, fuzz
from tests.test_columnar import peak_of
from waypost.contracts.mlmodel import Column
from waypost.inference.columnar import ARROW, PARQUET
from waypost.inference.compiled import Compiled
from waypost.inference.compiling import compiled_form
from waypost.inference.layout import Layout, TableError
from waypost.inference.limits import MIB, Limits
from waypost.inference.loading import load
from waypost.inference.original import Original
from waypost.serving.original_requests import asked
from waypost.serving.protocol import CSV, JSON, content_type, parsed, table_of
from waypost.serving.reply_bodies import error_reply, reply
from waypost.serving.unpacking import Unpacker
from waypost.sources.files import read_mlmodel

COLUMNS = (
    *(Column(name=name, type="double", required=name == "amount") for name in ("amount", "age")),
    *(Column(name=name, type="string", required=name == "city") for name in ("city", "kind", "note")),
)
STRICT = Layout((*COLUMNS, Column(name="rooms", type="long"), Column(name="new", type="boolean")))
LIMITS = Limits(rows=2000, bytes=16 * MIB)
LONG = "x" * 200_000


@functools.cache
def answering() -> tuple[Compiled, Original]:
    """Returns a compiled model and its original."""
    table = models.frame(120)
    model = models.full_pipeline().fit(table, models.labels(table))
    content, forest = compiled_form(model, COLUMNS)
    with tempfile.TemporaryDirectory() as temp:
        folder = models.save(model, table, Path(temp, "model"))
        return Compiled(content, forest, Layout(COLUMNS)), load(folder, read_mlmodel(folder))


@functools.cache
def unpacker() -> Unpacker:
    return Unpacker(1, 20.0)


@functools.cache
def rows_of(count: int) -> list[dict[str, Any]]:
    table = models.frame(count, seed=count)
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records"))
    return [{**row, "rooms": i, "new": i % 2 == 0} for i, row in enumerate(rows)]


# Values that stand where others are expected.
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -0.0,
        1.5,
        "",
        "x",
        "1",
        "NaN",
        [],
        {},
        [[]],
        [None],
        {"": {}},
        "a\0b",
        "\x1b[2J",
    ),
    *(2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**64), 10**400, 1e308, -1e308, 5e-324, 3.5e38),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        "\ud800",
        "\udfff\ud800",
        "é" * 40_000,
        LONG,
        "🙂",
        "\u202e",
    ),
    *([1] * 3000, {str(i): i for i in range(3000)}, [[1, [2, [3]]]] * 50),
]
PIECES = [
    *(b"", b",", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b"[", b"]", b":"),
    *(
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-",
        b"0x1",
        b"\\u0000",
        b"\\ud800",
        b"null",
        b"9" * 5000,
        b"\xe2\x80",
    ),
    *(b"[" * 2000, b'{"a":' * 2000, b'"' * 3, b"," * 3000, b"\n" * 3000, b"a," * 1500, b"1e-400", b"#N/A"),
]


def changed(body: bytes, chance: random.Random) -> bytes:
    """Returns a body with some bytes flipped, cut out, repeated or put in."""
    data = bytearray(body)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 20))):
        start = chance.randrange(len(data) + 1)
        end = start + chance.choice((1, 1, 2, 4, 8, 64))
        match chance.randrange(5):
            case 0:
                data[start:end] = bytes(b ^ (1 << chance.randrange(8)) for b in data[start:end])
            case 1:
                data[start:end] = b""
            case 2:
                data[start:start] = chance.choice(PIECES)
            case 3:
                data[start:end] = chance.choice((b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8, b"\0" * 8))
            case _:
                data[start:start] = data[start:end] * chance.choice((1, 3, 100))
    return bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.05 else data)


def placed(content: Any, chance: random.Random) -> Any:
    """Returns JSON in which one place holds something else: a value, a key, an item more or less."""
    inner = isinstance(content, (dict, list)) and content and chance.random() < 0.97
    if not inner:
        return chance.choice(ODD)
    if isinstance(content, list):
        place = chance.randrange(len(content))
        action = chance.random()
        if action < 0.1:
            return content[:place] + content[place + 1 :]
        if action < 0.2:
            return content + content[place : place + 1] * chance.choice((1, 50, 3000))
        return [*content[:place], placed(content[place], chance), *content[place + 1 :]]
    key = chance.choice(list(content))
    action = chance.random()
    if action < 0.1:
        return {name: value for name, value in content.items() if name != key}
    if action < 0.2:
        other = chance.choice(("", "amonut", "params", "dataframe_split", LONG, "\ud800", key.upper()))
        return {**content, other: chance.choice(ODD)}
    return {**content, key: placed(content[key], chance)}


def json_body(chance: random.Random) -> bytes:
    rows = rows_of(chance.choice((1, 1, 2, 20, 100)))
    names = list(rows[0])
    forms: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": names, "data": [list(row.values()) for row in rows]}},
        {"dataframe_records": rows},
        {"instances": rows},
        {"instances": [list(row.values())[:5] for row in rows]},
        {"inputs": {name: [row[name] for row in rows] for name in names}},
        {"instances": rows, "params": {"probabilities": True}},
    ]
    content: Any = chance.choice(forms)
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        content = placed(content, chance)
    text = json.dumps(content, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.1:  # a key that appears twice
        text = text.replace('"amount":', f'"amount": {chance.randrange(9)}, "amount":', 1)
    body = text.encode("utf-8", "surrogatepass")
    return changed(body, chance) if chance.random() < 0.2 else body


def csv_body(chance: random.Random) -> bytes:
    rows = rows_of(chance.choice((1, 3, 30)))
    table = pd.DataFrame(rows)
    separator, ends = chance.choice(",,,,,,;\t"), chance.choice(("\n", "\n", "\r\n", "\r"))
    text = table.to_csv(index=chance.random() < 0.1, sep=separator, lineterminator=ends)
    body = text.encode(chance.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16")))
    return changed(body, chance) if chance.random() < 0.7 else body


def odd_column(count: int, chance: random.Random) -> Any:
    """Returns a column of any type that Arrow has."""
    few = [chance.choice((None, 0, 1)) for _ in range(count)]
    long = pa.array([LONG, None, "u"])
    places = pa.array([chance.randrange(3) for _ in range(count)], chance.choice((pa.int8(), pa.int32())))
    makers: list[Callable[[], Any]] = [
        *(
            functools.partial(pa.array, few, kind)
            for kind in (
                *(pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(7, 2)),
                *(pa.decimal256(60, 3), pa.date32(), pa.date64(), pa.time64("us"), pa.timestamp("ns", "UTC")),
                *(pa.duration("s"), pa.null() if set(few) == {None} else pa.int64()),
            )
        ),
        lambda: pa.array([None if f is None else bool(f) for f in few]),
        lambda: pa.DictionaryArray.from_arrays(places, long),
        lambda: pa.DictionaryArray.from_arrays(places, long.cast(pa.large_string())),
        lambda: pa.DictionaryArray.from_arrays(places, pa.array([1.5, None, 2.0**60], pa.float64())),
        lambda: pa.array([chance.choice(("", None, "ö", "long " * 50)) for _ in few]),
        lambda: pa.array(["x" * 20] * count).cast(pa.string_view()),
        lambda: pa.array([b"\xff"] * count, chance.choice((pa.binary(), pa.large_binary(), pa.binary(1)))),
        lambda: pa.array([[1, 2]] * count, chance.choice((pa.list_(pa.int64()), pa.list_view(pa.int64())))),
        lambda: pa.array([{"amount": 1.0}] * count),
        lambda: pc.run_end_encode(pa.array([1.0] * count)),
        lambda: pa.array([[("k", 1)]] * count, pa.map_(pa.string(), pa.int8())),
        lambda: pa.array([{"a": [{"b": [1]}]}] * count),
    ]
    return chance.choice(makers)()


@functools.cache
def honest_table(count: int) -> pa.Table:
    return pa.Table.from_pylist(rows_of(count))


def odd_table(chance: random.Random) -> pa.Table:
    """Returns the rows with columns of other types, other names, more of them, fewer, twice."""
    count = chance.choice((0, 1, 3, 50, 2100))
    table = honest_table(max(min(count, 50), 1))
    table = table[:count] if count < 100 else pa.concat_tables([table] * (count // 50))
    for _ in range(chance.choice((0, 1, 1, 2))):
        place = chance.randrange(table.num_columns)
        name = table.schema.names[place]
        match chance.randrange(6):
            case 0:
                table = table.remove_column(place)
            case 1:
                table = table.append_column(name, table[place])
            case 2:
                other = chance.choice(("", "amuont", LONG, "a.b", "city.x"))
                table = table.append_column(other, odd_column(count, chance))
            case 3:
                for number in range(chance.choice((3, 1100))):
                    table = table.append_column(f"c{number}", table[place]) if number < 30 else table
            case _:
                table = table.set_column(place, name, odd_column(count, chance))
        if not table.num_columns:
            break
    return table


def parquet_body(chance: random.Random) -> bytes:
    out = io.BytesIO()
    options: dict[str, Any] = {
        "compression": chance.choice(("none", "snappy", "gzip", "zstd", "brotli", "lz4")),
        "use_dictionary": chance.random() < 0.6,
        "data_page_version": chance.choice(("1.0", "2.0")),
        "data_page_size": chance.choice((1, 100, 1 << 20)),
        "row_group_size": chance.choice((7, 100, 100_000)),
        "store_schema": chance.random() < 0.7,
    }
    try:
        pq.write_table(odd_table(chance), out, **options)
    except (pa.ArrowException, NotImplementedError):  # a type that Parquet has not
        pq.write_table(honest_table(3), out)
    body = out.getvalue()
    if chance.random() < 0.4:
        content, footer = lies.taken_apart(body)
        for _ in range(chance.choice((1, 1, 2, 5))):
            footer = lied(footer, chance)
        body = lies.put_together(content, footer)
    return changed(body, chance) if chance.random() < 0.4 else body


NUMBERS = (0, 1, -1, 3, 7, 2**15, 2**31 - 1, -(2**31), 2**40, 2**62, -(2**62))


def lied(fields: lies.Struct, chance: random.Random) -> lies.Struct:
    """Returns a struct of a footer with another number, text, list, or without a field."""
    number = chance.choice(list(fields))
    kind, value = fields[number]
    if chance.random() < 0.05:
        return {key: field for key, field in fields.items() if key != number}
    if kind == lies.STRUCT and value:
        value = lied(value, chance)
    elif kind == lies.LIST and value[1]:
        of, items = value
        place = chance.randrange(len(items))
        if chance.random() < 0.2:
            items = items * chance.choice((0, 2, 300))
        elif of == lies.STRUCT and items[place]:
            items = [*items[:place], lied(items[place], chance), *items[place + 1 :]]
        value = (of, items)
    elif kind in (lies.I32, lies.I64):
        value = chance.choice(NUMBERS) if chance.random() < 0.5 else value + chance.choice((-1, 1, 8))
    elif kind == lies.BINARY:
        value = changed(value, chance)[:100_000]
    elif kind in (lies.TRUE, lies.FALSE):
        value = not value
    return {**fields, number: (kind, value)}


def arrow_body(chance: random.Random) -> bytes:
    out = io.BytesIO()
    table = odd_table(chance)
    options = pa.ipc.IpcWriteOptions(
        compression=chance.choice((None, None, "zstd", "lz4")), emit_dictionary_deltas=chance.random() < 0.5
    )
    with pa.ipc.new_stream(out, table.schema, options=options) as writer:
        for _ in range(chance.choice((1, 1, 3))):
            writer.write_table(
                table, max_chunksize=chance.choice((2, 1000)) if table.num_rows < 100 else None
            )
    body = out.getvalue()
    return changed(body, chance) if chance.random() < 0.4 else body


BODIES: list[tuple[str, Callable[[random.Random], bytes]]] = [
    (JSON, json_body),
    (CSV, csv_body),
    (PARQUET, parquet_body),
    (ARROW, arrow_body),
]


def attempt(number: int, folder: Path) -> str:
    """Answers one mutated body."""
    chance = random.Random(number)
    kind, make = BODIES[number % len(BODIES)]
    body = make(chance)[: 16 * MIB]  # larger ones get no further than the door
    try:
        answer(content_type(kind), body, chance)
    except TableError as error:
        check(error)
        raise
    finally:
        assert not unpacker()._idle or peak_of(unpacker()) < MOST_MIB
    return kind


def check(error: TableError) -> None:
    """Raises AssertionError where a refusal is no short 4xx."""
    assert error.status in (400, 413)
    assert len(error_reply(error)) < 5000


def answer(kind: str, body: bytes, chance: random.Random) -> None:
    compiled, original = answering()
    if chance.random() < 0.1:
        kind, asks, wants = asked(kind, body, original.layout, (), LIMITS, unpacker().check)
        original.respond(kind, asks, LIMITS, chances=wants, keeps=False)
        return
    content = parsed(kind, body)
    if chance.random() < 0.2:
        table_of(kind, content, STRICT, LIMITS, unpacker().unpack)
        return
    table, wants = table_of(kind, content, compiled.layout, LIMITS, unpacker().unpack)
    if len(table):
        found = compiled.predict(table)
        assert len(found.labels) == len(table)
        classes = [] if compiled.classes is None else compiled.classes.tolist()
        reply(found, classes, wants_probabilities=wants)


@pytest.mark.journey
@pytest.mark.timeout(600)
def test_mutated_bodies(tmp_path: Path) -> None:
    """Each ends as an answer or as a refusal: no other exception, no lost process, no gigabyte."""
    outcomes = fuzz(__name__, CASES, tmp_path)
    assert sum(outcomes.values()) == CASES
    assert outcomes["refused"] > CASES / 4
    for kind, _ in BODIES:
        assert outcomes[kind] > CASES / 50, outcomes
