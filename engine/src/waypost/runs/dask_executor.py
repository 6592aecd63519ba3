"""Steps on the workers of a Dask cluster. Planning, keys, leases, index and recording stay in the engine.

A Dask task is one attempt at a step, below its own run; its key names that run. Nothing is executed twice,
whatever Dask does after deaths (`on_worker.py`): a second execution reports which worker began the first,
that attempt is given up, and the engine opens the next.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from waypost.cluster.connection import WAIT_SECONDS, Worker, connected
from waypost.cluster.security import Tls
from waypost.cluster.tasks import Target
from waypost.contracts.plan import PlannedStep
from waypost.contracts.schedule_line import Capacity
from waypost.errors import Finding, FindingsError, redacted
from waypost.runs.cluster_checks import (
    WorkerReport,
    amounts,
    findings,
    resources_of,
    secrets_in,
    worker_report,
)
from waypost.runs.dask_attempt import Attempt, Order
from waypost.runs.deaths import (
    MOST_DEATHS,
    MOST_STOPS,
    Memory,
    left_out,
    nobody_has_room,
    runs_again,
    stopped_too_often,
    too_many,
)
from waypost.runs.events import Reporter
from waypost.runs.executor import Available, Executor, Site, Work
from waypost.runs.preflight import Options, digests
from waypost.runs.prepare import Prepared
from waypost.runs.spec import argument_documents, spec_of
from waypost.runs.uploads import Uploads, local_files
from waypost.sources.memo import Memo
from waypost.tracking.tracker import Tracker

_LOOK_AROUND = Target("waypost.runs.probe", "look_around")
_PROBE_SECONDS = 60.0
_LOOK_SECONDS = 5.0


def on_cluster(tls: Tls | None = None, wait: float = WAIT_SECONDS) -> Site:
    """Returns the executor factory for the cluster in the options; waits `wait` seconds for a first
    worker.
    """

    def site(temp: Path, memo: Memo, options: Options, reporter: Reporter) -> Executor:  # noqa: ARG001 (part of the port)
        return DaskExecutor(memo, options, reporter, tls, wait)

    return site


class DaskExecutor:
    """An `Executor`: the workers of a cluster, until the connection closes."""

    is_elsewhere = True

    def __init__(
        self, memo: Memo, options: Options, reporter: Reporter, tls: Tls | None, wait: float
    ) -> None:
        self._memo = memo
        self._options = options
        self._reporter = reporter
        self._wait = wait
        self._stack = contextlib.ExitStack()
        self._cluster = self._stack.enter_context(connected(options.on, tls, warn=reporter.warn))
        self._uploads = Uploads(memo, reporter.say, upload=options.upload)
        self._asked: list[tuple[Prepared, tuple[PlannedStep, ...]]] = []
        self._workers: list[Worker] = []
        self._environments: dict[int, Mapping[str, str]] = {}
        self._tracker: Tracker | None = None
        self._topic = f"waypost-{uuid.uuid4().hex}"
        self._something = threading.Event()
        self._heard: deque[Mapping[str, Any]] = deque(maxlen=10_000)
        self._running: dict[str, Attempt] = {}
        self._deaths: dict[tuple[str, str], list[str]] = {}
        self._stops: Counter[tuple[str, str]] = Counter()
        self._memory: dict[tuple[str, str], Memory] = {}
        self._left_out: dict[str, str] = {}
        self._told: set[str] = set()
        self._looked = time.monotonic()

    def prepare(self, prepared: Prepared, missing: Iterable[PlannedStep]) -> None:
        """Notes the work to do; `announce` reports everything that prevents it at once."""
        self._asked.append((prepared, tuple(missing)))

    def announce(self, tracker: Tracker) -> None:
        """Asks all workers for their resources and state. Raises FindingsError, RemoteError."""
        self._tracker = tracker
        self._workers = self._cluster.some_workers(self._wait, self._reporter.say)
        problems: list[Finding] = []
        reports: list[WorkerReport] = []
        if self._options.wheels:
            problem = "a bundle brings its own wheels, which the workers of a cluster do not have"
            problems.append(Finding("command line", problem, "run the release from its tag: URL@VERSION"))
        try:
            self._cluster.check_versions()
            reports = self._look_around(tracker)
        except FindingsError as error:
            problems += error.findings
        resources = {
            step.name: resources_of(prepared.pipeline, step.name, self._workers)
            for prepared, missing in self._asked
            for step in missing
        }
        problems += findings(resources, self._workers, reports)
        problems += {each: None for prepared, _ in self._asked for each in secrets_in(prepared.plan)}
        if problems:
            raise FindingsError(problems)
        self._cluster.client.subscribe_topic(self._topic, self._hear)

    def _look_around(self, tracker: Tracker) -> list[WorkerReport]:
        files: dict[str, str] = {}
        names: set[str] = set()
        for prepared, _ in self._asked:
            names |= prepared.variables.keys()
            if not self._options.upload:
                files |= local_files(prepared, self._memo)
        document = {
            "host": socket.gethostname(),
            "store": redacted(tracker.uri),
            "experiment_id": tracker.experiment_id,
            "experiment": tracker.experiment,
            "files": files,
            "variables": sorted(names),
        }
        answers = self._cluster.ask_each(self._workers, _LOOK_AROUND, document, _PROBE_SECONDS)
        return [worker_report(worker.name, answer) for worker, answer in answers.items()]

    def capacity(self, jobs: int) -> Capacity:
        """Returns how many steps the workers take at once; Dask decides which worker has room."""
        return Capacity(jobs or self._slots)

    def available(self, *, gpus: bool) -> Available:  # noqa: ARG002 (part of the port)
        """Returns the current number of places: workers join and leave."""
        return Available(places=None if self._options.jobs else self._slots)

    @property
    def _slots(self) -> int:
        return max(1, sum(worker.slots for worker in self._places))

    @property
    def _places(self) -> list[Worker]:
        """The workers that get steps of this run."""
        return [worker for worker in self._workers if worker.name not in self._left_out]

    @property
    def _addresses(self) -> list[str] | None:
        """Addresses of the workers that may execute a step, None: all, including later ones."""
        return [worker.address for worker in self._places] if self._left_out else None

    def take_gpus(self, holder: str, count: int) -> bool:  # noqa: ARG002 (part of the port)
        return True  # the worker assigns them

    def give_back(self, holder: str) -> None:
        """Does nothing: no GPUs were taken here."""

    def start(self, work: Work) -> Attempt:
        """Submits an attempt to the cluster."""
        prepared, tracker = work.prepared, self.tracker
        if id(prepared) not in self._environments:
            self._environments[id(prepared)] = digests(prepared, self._options.env)
        spec = spec_of(
            work,
            self._uploads.code(work, tracker),
            argument_documents(work.step, work.inputs, self._uploads.files(work, tracker)),
            environment=self._environments[id(prepared)][work.step.name],
            own=self._options.env == "local",
            store=tracker.uri,
            experiment_id=tracker.experiment_id,
            topic=self._topic,
            debug=self._options.debug,
            fork=self._options.fork,
        )
        wanted = resources_of(prepared.pipeline, work.step.name, self._workers)
        # The deepest step of a sweep goes first: runs end one after the other, not all at the end.
        depth = len(prepared.plan.needed_for([work.step.name]))
        key = f"{work.step.name}-{work.key[:12]}-{work.run_id}"
        order = Order(key, spec.document(), wanted, depth)
        running = self._running[work.run_id] = Attempt(self, self._cluster, work, order)
        running.submit(self._addresses)
        return running

    def wait(self, seconds: float) -> None:
        """Waits for messages from workers. Raises RemoteError if the scheduler is gone."""
        self._something.wait(seconds)
        self._something.clear()
        self._cluster.check_there()
        while self._heard:
            self._note(self._heard.popleft())
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._workers = self._cluster.workers()
            self._move()
            self._tell_who_waits()

    def close(self) -> None:
        """Ends everything that runs: workers learn at once that nobody waits for it."""
        try:
            for running in list(self._running.values()):
                running.end()
        finally:
            self._stack.close()

    @property
    def tracker(self) -> Tracker:
        """Where steps log to. Raises ValueError before `announce`."""
        if self._tracker is None:
            raise ValueError("no tracker was announced")
        return self._tracker

    def ended(self, work: Work) -> None:
        """Called when an attempt is over."""
        self._running.pop(work.run_id, None)
        self._told.discard(work.run_id)

    def died(self, work: Work, worker: str) -> str:
        """Notes that a worker died during an attempt; returns why there is no retry, usually empty."""
        step = (work.parent, work.step.name)
        workers = self._deaths.setdefault(step, [])
        workers.append(worker)
        if len(workers) < MOST_DEATHS:
            return ""
        return too_many(work.step.name, workers, self._memory.get(step, Memory()))

    def stopped(self, work: Work, why: str) -> str:
        """Notes that a worker stopped an attempt; returns why there is no retry, usually empty."""
        step = (work.parent, work.step.name)
        self._stops[step] += 1
        return stopped_too_often(work.step.name, why) if self._stops[step] >= MOST_STOPS else ""

    def leave_out(self, work: Work, worker: str, why: str) -> str:
        """Gives a worker no more steps; returns why there is no retry, usually empty."""
        if worker not in self._left_out:
            self._reporter.say(left_out(worker, why))
        self._left_out[worker] = why
        self._workers = self._cluster.workers()
        wanted = resources_of(work.prepared.pipeline, work.step.name, self._workers)
        if any(place.has(wanted) for place in self._places):
            return ""
        return nobody_has_room([*self._left_out], why)

    def hear_of_end(self) -> None:
        self._something.set()

    def _move(self) -> None:
        """Resubmits steps of lost workers to the current workers."""
        there = [worker.address for worker in self._workers]
        for running in self._running.values():
            if self._places and running.is_stuck(there):
                running.submit(self._addresses)

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """Receives a worker's message, in Dask's own thread."""
        self._heard.append(event[1])
        self._something.set()

    def _note(self, news: Mapping[str, Any]) -> None:
        running = self._running.get(str(news.get("run_id")))
        if running is None:
            return
        work = running.work
        if news.get("began"):
            running.has_begun = True
            if work.lost:
                self._reporter.say(runs_again(work.step.name, work.lost, str(news["name"])))
        if "memory" in news:
            self._memory[work.parent, work.step.name] = Memory(int(news["memory"]), int(news["limit"]))
        lines = [str(line) for line in news.get("lines", ())]
        running.hear(lines)
        for line in lines:
            self._reporter.step_said(work.step.name, line)
        if said := news.get("said"):
            self._reporter.say(f"{work.step.name}, {news['name']}: {said}")

    def _tell_who_waits(self) -> None:
        """Reports why steps that no worker can take are waiting: nothing waits in silence."""
        for running in self._running.values():
            work = running.work
            if (
                not running.has_begun
                and not any(worker.has(running.order.wanted) for worker in self._places)
                and work.run_id not in self._told
            ):
                self._told.add(work.run_id)
                needed = amounts(running.order.wanted) or "room"
                there = f"no worker has {needed} now" if self._places else "there are no workers any more"
                self._reporter.say(f"{work.step.name}: {there}; it waits for one")
