"""A CSV that is cut: rows from the middle of it are those of the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from waypost.batch import csv_cuts
from waypost.batch.inputs import Listing
from waypost.batch.readers import Input
from waypost.contracts.mlmodel import Column
from waypost.inference.layout import Layout, TableError

ROWS = 300
LAYOUT = Layout((Column(name="size", type="double"), Column(name="city", type="string")))
TEXT = "size,city,note\n" + "".join(
    f'{number}.5,"Ort ä{number}","{"x" * (number % 7)}\n""{number}"""\n' for number in range(ROWS)
)
FORMS = {
    "plain": TEXT.encode(),
    "mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "cp1252": TEXT.encode("cp1252"),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "no last line feed": TEXT.rstrip("\n").encode(),
    "blank lines": TEXT.replace('"\n1', '"\n\n\n1').encode() + b"\n\n",
    "without quotes": TEXT.replace('"', "").replace("x\n", "x").replace(",\n", ",").encode(),
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_cuts, "LEAST_BYTES", 100)


def read(place: Path, content: bytes, carried: tuple[str, ...] = ("note",)) -> Input:
    place.write_bytes(content)
    found = Input(Listing(str(place)), LAYOUT, carried)
    found.check()
    return found


def rows(batches: Iterator[tuple[pa.RecordBatch, int]]) -> list[Any]:
    return list(pa.Table.from_batches([batch for batch, _ in batches]).to_pylist())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("carried", [("note",), ("city",), ()])
def test_rows_from_the_middle(tmp_path: Path, form: str, carried: tuple[str, ...]) -> None:
    """However a file is written, and whatever is carried over: the rows between two numbers are those of the
    whole file, on a machine that is told where it may be cut.
    """
    given = read(tmp_path / "t.csv", FORMS[form], carried)
    expected = rows(given.batches())
    assert sum(given.groups()) == len(expected) == ROWS
    assert len(given.groups()) > 30
    there = Input(Listing.of(given.files.url, given.sources), LAYOUT, carried)
    there = there.knowing(given.begins, given.kept_types, cuts=given.cuts)
    for first, stop in ((0, ROWS), (0, 1), (7, 9), (100, 257), (ROWS - 1, ROWS)):
        assert rows(there.between(first, stop)) == expected[first:stop]


def test_rows_of_several_files(tmp_path: Path) -> None:
    """Rows are numbered through all files, whichever of them is cut where."""
    (tmp_path / "in").mkdir()
    for name in "abc":
        (tmp_path / "in" / f"{name}.csv").write_bytes(FORMS["plain"])
    given = Input(Listing(str(tmp_path / "in")), LAYOUT)
    given.check()
    expected = rows(given.batches())
    assert sum(given.groups()) == 3 * ROWS
    assert rows(given.between(ROWS - 5, 2 * ROWS + 5)) == expected[ROWS - 5 : 2 * ROWS + 5]


def test_what_is_wrong_is_named_as_ever(tmp_path: Path) -> None:
    """A value that is no number has the number of its row in the file, from wherever reading begins; a reader
    that begins or ends beside it may meet it, too, and names it alike.
    """
    given = read(tmp_path / "t.csv", TEXT.replace("120.5,", "much,").encode())
    with pytest.raises(TableError, match="row 120") as expected:
        rows(given.batches())
    assert given.groups()
    for first, stop in ((0, ROWS), (120, 121), (90, 200), (121, 123), (118, 120)):
        with pytest.raises(TableError) as caught:
            rows(given.between(first, stop))
        assert (str(caught.value), caught.value.row) == (str(expected.value), 120)
    assert len(rows(given.between(0, 90))) == 90
    assert len(rows(given.between(200, ROWS))) == ROWS - 200


@pytest.mark.parametrize("least", [200, 1 << 20])
def test_a_line_that_is_no_row(tmp_path: Path, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted as one, and found where it is read: an error that says between which rows, and no row
    gets another's number.
    """
    monkeypatch.setattr(csv_cuts, "LEAST_BYTES", least)
    given = read(tmp_path / "t.csv", TEXT.replace("\n121.5,", "\n121.5,more,").encode())
    assert sum(given.groups()) == ROWS
    for first, stop in ((100, 200), (0, ROWS), (121, 122), *([(0, 9)] if least > 200 else [])):
        with pytest.raises(TableError, match="is not a row") as caught:
            rows(given.between(first, stop))
        before, after = map(int, re.findall(r"row (\d+)", str(caught.value)))
        assert before <= 121 <= after


def test_a_file_that_changes(tmp_path: Path) -> None:
    """Where other rows stand than were counted, that is an error."""
    given = read(tmp_path / "t.csv", FORMS["without quotes"])
    assert given.groups()
    (tmp_path / "t.csv").write_bytes(FORMS["without quotes"].replace(b"5,Ort", b"5\n7,Ort", 1))
    with pytest.raises(TableError):
        rows(given.between(0, 20))


@pytest.mark.parametrize(
    ("name", "lenient", "layout"),
    [("t.csv.gz", False, LAYOUT), ("t.csv", True, LAYOUT), ("t.csv", False, Layout(()))],
)
def test_what_has_no_groups(tmp_path: Path, name: str, lenient: bool, layout: Layout) -> None:
    """What is packed; where lines that are no rows are skipped; where types are guessed from first rows."""
    import gzip

    content = FORMS["plain"]
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    given = Input(Listing(str(tmp_path / name)), layout, lenient=lenient)
    assert given.groups() == []
