"""The log of predictions: requests, answers and later labels, as Parquet.

Nothing here delays or fails an answer: rows that the disk is too slow for are dropped, and counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from waypost.errors import UsageError
from waypost.inference.compiled import Answer
from waypost.inference.layout import Layout
from waypost.inference.limits import MIB
from waypost.inference.table import Rows, Table
from waypost.serving.sampling import point
from waypost.system.liveness import process_name

if TYPE_CHECKING:
    import pyarrow as pa

REQUEST, ROW, TIME, MODEL, ROLE = "_request", "_row", "_time", "_model", "_role"
PREDICTION, CONFIDENCE, SECONDS, LABEL = "_prediction", "_confidence", "_seconds", "_label"
OURS = (REQUEST, ROW, TIME, MODEL, ROLE, PREDICTION, CONFIDENCE, SECONDS, LABEL)
PREDICTIONS, FEEDBACK = "predictions-*.parquet", "feedback-*.parquet"
_MOST_ROWS, _MOST_SECONDS = 10_000, 60.0
# Rows that wait for a slow disk must not fill the memory.
_LARGEST, _LARGEST_BYTES = 10 * _MOST_ROWS, 64 * MIB
_LABEL_BYTES = 200  # approximate size of a waiting label


@dataclass(frozen=True, slots=True)
class Answered:
    """A request with its answer: `role` is the model's, `seconds` the time to read and answer."""

    request: str
    model: str
    role: str
    seconds: float
    layout: Layout
    table: Table | Rows
    answer: Answer


class Label(NamedTuple):
    """The true label of a row of a request, as JSON."""

    request: str
    row: int
    label: str


class Journal:
    """Logs the share `share` of the requests; files appear complete in `folder`, and never change."""

    def __init__(self, folder: Path, share: float) -> None:
        self._folder = folder
        self._share = share
        self._lock = threading.Lock()
        self._answered: list[tuple[Answered, datetime]] = []
        self._labels: list[tuple[Label, datetime]] = []
        self._rows = self._bytes = 0
        self._since = time.monotonic()
        self._parts = 0
        self.written = self.dropped = 0  # rows

    def keeps(self, request: str) -> bool:
        """Returns whether a request is sampled for the log."""
        return self._share >= 1 or point(request, b"log") < self._share

    def take(self, answered: Answered) -> None:
        """Queues a request's rows, unless the queue is full."""
        rows = len(answered.table)
        if rows and self._hold(rows, answered.table.nbytes):
            self._answered.append((answered, datetime.now(UTC)))

    def lose(self, rows: int) -> None:
        """Counts rows that do not fit a table."""
        with self._lock:
            self.dropped += rows

    def label(self, labels: Sequence[Label]) -> bool:
        """Queues labels; returns whether there was room."""
        is_room = self._hold(len(labels), _LABEL_BYTES * len(labels))
        if is_room:
            now = datetime.now(UTC)
            self._labels += [(label, now) for label in labels]
        return is_room

    def _hold(self, rows: int, size: int) -> bool:
        with self._lock:
            if self._rows >= _LARGEST or self._bytes >= _LARGEST_BYTES:
                self.dropped += rows
                return False
            self._rows += rows
            self._bytes += size
            return True

    def is_due(self) -> bool:
        """Returns whether it is time to write."""
        late = time.monotonic() - self._since > _MOST_SECONDS
        return bool(self._rows) and (late or self._rows >= _MOST_ROWS or self._bytes >= _LARGEST_BYTES)

    def flush(self) -> None:
        """Writes the queue. Raises OSError if that fails: the queue is dropped."""
        with self._lock:
            answered, self._answered = self._answered, []
            labels, self._labels = self._labels, []
            waited, self._rows, self._bytes = self._rows, 0, 0
            self._since = time.monotonic()
        kept = 0
        try:
            for table in _alike([self._table(*one) for one in answered]):
                kept += self._write(PREDICTIONS, table)
            if labels:
                kept += self._write(FEEDBACK, _labels(labels))
        finally:
            self.written += kept
            self.lose(waited - kept)

    def _table(self, answered: Answered, moment: datetime) -> pa.Table | None:
        """Returns the rows of a request; none if the answer does not fit a table."""
        import pyarrow as pa

        try:
            return _rows(answered, moment)
        except (pa.ArrowException, TypeError, ValueError):
            return None

    def _write(self, pattern: str, table: pa.Table) -> int:
        import pyarrow.parquet as pq

        self._folder.mkdir(parents=True, exist_ok=True)
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        name = pattern.replace("*", f"{moment}-{process_name()}-{self._parts}")
        self._parts += 1
        new = self._folder / f".{name}"
        try:
            pq.write_table(table, new)
            new.replace(self._folder / name)
        finally:
            new.unlink(missing_ok=True)
        return int(table.num_rows)


def check_columns(layout: Layout) -> None:
    """Raises UsageError if a model's column has the name of a column of the log."""
    for name in OURS:
        if name in layout.names:
            problem = f"the model's column {name!r} has the name of a column of the log"
            raise UsageError(problem, hint="serve it without --log-predictions")


def _alike(tables: Sequence[pa.Table | None]) -> list[pa.Table]:
    """Returns tables joined by schema and model."""
    import pyarrow as pa

    found: dict[tuple[Any, ...], list[pa.Table]] = {}
    for table in tables:
        if table is not None:
            found.setdefault((table.schema, table[MODEL][0].as_py()), []).append(table)
    return [pa.concat_tables(group) for group in found.values()]


def _rows(answered: Answered, moment: datetime) -> pa.Table:
    import pyarrow as pa

    table, layout, answer = answered.table.table(), answered.layout, answered.answer
    count = len(table)
    same: Callable[[Any, Any], Any] = lambda value, kind: pa.repeat(pa.scalar(value, kind), count)  # noqa: E731
    columns: dict[str, Any] = {
        REQUEST: same(answered.request, pa.string()),
        ROW: pa.array(range(count), pa.int32()),
        TIME: same(moment, pa.timestamp("ms", tz="UTC")),
        MODEL: same(answered.model, pa.string()),
        ROLE: same(answered.role, pa.string()),
        SECONDS: same(answered.seconds, pa.float64()),
        PREDICTION: pa.array(answer.labels.tolist()),
        CONFIDENCE: pa.array(answer.probabilities.max(axis=1))
        if answer.probabilities.shape[1]
        else pa.nulls(count, pa.float64()),
    }
    for column in layout.columns:
        if column.name in table.texts:
            columns[column.name] = table.texts[column.name]
        elif column.name in layout.numbers:
            values = table.numbers[:, layout.numbers.index(column.name)]
            columns[column.name] = pa.array(values, pa.float64(), from_pandas=True)
    return pa.table(columns)


def _labels(labels: Sequence[tuple[Label, datetime]]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            REQUEST: pa.array([label.request for label, _ in labels], pa.string()),
            ROW: pa.array([label.row for label, _ in labels], pa.int32()),
            LABEL: pa.array([label.label for label, _ in labels], pa.string()),
            TIME: pa.array([moment for _, moment in labels], pa.timestamp("ms", tz="UTC")),
        }
    )
