"""Requests that are kept: what waits for the disk is bounded in rows and in bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from waypost.contracts.mlmodel import Column
from waypost.deploy.compiled import Answer
from waypost.deploy.layout import Layout
from waypost.deploy.limits import MIB
from waypost.deploy.sampling import Sampler
from waypost.deploy.table import Rows, Table

LAYOUT = Layout((Column(name="a", type="double"), Column(name="t", type="string")))


def answer(rows: int) -> Answer:
    return Answer(np.zeros(rows), np.empty((rows, 0)))


def test_long_texts_fill_no_memory(tmp_path: Path) -> None:
    """Few rows with long texts are due as soon as many rows are; what the disk does not follow is dropped."""
    sampler = Sampler(tmp_path / "kept", 1.0)
    rows = Rows([(1.0,)], [("x" * 16 * MIB,)], LAYOUT)
    for _ in range(3):
        sampler.take(rows, answer(1), "m", LAYOUT)
    assert not sampler.is_due()
    table = Table(np.ones((2, 1)), {"t": pa.array(["x" * 16 * MIB, None])})
    for _ in range(20):
        sampler.take(table, answer(2), "m", LAYOUT)
    assert sampler.is_due()
    sampler.flush()
    assert not sampler.is_due()
    (file,) = (tmp_path / "kept").glob("*.parquet")
    assert pq.read_metadata(file).num_rows == 5
