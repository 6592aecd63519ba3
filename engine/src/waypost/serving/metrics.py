"""Prometheus metrics and the access log of a server, written in batches."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from waypost.texts.escaping import terminal_json

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
# Seconds: from a tenth of a millisecond, for compiled models, to ten seconds.
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SHARE_SECONDS = 0.5
_LEAST_LINES, _STEPS = 32, 8  # lines written in a step, some 3 µs each; steps of all that wait
_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


@dataclass(slots=True)
class Entry:
    """An answered request in the access log: a line of JSON. Times are in seconds, `time` since the epoch
    until the line is written; `caller` is the name of its token, `role` that of the model if there are
    several.
    """

    time: float | datetime
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
    role: str = ""


@dataclass(slots=True)
class Counts:
    """The counts of a worker: requests by `path status`, invocations by the bucket of their seconds. With
    several models also [requests, seconds] by role, model and status, and of a shadow by outcome.
    """

    requests: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))
    seconds: float = 0.0
    rows: int = 0
    errors: int = 0
    loads: int = 0
    logged: int = 0
    dropped: int = 0
    models: dict[str, list[float]] = field(default_factory=dict)
    shadow: dict[str, list[float]] = field(default_factory=dict)


_BETWEEN = "\n"  # between the parts of a key: a model's label is one line


def _add(found: dict[str, list[float]], key: Sequence[str], seconds: float, count: float = 1) -> None:
    sums = found.setdefault(_BETWEEN.join(key), [0, 0.0])
    sums[0] += count
    sums[1] += seconds


class Monitor:
    """Records requests. Workers share their counts through files in `folder`: each shows the sum. `log`
    receives the lines of the access log, if given.
    """

    def __init__(self, folder: Path, log: Callable[[bytes], None] | None) -> None:
        self._file = folder / f"{os.getpid()}.json"
        self._log = log
        self._counts = Counts()
        self._waiting: list[Entry] = []
        self._shared = 0.0

    def note(self, entry: Entry) -> None:
        """Records a request, which is counted and logged when the log is written."""
        self._waiting.append(entry)

    def _count(self, entry: Entry) -> None:
        counts = self._counts
        key = f"{entry.path} {entry.status}"
        counts.requests[key] = counts.requests.get(key, 0) + 1
        counts.rows += entry.rows
        counts.errors += entry.status >= 400
        if entry.path == "/invocations":
            counts.buckets[bisect_left(_BUCKETS, entry.seconds)] += 1
            counts.seconds += entry.seconds
            if entry.role:
                _add(counts.models, (entry.role, entry.model, str(entry.status)), entry.seconds)

    def shadowed(self, model: str, outcome: str, seconds: float) -> None:
        """Counts the outcome of a request to a shadow."""
        _add(self._counts.shadow, (model, outcome), seconds)

    def loaded(self) -> None:
        """Counts a model that was loaded."""
        self._counts.loads += 1

    def logged(self, written: int, dropped: int) -> None:
        """Records how many rows and labels the log of predictions has written, and dropped."""
        self._counts.logged, self._counts.dropped = written, dropped

    def flush(self) -> None:
        """Flushes the lines of the log, and from time to time the counts."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """Flushes in steps, between which requests can be answered."""
        size = max(_LEAST_LINES, -(-len(self._waiting) // _STEPS))
        for _ in range(0, len(self._waiting), size):
            entries, self._waiting = self._waiting[:size], self._waiting[size:]
            self._write(entries)
            yield
        if time.monotonic() > self._shared + _SHARE_SECONDS:
            self._share()

    def _write(self, entries: list[Entry]) -> None:
        """Counts requests, and writes their lines."""
        for entry in entries:
            self._count(entry)
            entry.time = datetime.fromtimestamp(entry.time, UTC)  # type: ignore[arg-type]  # not written yet
        if entries and self._log:
            lines = b"".join([orjson.dumps(entry, option=_LINE) for entry in entries])
            # Clients choose paths and ids; nearly all of them are plain ASCII.
            self._log(lines if lines.isascii() else terminal_json(lines.decode()).encode())

    def _share(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_bytes(orjson.dumps(self._counts))
        new.replace(self._file)
        self._shared = time.monotonic()

    def metrics(self, models: Mapping[str, dict[str, str]]) -> bytes:
        """Returns the Prometheus text: the metrics of all workers, and the models of this one by role."""
        from prometheus_client import CollectorRegistry, generate_latest

        self.flush()
        self._share()
        files = sorted(self._file.parent.glob("*.json"))
        counts = [Counts(**orjson.loads(file.read_bytes())) for file in files]
        registry = CollectorRegistry()
        registry.register(_Collector(counts, models))
        return generate_latest(registry)


class _Collector:
    """The counts of some workers, as a prometheus_client collector."""

    def __init__(self, counts: list[Counts], models: Mapping[str, dict[str, str]]) -> None:
        self._counts = counts
        self._models = models

    def collect(self) -> Iterator[Any]:
        """Yields the sums over all workers, as prometheus_client requires."""
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
            "waypost_log_dropped", "Rows and labels that were dropped from the log", self._sum("dropped")
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
        labels = ["role", *next(iter(self._models.values()))]
        model = GaugeMetricFamily("waypost_model", "The current models", labels=labels)
        for role, facts in self._models.items():
            model.add_metric([role, *facts.values()], 1)
        yield model
        yield from self._of_roles()

    def _of_roles(self) -> Iterator[Any]:
        """Yields the counts by model, if there are several."""
        from prometheus_client.core import CounterMetricFamily

        for name, labels, value in (
            ("models", ["role", "model", "status"], "Invocations by the model that answered"),
            ("shadow", ["model", "outcome"], "Invocations that were also sent to a shadow"),
        ):
            sums: dict[str, list[float]] = {}
            for counts in self._counts:
                for key, (count, seconds) in getattr(counts, name).items():
                    _add(sums, key.split(_BETWEEN), seconds, count)
            if sums:
                prefix = f"waypost_{name.removesuffix('s')}"
                requests = CounterMetricFamily(f"{prefix}_requests", value, labels=labels)
                taken = CounterMetricFamily(
                    f"{prefix}_seconds", "Seconds of these invocations", labels=labels
                )
                for key in sorted(sums):
                    requests.add_metric(key.split(_BETWEEN), sums[key][0])
                    taken.add_metric(key.split(_BETWEEN), sums[key][1])
                yield from (requests, taken)

    def _sum(self, name: str) -> float:
        return float(sum(getattr(counts, name) for counts in self._counts))
