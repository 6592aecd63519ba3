"""Tables of strangers for `score`: a small Parquet file does not become gigabytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from waypost.batch import cutting, long_texts
from waypost.batch.cutting import parts
from waypost.batch.inputs import Listing
from waypost.batch.long_texts import rows_at_once
from waypost.batch.readers import Input
from waypost.contracts.mlmodel import Column
from waypost.inference.layout import Layout, TableError

LAYOUT = Layout((Column(name="a", type="double"), Column(name="t", type="string")))
ROWS = 3000


def written(file: Path, entry: str, *, store_schema: bool) -> Input:
    """A stranger's file that says a text once for all rows: of a column of the model, and of an id."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int32()), pa.array([entry]))
    table = pa.table({"a": [1.0] * ROWS, "t": texts, "id": texts})
    pq.write_table(table, file, compression="zstd", store_schema=store_schema)
    return Input(Listing(str(file)), LAYOUT, ("id",))


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_kilobyte_that_becomes_gigabytes_is_refused(tmp_path: Path, store_schema: bool) -> None:
    """What texts become is known before they are made; fewer rows at once can be read, and are whole."""
    given = written(tmp_path / "x.parquet", "x" * 1_000_000, store_schema=store_schema)
    before = pa.total_allocated_bytes()
    with pytest.raises(
        TableError, match=r"x.parquet: column 't': the texts of 3,000 rows are more than 512"
    ) as told:
        list(given.batches())
    assert "--part-rows" in told.value.hint
    assert pa.total_allocated_bytes() - before < 64 << 20
    given.batch_rows = 50
    batch, _ = next(given.batches())
    assert batch["id"][49].as_py() == "x" * 1_000_000


def test_texts_of_a_usual_length_are_read_as_before(tmp_path: Path) -> None:
    """Neither types nor values change, whether texts are stored as a dictionary or not."""
    given = written(tmp_path / "x.parquet", "x" * 10, store_schema=False)
    [(batch, share)] = given.batches()
    assert (batch.num_rows, share) == (ROWS, (tmp_path / "x.parquet").stat().st_size)
    assert batch.schema.field("t").type == pa.string()
    assert batch["t"].to_pylist() == ["x" * 10] * ROWS


ENCODINGS = ["PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]


def undictionaried(file: Path, texts: list[str], encoding: str, *, store_schema: bool = True) -> Input:
    """A file whose texts are no dictionaries: pages of them, compressed."""
    table = pa.table({"a": [1.0] * len(texts), "t": texts})
    pq.write_table(
        table,
        file,
        use_dictionary=False,
        column_encoding={"a": "PLAIN", "t": encoding},
        compression="zstd",
        store_schema=store_schema,
    )
    return Input(Listing(str(file)), LAYOUT)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_pages_that_become_too_much_are_refused(
    tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts that are stored small in any other way: refused with file, column and limit, on the way there."""
    monkeypatch.setattr(long_texts, "MOST_TEXT_BYTES", 8 << 20)
    monkeypatch.setattr(long_texts, "_FEW_ROWS", 16)
    monkeypatch.setattr(long_texts, "_ENOUGH_BYTES", 1 << 20)
    monkeypatch.setattr(cutting, "MOST_PART_BYTES", 16 << 20)
    given = undictionaried(tmp_path / "x.parquet", ["x" * 50_000] * ROWS, encoding)
    assert (tmp_path / "x.parquet").stat().st_size < 50_000
    with pytest.raises(
        TableError, match=r"x.parquet: column 't': the texts of \d+ rows are more than 16 MiB"
    ):
        list(parts(given, 16_384))
    assert max(batch.nbytes for batch, _ in given.batches()) < 8 << 20
    assert sum(table.num_rows for table, _ in parts(given, 100)) == ROWS


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_wide_texts_are_read_whole(tmp_path: Path, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of long texts that is honest is read in smaller steps, and is the same."""
    texts = [f"{i} " + "x" * 2_000 for i in range(1_000)]
    given = undictionaried(tmp_path / "x.parquet", texts, encoding)
    usual = list(parts(given, 300))
    monkeypatch.setattr(long_texts, "MOST_TEXT_BYTES", 1 << 20)
    monkeypatch.setattr(long_texts, "_ENOUGH_BYTES", 100_000)
    small = list(parts(given, 300))
    assert [table.num_rows for table, _ in small] == [300, 300, 300, 100]
    assert [table.combine_chunks() for table, _ in small] == [table.combine_chunks() for table, _ in usual]
    assert pa.concat_tables(table for table, _ in small)["t"].to_pylist() == texts


def test_a_part_of_csv_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are large, and compressed to nothing, do not fill a part without end."""
    monkeypatch.setattr(cutting, "MOST_PART_BYTES", 4 << 20)
    with gzip.open(tmp_path / "x.csv.gz", "wt") as file:
        file.write("a,t\n" + f"1,{'x' * 100_000}\n" * 100)
    given = Input(Listing(str(tmp_path / "x.csv.gz")), LAYOUT)
    with pytest.raises(TableError, match=r"x.csv.gz: column 't': the texts of \d+ rows are more than 4 MiB"):
        list(parts(given, 16_384))
    assert [table.num_rows for table, _ in parts(given, 20)] == [20] * 5


def test_texts_within_lists_count(tmp_path: Path) -> None:
    """An id of any type is bounded: lists of texts as texts are; a column's name may have a dot."""
    texts = ["x" * 1000] * ROWS
    table = pa.table({"a": [1.0] * ROWS, "t": ["x"] * ROWS, "id": [[text] for text in texts], "i.d": texts})
    pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False)
    facts = pq.read_metadata(tmp_path / "x.parquet")
    assert rows_at_once(facts, ["a", "t"], 8192) == 8192
    for name in ("id", "i.d"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(long_texts, "MOST_TEXT_BYTES", 1 << 20)
            assert rows_at_once(facts, ["a", "t", name], 8192) == 256
