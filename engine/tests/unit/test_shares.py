"""Which parts of a table are one task on a cluster, and what is said of them."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from waypost.batch.cluster_job import (
    ENDS_BYTES,
    ends_digest,
    parse_types,
    spooled,
    types_text,
    unspooled,
)
from waypost.batch.cutting import cut, parts
from waypost.batch.inputs import Listing
from waypost.batch.pieces import Problem
from waypost.batch.readers import Input
from waypost.batch.shares import shares
from waypost.contracts.mlmodel import Column
from waypost.inference.layout import Layout

LAYOUT = Layout((Column(name="a", type="double"),))


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any),
    st.integers(1, 30),
    st.integers(1, 8),
    st.data(),
)
def test_each_wanted_part_is_in_one_task(
    groups: list[int], size: int, slots: int, data: st.DataObject
) -> None:
    """Whatever the row groups are, tasks are runs of parts that have each wanted one once, in order."""
    count = -(-sum(groups) // size)
    wanted = data.draw(st.sets(st.integers(0, count - 1)))
    found = list(shares(groups, size, wanted, slots))
    assert [number for share in found for number in share] == sorted(wanted)
    assert all(share == list(range(share[0], share[-1] + 1)) for share in found)


def test_tasks_begin_where_row_groups_do() -> None:
    """Row groups of a sensible size are read by one task each; a large one is cut, small ones are put
    together.
    """
    every = range(1000)
    assert list(shares([20] * 20, 10, every, 2)) == [[i, i + 1, i + 2, i + 3] for i in range(0, 40, 4)]
    assert list(shares([100] * 4, 10, every, 2)) == [list(range(i, i + 5)) for i in range(0, 40, 5)]
    assert [len(share) for share in shares([1_000_000], 1000, every, 2)] == [125] * 8
    assert [len(share) for share in shares([10] * 1000, 10, every, 2)] == [63] * 15 + [55]
    one = list(shares([16_384 * 640], 16_384, range(640), 2))
    assert max(len(share) * 16_384 for share in one) <= 2 << 20


def files(folder: Path) -> Input:
    """Returns an input of three files, one without rows, in row groups of seven."""
    for name, count in (("a", 25), ("b", 0), ("c", 40)):
        table = pa.table({"a": [float(i) for i in range(count)], "k": [f"{name}{i}" for i in range(count)]})
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=7)
    found = Input(Listing(str(folder)), LAYOUT, ("k",))
    found.check()
    return found


def test_a_range_of_rows_is_what_all_rows_have_there(tmp_path: Path) -> None:
    """Any part read alone has the rows that it has when all is read; each row's file and number are known."""
    table = files(tmp_path)
    whole = [part for part, _ in parts(table, 8)]
    assert sum(table.groups()) == 65
    for first in range(len(whole)):
        for last in range(first, len(whole)):
            read = cut(table.between(first * 8, min((last + 1) * 8, 65)), 8, table)
            assert [part for part, _ in read] == whole[first : last + 1]
    assert table.place_of(24) == ("a.parquet", 24)
    assert table.place_of(25) == ("c.parquet", 0)


def test_a_listing_and_types_are_the_same_elsewhere(tmp_path: Path) -> None:
    """Another machine gets the files and the types of columns as they were found, and looks nothing up."""
    table = files(tmp_path)
    table.groups()
    sources = [dataclasses.replace(source) for source in table.sources]
    there = dataclasses.replace(table, files=Listing.of(str(tmp_path), sources))
    known = there.knowing(table.begins, parse_types(types_text(table.kept_types)))
    assert known.kept_types == {"k": pa.string()}
    assert [batch.num_rows for batch, _ in known.between(20, 30)] == [5, 5]


def test_rows_that_are_read_here_arrive_as_they_are() -> None:
    """Rows that lie in a file for a worker come with what is known of them, whatever columns are called."""
    rows = pa.table({"\0a": ["x", None], "a": [1.0, None]})
    problems = {7: Problem(3, "a", "no number")}
    assert unspooled(spooled(rows, [0, 5], problems)) == (rows, [0, 5], problems)


def test_how_a_file_begins_and_ends_tells_it_from_others() -> None:
    """A file that differs at one end is another one; a short one is read once."""
    content = bytes(3 * ENDS_BYTES)
    digest = ends_digest(io.BytesIO(content), len(content))
    assert digest == ends_digest(io.BytesIO(content), len(content))
    assert digest != ends_digest(io.BytesIO(content[:-1] + b"x"), len(content))
    assert ends_digest(io.BytesIO(b"ab"), 2) == ends_digest(io.BytesIO(b"ab"), 2)
