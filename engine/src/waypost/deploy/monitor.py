"""What is known of a server's requests: Prometheus metrics and the access log, written some at a time."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from waypost.contracts.escaping import terminal_json

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
# Seconds: from a tenth of a millisecond, where a compiled model answers, to ten seconds.
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SHARE_SECONDS = 0.5
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


@dataclass(slots=True)
class Entry:
    """A request that was answered, as the access log has it: a line of JSON. Times are in seconds; `caller`
    is the name of the token that was brought.
    """

    time: datetime
    id: str
    client: str
    method: str
    path: str
    model: str
    status: int = 200
    seconds: float = 0.0
    rows: int = 0
    parse: float = 0.0
    validate: float = 0.0
    predict: float = 0.0
    problem: str = ""
    caller: str = ""


@dataclass(slots=True)
class Counts:
    """What a worker has counted: requests by `path status`, invocations by the bucket of their seconds."""

    requests: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))
    seconds: float = 0.0
    rows: int = 0
    errors: int = 0
    loads: int = 0
    logged: int = 0
    dropped: int = 0


class Monitor:
    """Takes note of requests. Workers share their counts by files in `folder`: each shows the sum.

    `log` gets the access log's lines; without one there is none.
    """

    def __init__(self, folder: Path, log: Callable[[bytes], None] | None) -> None:
        self._file = folder / f"{os.getpid()}.json"
        self._log = log
        self._counts = Counts()
        self._waiting: list[Entry] = []
        self._shared = 0.0

    def note(self, entry: Entry) -> None:
        """Takes note of a request."""
        counts = self._counts
        key = f"{entry.path} {entry.status}"
        counts.requests[key] = counts.requests.get(key, 0) + 1
        counts.rows += entry.rows
        counts.errors += entry.status >= 400
        if entry.path == "/invocations":
            counts.buckets[bisect_left(_BUCKETS, entry.seconds)] += 1
            counts.seconds += entry.seconds
        if self._log:
            self._waiting.append(entry)

    def loaded(self) -> None:
        """Takes note of a model that was loaded."""
        self._counts.loads += 1

    def logged(self, written: int, dropped: int) -> None:
        """Takes note of how many rows and labels the log of predictions has, and does not have."""
        self._counts.logged, self._counts.dropped = written, dropped

    def flush(self) -> None:
        """Writes down what was noted: the log's lines, and now and then the counts."""
        entries, self._waiting = self._waiting, []
        if entries and self._log:
            lines = b"".join([orjson.dumps(entry, option=_LINE) for entry in entries])
            # Paths and ids are whatever a client sends; nearly all of them are plain ASCII.
            self._log(lines if lines.isascii() else terminal_json(lines.decode()).encode())
        if time.monotonic() > self._shared + _SHARE_SECONDS:
            self._share()

    def _share(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_bytes(orjson.dumps(self._counts))
        new.replace(self._file)
        self._shared = time.monotonic()

    def metrics(self, model: dict[str, str]) -> bytes:
        """Returns Prometheus' text: the figures of all workers, and which model this one answers with."""
        from prometheus_client import CollectorRegistry, generate_latest

        self._share()
        files = sorted(self._file.parent.glob("*.json"))
        counts = [Counts(**orjson.loads(file.read_bytes())) for file in files]
        registry = CollectorRegistry()
        registry.register(_Shown(counts, model))
        return generate_latest(registry)


class _Shown:
    """The counts of some workers, as prometheus_client collects them."""

    def __init__(self, counts: list[Counts], model: dict[str, str]) -> None:
        self._counts = counts
        self._model = model

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily("waypost_requests", "Requests", labels=["path", "status"])
        for key in sorted({key for counts in self._counts for key in counts.requests}):
            requests.add_metric(key.split(" "), sum(counts.requests.get(key, 0) for counts in self._counts))
        yield requests
        yield CounterMetricFamily("waypost_rows", "Rows that were answered", self._sum("rows"))
        yield CounterMetricFamily("waypost_errors", "Requests refused or failed", self._sum("errors"))
        yield CounterMetricFamily("waypost_model_loads", "Models that workers loaded", self._sum("loads"))
        yield CounterMetricFamily("waypost_logged", "Rows and labels that were logged", self._sum("logged"))
        yield CounterMetricFamily(
            "waypost_log_dropped", "Rows and labels that the log lacks", self._sum("dropped")
        )
        reached = 0
        steps = []
        for bound, *found in zip((*_BUCKETS, "+Inf"), *(c.buckets for c in self._counts), strict=True):
            reached += sum(found)
            steps.append((str(bound), reached))
        latency = HistogramMetricFamily(
            "waypost_request_seconds", "Seconds from an invocation's arrival to its answer"
        )
        latency.add_metric([], steps, self._sum("seconds"))
        yield latency
        model = GaugeMetricFamily("waypost_model", "The model that answers", labels=list(self._model))
        model.add_metric(list(self._model.values()), 1)
        yield model

    def _sum(self, name: str) -> float:
        return float(sum(getattr(counts, name) for counts in self._counts))
