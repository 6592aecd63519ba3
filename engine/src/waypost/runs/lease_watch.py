"""Whether a step on a worker is still wanted, by what the tracking server says of its runs.

A thread asks: a server that does not answer for minutes delays neither the end of a step that was cancelled
nor its time limit. Such silence is no sign that the engine is gone, so the next answer restarts the count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from waypost.tracking.connection import tracking_errors
from waypost.tracking.leases import BEAT_SECONDS, Heartbeat
from waypost.tracking.runs import GIVEN_UP_TAG, WORKER_TAG, Runs

# The last heartbeat is seen up to a look late, and its absence, too; then a step has its grace period. All of
# it takes less than two minutes.
_LOOK_SECONDS = 10.0
_SILENCE_SECONDS = 4.5 * BEAT_SECONDS


def replaced(tags: Mapping[str, str], claim: str) -> str:
    """Returns why the worker with this claim must not record an attempt, from the tags of its run; usually
    empty.
    """
    if GIVEN_UP_TAG in tags:
        return "another attempt has replaced it"
    return "" if tags.get(WORKER_TAG, claim) == claim else "another worker has begun it"


class LeaseWatch:
    """Looks every ten seconds, until it is closed, at the run of an attempt and at that of its pipeline,
    `parent`. `why` is why the attempt must stop, empty until then; `claim` is its worker's tag.
    """

    def __init__(self, runs: Runs, uri: str, parent: str, run_id: str, claim: str) -> None:
        self.why = ""
        self._runs = runs
        self._uri = uri
        self._parent = parent
        self._run_id = run_id
        self._claim = claim
        self._heartbeat = Heartbeat(_SILENCE_SECONDS)
        self._closed = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def close(self) -> None:
        """Ends the thread, at once or after the request that it waits for."""
        self._closed.set()

    def _watch(self) -> None:
        while not (self.why or self._closed.wait(_LOOK_SECONDS)):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Asks the server once; `now` is a monotonic time in seconds."""
        try:
            with tracking_errors(self._uri):
                status, tags = self._runs.state_of(self._parent)
                why = replaced(self._runs.tags_of(self._run_id), self._claim)
        except Exception:  # also what MLflow does not promise to raise: the thread must go on
            self._heartbeat = Heartbeat(_SILENCE_SECONDS)
            return
        if status != "RUNNING":
            why = "the pipeline's run is over"
        elif not self._heartbeat.is_fresh(tags, now):
            why = "the engine that started it does not respond"
        self.why = why
