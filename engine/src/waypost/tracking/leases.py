"""Leases: which run computes a step key right now. All runs of a tracking server agree on it by tags alone.

MLflow has no locks. What it offers: once a tag is set, every search that begins later sees it. So a run
*requests* a key by a tag on the pipeline's run, and searches for others with that tag. It *holds* the key
once a search found none: of two runs, the one that set its tag later saw the other. Of several concurrent
requests, the smallest run id stays, and the others withdraw until no smaller id requests the key: so the
smallest is soon alone, however many there are (docs/decisions/0019).

The states of a key, as one run sees it: not requested → requested → held → released. Invariant: a run holds a
key only after a search that began when its own tag was set, and that found no other living run with the tag.
Two runs cannot both have made that search: their tags were set one after the other, and the later one's
search sees the earlier tag. What is not promised: that a run presumed dead (no heartbeat for two minutes, on
another machine) has stopped. Two runs may then compute one key; both give the same result, and only a
finished step is reused.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waypost.system.liveness import is_alive, lives_here

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

OWNER_TAG = "waypost.process"
"""The process of a run: it tells machines apart without their names, which anybody reads on MLflow's page."""
_LEASE_TAG = "waypost.computes"
_BEAT_TAG = "waypost.seen"
_REQUESTED, _HELD = "asked", "held"
BEAT_SECONDS = 20.0
# After this long without a heartbeat, a run on another machine is presumed dead.
_SILENCE_SECONDS = 6 * BEAT_SECONDS


class Heartbeat:
    """The heartbeat of a run's process, observed from another machine.

    Clocks of two machines may differ: what counts is whether it changes while we watch.
    """

    def __init__(self, silence: float = 0.0) -> None:
        self._silence = silence or _SILENCE_SECONDS
        self._seen: str | None = None
        self._since = 0.0

    def is_fresh(self, tags: Mapping[str, str], now: float) -> bool:
        """Returns whether the heartbeat among a run's tags has changed recently."""
        heartbeat = tags.get(_BEAT_TAG, "")
        if heartbeat != self._seen:
            self._seen, self._since = heartbeat, now
        return now - self._since < self._silence


@dataclass(frozen=True)
class Holder:
    """The pipeline run that computes a key, and its user."""

    run_id: str
    user: str


class Leases:
    """The keys that the pipeline runs of one experiment compute right now."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._requested: set[tuple[str, str]] = set()
        self._held: set[tuple[str, str]] = set()
        self._heartbeats: defaultdict[str, Heartbeat] = defaultdict(Heartbeat)
        self._last_beat = time.monotonic()
        self._beating: tuple[str, ...] = ()

    def acquire(self, run_id: str, key: str) -> Holder | None:
        """Requests the lease of a key for a pipeline run; returns None once it is granted, else its holder.

        The caller retries until the lease is granted or another run has finished the key.
        """
        mine = (run_id, key)
        if mine in self._held:
            return None
        if mine not in self._requested:
            # While another run holds the lease, or one with priority requests it, we make no request.
            if holder := _before(self._other_runs(run_id, key), run_id, key):
                return holder
            self._client.set_tag(run_id, _tag(key), _REQUESTED)
            self._requested.add(mine)
        # This search begins after our tag was set: it finds every run that set its tag before.
        others = self._other_runs(run_id, key)
        if not others:
            self._client.set_tag(run_id, _tag(key), _HELD)
            self._held.add(mine)
            return None
        # The smallest run id stays, the others withdraw. All of them see the same order, so exactly one
        # stays.
        if holder := _before(others, run_id, key):
            self._withdraw(run_id, key)
        # MLflow reads runs first, then their tags: one may be gone by now, and the key is not ours yet.
        return holder or _holder(others[0])

    def release(self, run_id: str, key: str) -> None:
        """Releases the lease of a key, or withdraws the request for it."""
        if (run_id, key) in self._requested:
            self._withdraw(run_id, key)

    def _withdraw(self, run_id: str, key: str) -> None:
        from mlflow.exceptions import MlflowException

        self._requested.discard((run_id, key))
        self._held.discard((run_id, key))
        with contextlib.suppress(MlflowException):  # already gone: the response was lost, not the request
            self._client.delete_tag(run_id, _tag(key))

    def renew(self, run_ids: Iterable[str]) -> None:
        """Sends the heartbeat of these runs for other machines, at most once per interval."""
        self._beating = tuple(run_ids)
        if time.monotonic() - self._last_beat > BEAT_SECONDS:
            self._beat()

    def _beat(self) -> None:
        for run_id in self._beating:
            self._client.set_tag(run_id, _BEAT_TAG, str(int(time.time())))
        self._last_beat = time.monotonic()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Sends the heartbeat of the runs renewed last, too, while the caller is busy for longer than the
        interval: it uploads a large file, say.
        """
        over = threading.Event()

        def beat() -> None:
            while not over.wait(BEAT_SECONDS / 2):
                if time.monotonic() - self._last_beat > 2 * BEAT_SECONDS:
                    with contextlib.suppress(Exception):  # the caller's own requests report it
                        self._beat()

        threading.Thread(target=beat, daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _other_runs(self, run_id: str, key: str) -> list[Run]:
        # Our own run is excluded: its tags, one for each of ten thousand steps, would all be transferred.
        others = f"attributes.run_id != '{run_id}'"
        query = f"tags.`{_tag(key)}` != '' AND attributes.status = 'RUNNING' AND {others}"
        found = self._client.search_runs([self._experiment_id], query, max_results=1000)
        return [run for run in found if self._is_alive(run)]

    def _is_alive(self, run: Run) -> bool:
        known = is_alive_here(run)
        if known is not None:
            return known
        return self._heartbeats[run.info.run_id].is_fresh(run.data.tags, time.monotonic())


def is_alive_here(run: Run) -> bool | None:
    """Returns whether the process of a run exists on this machine, None if it runs on another."""
    name = run.data.tags.get(OWNER_TAG, "")
    host, _, pid = name.rpartition(":")  # as 1.0 and 1.1 wrote it
    if host:
        return is_alive(int(pid)) if host == socket.gethostname() else None
    return lives_here(name)


def _tag(key: str) -> str:
    return f"{_LEASE_TAG}.{key[:16]}"


def _before(runs: Iterable[Run], run_id: str, key: str) -> Holder | None:
    """Returns the run with priority: the holder of the lease, else the smallest id if smaller than ours."""
    asking = sorted(runs, key=lambda run: str(run.info.run_id))
    holding = [run for run in asking if run.data.tags.get(_tag(key)) == _HELD]
    first = next(iter(holding or asking), None)
    return _holder(first) if first and (holding or first.info.run_id < run_id) else None


def _holder(run: Run) -> Holder:
    return Holder(str(run.info.run_id), run.data.tags.get("mlflow.user", ""))
