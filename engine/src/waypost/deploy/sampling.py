"""Some of what a server is asked, kept as parquet for `waypost check-drift`."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost.deploy.compiled import Answer
from waypost.deploy.layout import Layout
from waypost.deploy.limits import MIB
from waypost.deploy.table import Rows, Table
from waypost.sources.process import process_name

if TYPE_CHECKING:
    import pyarrow as pa

PREDICTION, MODEL, TIME = "_prediction", "_model", "_time"
_MOST_ROWS, _MOST_SECONDS = 10_000, 60.0
# What waits for a disk that does not answer must not fill the memory.
_LARGEST, _LARGEST_BYTES = 10 * _MOST_ROWS, 64 * MIB


class Sampler:
    """Takes each request with the probability `rate`; files appear whole in `folder`, never change."""

    def __init__(self, folder: Path, rate: float) -> None:
        self._folder = folder
        self._rate = rate
        self._lock = threading.Lock()
        self._waiting: list[tuple[Table | Rows, Answer, str, Layout, datetime]] = []
        self._rows = self._bytes = 0
        self._since = time.monotonic()
        self._written = 0

    def take(self, table: Table | Rows, answer: Answer, model: str, layout: Layout) -> None:
        """Keeps a request's rows, by chance."""
        if not len(table) or random.random() >= self._rate:  # noqa: S311 (a sample, no secret)
            return
        with self._lock:
            if self._rows < _LARGEST and self._bytes < _LARGEST_BYTES:
                self._waiting.append((table, answer, model, layout, datetime.now(UTC)))
                self._rows += len(table)
                self._bytes += table.nbytes

    def is_due(self) -> bool:
        """Tells whether it is time to write."""
        late = time.monotonic() - self._since > _MOST_SECONDS
        return bool(self._rows) and (late or self._rows >= _MOST_ROWS or self._bytes >= _LARGEST_BYTES)

    def flush(self) -> None:
        """Writes what waits into files, one for each model."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._rows = self._bytes = 0
            self._since = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        for model in dict.fromkeys(model for _, _, model, _, _ in waiting):
            tables = [_arrow(*entry) for entry in waiting if entry[2] == model]
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
            name = f"{moment}-{process_name()}-{self._written}.parquet"
            self._written += 1
            new = self._folder / f".{name}"
            pq.write_table(pa.concat_tables(tables), new)
            new.replace(self._folder / name)


def _arrow(rows: Table | Rows, answer: Answer, model: str, layout: Layout, moment: datetime) -> pa.Table:
    import pyarrow as pa

    table = rows.table()
    columns: dict[str, Any] = {}
    for column in layout.columns:
        if column.name in table.texts:
            columns[column.name] = table.texts[column.name]
        elif column.kind != "other":
            values = table.numbers[:, layout.numbers.index(column.name)]
            columns[column.name] = pa.array(values, pa.float64(), from_pandas=True)
    count = len(table)
    columns[PREDICTION] = pa.array(answer.labels.tolist())
    columns[MODEL] = pa.array([model] * count)
    columns[TIME] = pa.array([moment] * count, pa.timestamp("ms", tz="UTC"))
    return pa.table(columns)
