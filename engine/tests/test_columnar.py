"""Parquet and Arrow bodies: what they become is bounded, whatever they say of themselves."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests import parquet_lies as lies
from tests.test_protocol import FRAME, LAYOUT, NAMES
from waypost.contracts.mlmodel import Column
from waypost.inference.columnar import ARROW, PARQUET, read_columnar
from waypost.inference.layout import Layout, TableError
from waypost.inference.limits import MIB, Limits
from waypost.inference.table import Table
from waypost.serving.unpacking import Unpacker

SMALL = Layout((Column(name="a", type="double"), Column(name="t", type="string", required=False)))
LIMITS = Limits(rows=2000, bytes=16 * MIB)
LONG = "x" * MIB


def parquet(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", **options)
    return out.getvalue()


def stream(table: pa.Table, compression: str | None = "zstd", rows: int | None = None) -> bytes:
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return out.getvalue()


def repeated(rows: int = 64, kind: Any = None) -> pa.Table:
    """Returns a table in which each row says one long text."""
    words = pa.array([LONG]).cast(kind or pa.string())
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), words)
    return pa.table({"a": [1.0] * rows, "t": texts})


def plain(rows: int = 64) -> pa.Table:
    return repeated(rows).set_column(1, "t", repeated(rows)["t"].cast(pa.string()))


def views(rows: int = 64) -> pa.Table:
    """Returns a table of views, each of the same long text."""
    one = pa.array([LONG, LONG]).cast(pa.string_view())
    kept = one.buffers()
    view = np.tile(np.frombuffer(kept[1], np.int32).reshape(-1, 4)[:1], (rows, 1))
    texts = pa.Array.from_buffers(pa.string_view(), rows, [None, pa.py_buffer(view), *kept[2:]])
    return pa.table({"a": [1.0] * rows, "t": texts})


@pytest.fixture(scope="module")
def unpacker() -> Iterator[Unpacker]:
    """Processes that unpack."""
    found = Unpacker(1, 20.0)
    yield found
    found.end()


BOMBS: dict[str, tuple[str, bytes]] = {
    "parquet with a dictionary": (PARQUET, parquet(repeated())),
    "parquet that was written from texts": (PARQUET, parquet(plain(), store_schema=False)),
    "parquet with plain pages": (PARQUET, parquet(plain(), use_dictionary=False)),
    "parquet with long texts": (PARQUET, parquet(repeated(kind=pa.large_string()))),
    "arrow with a dictionary": (ARROW, stream(repeated())),
    "arrow with a dictionary of long texts": (ARROW, stream(repeated(kind=pa.large_string()))),
    "arrow in many batches": (ARROW, stream(repeated(), rows=10)),
    "arrow with views": (ARROW, stream(views())),
}


@pytest.mark.parametrize("name", BOMBS)
def test_texts_are_counted_before_they_are_written_out(name: str) -> None:
    """Some kilobytes that stand for 64 MiB of text: 413, before memory is taken for them."""
    before = pa.total_allocated_bytes()
    with pytest.raises(TableError, match="the body is larger than 16 MiB when unpacked") as error:
        read_columnar(*BOMBS[name], SMALL, LIMITS)
    assert error.value.status == 413
    assert "fewer rows" in error.value.hint
    assert pa.total_allocated_bytes() - before < 16 * MIB


def test_what_a_body_says_within_the_limits_is_read() -> None:
    """Dictionaries, views, long texts, deltas, compression, other number types: the values are the same."""
    words = pa.array(["u", None, "wörter", "u"])
    texts = {
        "dictionary": words.dictionary_encode(),
        "dictionary of long texts": words.cast(pa.large_string()).dictionary_encode(),
        "views": words.cast(pa.string_view()),
        "long": words.cast(pa.large_string()),
        "sliced": pa.concat_arrays([pa.array(["zzz"]), words])[1:].cast(pa.string_view()),
    }
    numbers = [pa.array([1, 2, 3, 4], kind) for kind in (pa.int8(), pa.float32(), pa.decimal128(5, 2))]
    for number in (*numbers, pa.array([1.0, 2, 3, 4]).dictionary_encode()):
        for text in texts.values():
            table = pa.table({"a": number, "t": text})
            bodies = [(ARROW, stream(table)), (ARROW, stream(table, None, rows=3))]
            if not pa.types.is_dictionary(number.type):
                bodies += [(PARQUET, parquet(table)), (PARQUET, parquet(table, store_schema=False))]
            for body in bodies:
                assert_same(read_columnar(*body, SMALL, LIMITS), words)
    flat = pa.table({"a": [1.0, 2, 3, 4], "t": words})
    options: list[dict[str, Any]] = [
        {"use_dictionary": False, "column_encoding": {"t": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": False, "column_encoding": {"t": "DELTA_LENGTH_BYTE_ARRAY"}},
        {"row_group_size": 1},
        {"data_page_version": "2.0", "data_page_size": 1},
    ]
    for option in options:
        assert_same(read_columnar(PARQUET, parquet(flat, **option), SMALL, LIMITS), words)


def assert_same(table: Table, words: pa.Array) -> None:
    np.testing.assert_array_equal(table.numbers, [[1.0], [2], [3], [4]])
    assert table.texts["t"].equals(words)


def odd_types() -> dict[str, pa.Array]:
    return {
        "run_end": pc.run_end_encode(pa.array([1.0] * 3)),
        "timestamp": pa.array([1, 2, 3], pa.timestamp("us")),
        "list": pa.array([[1.0]] * 3),
        "list_view": pa.array([[LONG]] * 3, pa.list_view(pa.string())),
        "struct": pa.array([{"x": 1.0}] * 3),
        "map": pa.array([[("k", 1.0)]] * 3, pa.map_(pa.string(), pa.float64())),
        "dictionary<values=list": pa.DictionaryArray.from_arrays(pa.array([0, 0, 0]), pa.array([[1.0]])),
        "dictionary<values=string_view": pa.DictionaryArray.from_arrays(
            pa.array([0, 0, 0]), pa.array(["x"]).cast(pa.string_view())
        ),
        "binary": pa.array([b"\xff"] * 3),
        "duration": pa.array([1, 2, 3], pa.duration("s")),
        "fixed_size_binary": pa.array([b"abcd"] * 3, pa.binary(4)),
        "dense_union": pa.UnionArray.from_dense(
            pa.array([0, 0, 0], pa.int8()), pa.array([0, 0, 0], pa.int32()), [pa.array([1.0])]
        ),
    }


@pytest.mark.parametrize("column", ["a", "t"])
@pytest.mark.parametrize("name", odd_types())
def test_other_types_are_refused_before_they_are_read(name: str, column: str) -> None:
    """Runs, lists, dates and whatever else is no number and no text: a 400 that names column and type."""
    other = "t" if column == "a" else "a"
    table = pa.table({column: odd_types()[name], other: pa.nulls(3)})
    noun = "text" if column == "t" else "number"
    with pytest.raises(
        TableError, match=rf"column '{column}': (extension<)?{name}.* is not a {noun} type"
    ) as error:
        read_columnar(ARROW, stream(table), SMALL, LIMITS)
    assert (error.value.status, error.value.column) == (400, column)


def test_other_columns_are_not_unpacked() -> None:
    """Columns that the model does not know may be of any type and size: they are not read."""
    more = {"big": repeated(3)["t"], "runs": odd_types()["run_end"], "list": odd_types()["list"]}
    table = pa.table({"a": [1.0, 2.0, 3.0], **more})
    limits = Limits(rows=10, bytes=MIB)
    assert len(read_columnar(ARROW, stream(table), SMALL, limits)) == 3
    assert len(read_columnar(PARQUET, parquet(table.drop_columns("runs")), SMALL, limits)) == 3


def test_columns_are_limited_by_the_schema() -> None:
    """Thousands of columns, one of the model's twice, none of the model's: told before any is read."""
    wide = pa.table({f"c{i}": [1.0] for i in range(2000)} | {"a": [1.0]})
    twice = pa.Table.from_arrays([pa.array([1.0])] * 2, ["a", "a"])
    optional = Layout((Column(name="a", type="double", required=False),))
    for write, kind in ((parquet, PARQUET), (stream, ARROW)):
        with pytest.raises(TableError, match="2,001 columns; 1,000 are the limit"):
            read_columnar(kind, write(wide), SMALL, LIMITS)
        with pytest.raises(TableError, match="column 'a' appears twice"):
            read_columnar(kind, write(twice), SMALL, LIMITS)
        with pytest.raises(TableError, match="the body has none of the model's columns"):
            read_columnar(kind, write(pa.table({"b": [1.0]})), optional, LIMITS)


def test_texts_are_utf8() -> None:
    """Bytes that are no text are refused, in a column and in a dictionary of one."""
    bad = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    for text in (bad, bad.dictionary_encode()):
        table = pa.table({"a": [1.0], "t": text})
        for kind, body in ((PARQUET, parquet(table)), (ARROW, stream(table, None))):
            with pytest.raises(TableError, match=r"(?i)utf.?8"):
                read_columnar(kind, body, SMALL, LIMITS)


CONTENT, FOOTER = lies.taken_apart(parquet(pa.table({"a": [1.0] * 10}), store_schema=False))


def with_footer(**changes: Any) -> bytes:
    return lies.put_together(
        CONTENT, FOOTER | {getattr(lies, name): value for name, value in changes.items()}
    )


def with_groups(count: int = 1, **changes: Any) -> bytes:
    group = lies.group(FOOTER) | {getattr(lies, name): value for name, value in changes.items()}
    return with_footer(GROUPS=(lies.LIST, (lies.STRUCT, [group] * count)))


def with_schema(*entries: lies.Struct) -> bytes:
    return with_footer(SCHEMA=(lies.LIST, (lies.STRUCT, list(entries))))


NESTED = [lies.element("g", children=1)] * 19_000
TINY = (lies.LIST, (lies.STRUCT, [{2: (lies.I64, 4)}] * 19_000))
LIES: dict[str, Callable[[], bytes]] = {
    "few rows": lambda: with_footer(ROWS=(lies.I64, 1)),
    "many rows": lambda: with_footer(ROWS=(lies.I64, 2**60)),
    "negative rows": lambda: with_footer(ROWS=(lies.I64, -5)),
    "groups of many rows": lambda: with_groups(GROUP_ROWS=(lies.I64, 2**40)),
    "groups of few rows": lambda: with_groups(GROUP_ROWS=(lies.I64, 1)),
    "nested groups": lambda: with_schema(
        lies.element("root", children=1), *NESTED, lies.element("a", kind=5)
    ),
    "a group of many": lambda: with_schema(
        lies.element("root", children=2**31 - 1), lies.element("a", kind=5)
    ),
    "columns of nothing": lambda: with_groups(40, COLUMNS=TINY),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_end_neither_the_server_nor_its_memory(unpacker: Unpacker, name: str) -> None:
    """Footers that lie, one of which ends whoever reads it by a full stack: answered or refused, and the
    next body is read.
    """
    assert status_of(unpacker, PARQUET, LIES[name]()) in (200, 400, 413)
    assert status_of(unpacker, PARQUET, parquet(pa.table({"a": [1.0]}))) == 200
    assert peak_of(unpacker) < 600


def status_of(unpacker: Unpacker, kind: str, body: bytes) -> int:
    try:
        unpacker.unpack(kind, body, SMALL, LIMITS)
    except TableError as error:
        return error.status
    return 200


def peak_of(unpacker: Unpacker) -> int:
    """Returns the largest size that any of the processes had, in MiB."""
    files = [Path(f"/proc/{companion._process.pid}/status") for companion in unpacker._idle]
    lines = [line for file in files for line in file.read_text().splitlines()]
    return max(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def pages_of_deltas() -> bytes:
    """Returns 600 MiB of text of which each repeats the one before."""
    out = io.BytesIO()
    table = plain(50)
    encoding = {"t": "DELTA_BYTE_ARRAY"}
    with pq.ParquetWriter(
        out, table.schema, use_dictionary=False, column_encoding=encoding, compression="zstd"
    ) as writer:
        for _ in range(12):
            writer.write_table(table)
    return out.getvalue()


def one_page() -> bytes:
    """Returns 450 MiB of text in a single page; each text is another one, so that no dictionary helps."""
    texts = [f"{number:04}{LONG}" for number in range(450)]
    table = pa.table({"a": [1.0] * 450, "t": texts})
    return parquet(table, use_dictionary=False, write_statistics=False, data_page_size=1 << 30)


def one_text(size: int = 600 * MIB) -> pa.Table:
    offsets = pa.py_buffer(np.array([0, size], np.int32))
    text = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(bytes(size))])
    return pa.table({"a": [1.0], "t": text})


@pytest.mark.parametrize("name", ["deltas", "a page", "a buffer"])
def test_what_only_decoding_tells_meets_the_limit_of_memory(unpacker: Unpacker, name: str) -> None:
    """600 MiB in a delta, a compressed page or a compressed buffer: 413, and the process stays small."""
    bodies = {
        "deltas": lambda: (PARQUET, pages_of_deltas()),
        "a page": lambda: (PARQUET, one_page()),
        "a buffer": lambda: (ARROW, stream(one_text())),
    }
    kind, body = bodies[name]()
    assert len(body) < 100_000
    assert status_of(unpacker, kind, body) == 413
    assert status_of(unpacker, PARQUET, parquet(pa.table({"a": [1.0]}))) == 200
    assert peak_of(unpacker) < 600


def test_a_process_reads_as_this_one_does(unpacker: Unpacker) -> None:
    """What the other process sends is the table, to the last bit; its errors keep status, column and row."""
    table = pa.Table.from_pandas(FRAME)
    for kind, body in ((PARQUET, parquet(table)), (ARROW, stream(table))):
        there = unpacker.unpack(kind, body, LAYOUT, LIMITS)
        here = read_columnar(kind, body, LAYOUT, LIMITS)
        np.testing.assert_array_equal(there.numbers, here.numbers)
        assert there.numbers.flags.f_contiguous
        assert there.texts == here.texts
    empty = unpacker.unpack(ARROW, stream(table[:0]), LAYOUT, LIMITS)
    assert (len(empty), list(empty.texts)) == (0, ["city"])
    numbers = Layout((Column(name="a", type="double"),))
    assert unpacker.unpack(ARROW, stream(pa.table({"a": [2.0]})), numbers, LIMITS).numbers.tolist() == [[2.0]]
    wrong = table.set_column(NAMES.index("rooms"), "rooms", pa.array([1.0, 2.5, 3.0]))
    with pytest.raises(
        TableError, match=r"column 'rooms', row 1: long: 2\.5 is not a valid whole number"
    ) as error:
        unpacker.unpack(PARQUET, parquet(wrong), LAYOUT, LIMITS)
    assert (error.value.column, error.value.row, error.value.status) == ("rooms", 1, 400)


def test_a_process_that_falls_or_takes_too_long_is_replaced(unpacker: Unpacker) -> None:
    """A process that was ended while idle is not missed; one that takes too long is ended."""
    body = parquet(pa.table({"a": [1.0]}))
    unpacker.unpack(PARQUET, body, SMALL, LIMITS)
    unpacker._idle[0]._process.kill()
    unpacker._idle[0]._process.wait()
    assert len(unpacker.unpack(PARQUET, body, SMALL, LIMITS)) == 1
    hurried = Unpacker(1, 0.01)
    began = time.monotonic()
    with pytest.raises(TableError, match=r"could not be read within 0\.01 s"):
        hurried.unpack(PARQUET, body, SMALL, LIMITS)
    assert time.monotonic() - began < 10
    assert hurried._idle == []
