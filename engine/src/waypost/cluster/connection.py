"""A connection to a Dask cluster: its workers, their resources, and whether versions match.

Resources on Dask: `CPU` is a core, `MEMORY_MB` a MiB of memory, `GPU` a device. `waypost worker` declares
them. A task that asks for more than any worker has waits forever, so callers compare first
(`Worker.resources`).
"""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import dask.config
from distributed import CancelledError, Client, Future, KilledWorker, wait
from distributed.versions import VersionMismatchWarning, get_versions

from waypost.cluster.security import Role, Tls, check_encrypted, check_reachable, context_of, parse_address
from waypost.cluster.tasks import Document, FailedError, Target, call_of, installed, result_of
from waypost.cluster.versions import OF_WORKERS, Versions, differences
from waypost.errors import Finding, FindingsError, RemoteError, WaypostError
from waypost.system.daemon_threads import started

T = TypeVar("T")
CPU, MEMORY, GPU = "CPU", "MEMORY_MB", "GPU"
SECONDS = 10.0
"""Timeout of a connection."""
WAIT_SECONDS = 60.0
"""How long to wait for a first worker: for a job or a machine that has just been started."""
_PAUSE_SECONDS = 0.5
_ANSWER_SECONDS = 60.0
"""Timeout of an answer from the scheduler, which may be busy with the tasks of others."""
TTL = "distributed.scheduler.worker-ttl"
_CLOSING_SECONDS = 5.0
_LOGGERS = ("distributed", "distributed.client", "tornado.application")
_AGAIN = "finished work is kept; run the same command to continue"
_START = "start one: waypost worker {address}"


@dataclass(frozen=True)
class Worker:
    """A worker process: `address` is where it is reached, `name` what people call it.

    `memory` is its limit in bytes (0: none); `resources` are the worker's totals, in use or not.
    """

    address: str
    name: str
    host: str
    threads: int
    memory: int
    resources: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def slots(self) -> int:
        """Number of one-core tasks that it runs at the same time."""
        return max(1, min(self.threads, int(self.resources.get(CPU, self.threads))))

    def has(self, wanted: Mapping[str, float]) -> bool:
        """Returns whether its total resources are enough."""
        return all(self.resources.get(name, 0.0) >= amount for name, amount in wanted.items())


class WorkersDiedError(WaypostError):
    """A task was given up because too many workers died while it ran."""

    def __init__(self, error: KilledWorker) -> None:
        limit = error.last_worker.memory_limit
        memory = f": the limit is {limit >> 20:,} MiB" if limit else ""
        super().__init__(
            f"{error.allowed_failures + 1} workers died while it ran, the last one being"
            f" {error.last_worker.name}; the usual cause is memory{memory}"
        )


