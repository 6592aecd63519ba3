"""Tables of strangers for `score`: a small Parquet file does not become gigabytes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from waypost.contracts.mlmodel import Column
from waypost.deploy.layout import Layout, TableError
from waypost.deploy.reading import Input, Listing

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
    with pytest.raises(TableError, match=r"x.parquet: the texts of 3,000 rows are more than 512 MiB") as told:
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
