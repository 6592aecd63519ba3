"""Where a CSV may be cut: ranges that hold the rows that Arrow's reader finds, or no cut at all."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv

from waypost.batch import csv_cuts
from waypost.batch.csv_cuts import Cuts, cuts_of
from waypost.inference.dialect import Dialect


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_cuts, "LEAST_BYTES", 3)


def cuts(content: bytes, **dialect: str) -> Cuts | None:
    return cuts_of(io.BytesIO(content), len(content), Dialect(**dialect))


def read(content: bytes) -> tuple[list[dict[str, str]], int]:
    """Returns the rows of a CSV as texts, and how many lines are none."""
    malformed: list[str] = []

    def skip(row: csv.InvalidRow) -> str:
        malformed.append(row.text)
        return "skip"

    table = csv.read_csv(
        pa.BufferReader(content),
        parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(column_types={"a": pa.string(), "b": pa.string()}),
    )
    return table.to_pylist(), len(malformed)


def test_ranges_are_whole_rows() -> None:
    """Each range ends behind a line feed that ends a row; all of them are the file but for its header."""
    content = b'a,b\n1,2\n"x\ny",3\n\n4,"5 ""inch"""\r\n6,7'
    found = cuts(content)
    assert found
    assert content[: found.header] == b"a,b\n"
    begins = [found.header, *found.ends[:-1]]
    ranges = [content[begin:end] for begin, end in zip(begins, found.ends, strict=True)]
    assert ranges == [b"1,2\n", b'"x\ny",3\n', b'\n4,"5 ""inch"""\r\n', b"6,7"]
    assert found.rows == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "content",
    [
        b'a,b\n1,5" pipe\n2,"x\ny"\n',  # this quote is a letter: then even means within quotes
        b'a,b\n1, "x\n2,y"\n',
        b"a,b\r1,2\r",
        b"a,b\n1,2\r3,4\n",
        b'a,b\n1,"2\n',
        b"a,b",
        b"",
        b"\n\n",
        b"\xef\xbb\xbf",
    ],
)
def test_what_is_not_cut(content: bytes) -> None:
    """A quote in the middle of a value, a lone carriage return, quotes without an end, no header."""
    assert cuts(content) is None


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "iso2022_jp", "shift_jis", "x"]
)
def test_encodings_that_are_not_cut(encoding: str) -> None:
    """In them a byte of a separator, quote or line feed may be a part of another letter."""
    assert cuts(b"a,b\n1,2\n", encoding=encoding) is None


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "latin-1", "cp1252", "ascii", "iso-8859-15"])
def test_encodings_that_are_cut(encoding: str) -> None:
    """In them such a byte is always that sign."""
    assert cuts(b"a,b\n1,2\n", encoding=encoding) == Cuts(header=4, rows=(1,), ends=(8,))


def test_a_byte_order_mark_is_of_the_header() -> None:
    """Quotes behind the mark open a value, and the first range begins behind the header."""
    assert cuts(b'\xef\xbb\xbf"a",b\n1,2\n') == Cuts(header=9, rows=(1,), ends=(13,))


def test_separators() -> None:
    """A quote opens a value behind the file's own separator only."""
    assert cuts(b'a;b\n1;"x\ny"\n', separator=";")
    assert cuts(b'a;b\n1,"x\ny"\n', separator=";") is None
    assert cuts(b"a,b\n", separator='"') is None


def test_which_ranges_hold_rows() -> None:
    """(first byte, byte behind the last, first row, rows) of the ranges that have rows of a range."""
    found = Cuts(header=4, rows=(2, 3, 1), ends=(10, 20, 30))
    assert found.holding(range(6)) == (4, 30, 0, 6)
    assert found.holding(range(1, 2)) == (4, 10, 0, 2)
    assert found.holding(range(2, 4)) == (10, 20, 2, 3)
    assert found.holding(range(4, 6)) == (10, 30, 2, 4)


@given(
    st.lists(st.sampled_from(["a", ",", '"', "\n", "\r\n", '""', ' "', "x,y\n", '"x\ny",\n']), max_size=16)
)
def test_ranges_read_as_arrow_reads_the_whole(parts: list[str]) -> None:
    """Whatever stands in a file: where it is cut, header and range give the rows of the whole file, in order,
    and so many were counted, lines that are no rows among them.
    """
    content = ("a,b\n" + "".join(parts)).encode()
    found = cuts(content)
    if found is None:
        return
    try:
        expected = read(content)
    except pa.ArrowInvalid:
        return
    rows, malformed, begin = [], 0, found.header
    for count, end in zip(found.rows, found.ends, strict=True):
        some, wrong = read(content[: found.header] + content[begin:end])
        assert len(some) + wrong == count, content
        rows += some
        malformed += wrong
        begin = end
    assert (rows, malformed) == expected
    assert not content[begin:].strip()