class Cluster:
    """A reachable scheduler and its workers. Any thread may call it except Dask's event loop."""

    def __init__(self, client: Client, address: str) -> None:
        self.client = client
        self.address = address

    @property
    def is_there(self) -> bool:
        """Whether the scheduler answers. Once it has not, all earlier tasks are lost."""
        return bool(self.client.status == "running")

    def check_there(self) -> None:
        """Raises RemoteError if the scheduler is gone."""
        if not self.is_there:
            said = f"{self.address}: the scheduler is gone"
            raise RemoteError(said, hint=_AGAIN)

    def workers(self) -> list[Worker]:
        """Returns the current workers, sorted by name. Raises RemoteError if the scheduler is gone."""
        found = self._ask(lambda: self.client.scheduler_info(n_workers=-1)["workers"])
        workers = [_worker(address, said) for address, said in found.items()]
        return sorted(workers, key=lambda worker: (worker.name, worker.address))

    def some_workers(self, seconds: float = 0.0, say: Callable[[str], None] = lambda _: None) -> list[Worker]:
        """Returns the workers; if there are none yet, reports that and waits at most `seconds` for the first.
        Raises RemoteError if none comes: tasks would wait in silence.
        """
        until = time.monotonic() + seconds
        is_told = False
        while not (found := self.workers()):
            if time.monotonic() >= until:
                waited = f"; none came within {seconds:g} s" if seconds else ""
                said = f"{self.address}: the scheduler has no workers{waited}"
                raise RemoteError(said, hint=_START.format(address=self.address))
            if not is_told:
                said = f"{self.address}: the scheduler has no workers yet"
                say(f"{said}; waiting up to {seconds:g} s for one")
                is_told = True
            time.sleep(min(_PAUSE_SECONDS, max(until - time.monotonic(), 0.0)))
        return found

    def check_versions(self, packages: Iterable[str] = ()) -> None:
        """Raises FindingsError if versions differ from ours: Python and Dask on the scheduler and workers,
        Waypost and `packages` on workers; or if a worker does not answer.
        """
        wanted = [*OF_WORKERS, *packages]
        said = self._each(self.workers(), partial(get_versions, wanted), SECONDS)
        silent = {worker.name: error for worker, error in said.items() if isinstance(error, WaypostError)}
        theirs = {w.name: found["packages"] for w, found in said.items() if w.name not in silent}
        found = differences(installed(wanted), self._schedulers(wanted), theirs, packages)
        found += [Finding(f"worker {name}", str(error)) for name, error in sorted(silent.items())]
        if found:
            raise FindingsError(found)

    def check_scheduler(self) -> None:
        """Raises FindingsError if the scheduler's version of Python or Dask differs from ours."""
        if found := differences(installed(), self._schedulers(OF_WORKERS), {}):
            raise FindingsError(found)

    def _schedulers(self, packages: Iterable[str]) -> Versions:
        wanted = list(packages)
        return dict(
            self._ask(lambda: self.client.run_on_scheduler(get_versions, packages=wanted)["packages"])
        )

    def worker_ttl(self) -> str | None:
        """Returns the time after which a silent worker is given up, from the scheduler's configuration."""
        found = self._ask(lambda: self.client.run_on_scheduler(dask.config.get, TTL, default=None))
        return None if found is None else str(found)

    def submit(
        self,
        key: str,
        target: Target,
        document: Document,
        *,
        resources: Mapping[str, float] | None = None,
        workers: Iterable[str] | None = None,
        priority: int = 0,
    ) -> Future:
        """Starts a task under its own key; `result_of(future.result())` is its result.

        Args: `workers` are the addresses of the workers that may run it, None for all.
        """
        return self.client.submit(
            call_of(target, document),
            key=key,
            resources=dict(resources or {}) or None,
            workers=list(workers) if workers is not None else None,
            priority=priority,
            pure=False,
        )

    def ask_each(
        self, workers: Iterable[Worker], target: Target, document: Document, seconds: float
    ) -> dict[Worker, Any]:
        """Returns the result of a function on each worker, busy or not; for an error or no answer in time,
        the WaypostError that says so.
        """
        texts = self._each(workers, _beside(call_of(target, document)), seconds)
        return {
            worker: said if isinstance(said, WaypostError) else _result(said)
            for worker, said in texts.items()
        }

    def _each(self, workers: Iterable[Worker], call: Callable[[], Any], seconds: float) -> dict[Worker, Any]:
        """Returns the result of a call on each worker, or a WaypostError; one that has stopped delays
        nobody.
        """

        def ask(worker: Worker) -> Any:
            try:
                return self.client.run(call, workers=[worker.address])[worker.address]
            except (OSError, KeyError) as error:
                return WaypostError(f"it is gone: {_line(error)}")
            except Exception as error:  # whatever a worker's Python raises is its answer
                return WaypostError(f"{type(error).__name__}: {_line(error)}")

        self.check_there()
        answers = {worker: started(partial(ask, worker)) for worker in workers}
        futures.wait(answers.values(), seconds)
        self.check_there()
        silent = WaypostError(f"no answer within {seconds:g} s")
        return {worker: found.result() if found.done() else silent for worker, found in answers.items()}

    def wait(self, tasks: Iterable[Future], seconds: float) -> set[Future]:
        """Returns the tasks that have ended, after the first of them or after `seconds`."""
        waiting = list(tasks)
        if not waiting:
            time.sleep(seconds)
            return set()
        # Dask cancels all tasks once their scheduler is gone.
        with contextlib.suppress(TimeoutError, CancelledError), self.client.as_current():
            wait(waiting, timeout=seconds, return_when="FIRST_COMPLETED")
        return {task for task in waiting if task.done()}

    def check(self, task: Future) -> None:
        """Raises the error of a task that has ended: RemoteError if the scheduler is or was gone,
        WorkersDiedError, or the error that its function raised.
        """
        if task.status == "finished":
            return
        self.check_there()
        if task.status != "error":
            said = f"{self.address}: the scheduler was gone"
            raise RemoteError(said, hint=_AGAIN)
        error = task.exception()
        if isinstance(error, KilledWorker):
            raise WorkersDiedError(error)
        raise error

    def cancel(self, tasks: Iterable[Future]) -> None:
        """Cancels tasks that have not begun; running ones continue."""
        if self.is_there:
            with contextlib.suppress(OSError):
                self.client.cancel(list(tasks))

    def _ask(self, call: Callable[[], T]) -> T:
        """Returns the scheduler's answer. Raises RemoteError if it is gone, or silent for too long."""
        self.check_there()
        try:
            return started(call).result(_ANSWER_SECONDS)
        except TimeoutError as error:
            self.check_there()
            said = f"{self.address}: the scheduler has not answered for {_ANSWER_SECONDS:g} s"
            raise RemoteError(said, hint=_AGAIN) from error
        except (OSError, KeyError) as error:  # Dask's answer lacks its keys if the connection breaks
            self.check_there()
            raise RemoteError(f"{self.address}: {_line(error)}") from error


@contextlib.contextmanager
def connected(
    address: str,
    tls: Tls | None = None,
    *,
    role: Role = "client",
    warn: Callable[[str], None] = lambda _: None,
    seconds: float = SECONDS,
) -> Iterator[Cluster]:
    """Yields a connection to a cluster.

    Raises UsageError for an address or certificates that cannot be used, and RemoteError with the reason, in
    one line, if no scheduler answers.
    """
    place = parse_address(address)
    check_encrypted(place, warn)
    security = (tls or Tls()).security(role)
    check_reachable(place, context_of(place, security, role), seconds)
    for name in _LOGGERS:  # we report the same in our own words
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # `check_versions` reports it
            client = Client(str(place), security=security, timeout=seconds, set_as_default=False)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        said = _line(error) or type(error).__name__
        raise RemoteError(f"{place}: not a Dask scheduler: {said}") from error
    try:
        yield Cluster(client, str(place))
    finally:
        client.close(timeout=_CLOSING_SECONDS)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _worker(address: str, said: Mapping[str, Any]) -> Worker:
    return Worker(
        address,
        str(said["name"]),
        str(said["host"]),
        int(said["nthreads"]),
        int(said["memory_limit"] or 0),
        dict(said["resources"] or {}),
    )


def _result(text: str) -> Any:
    try:
        return result_of(text)
    except FailedError as error:
        return error


def _beside(call: Callable[[], str]) -> Callable[[], Any]:
    """Returns a call that does not block the event loop in which a worker answers its scheduler."""

    async def beside() -> str:
        import asyncio

        return await asyncio.to_thread(call)

    return beside
