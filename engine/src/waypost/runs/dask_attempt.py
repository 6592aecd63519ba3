"""One attempt at a step on a Dask cluster: how it ended, and what remains if its worker died."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from waypost.cluster.connection import Cluster, WorkersDiedError
from waypost.cluster.tasks import FailedError, result_of
from waypost.errors import RemoteError
from waypost.runs.deaths import died_here, is_gone, no_log
from waypost.runs.executor import Ended, LostError, Work
from waypost.runs.logs import TAIL_LINES
from waypost.runs.outputs import models_in
from waypost.runs.spec import Document
from waypost.tracking.runs import COMPLETE_TAG, GIVEN_UP_TAG, outputs_in
from waypost.tracking.tracker import Tracker

_MOST_LINES = 2_000


class Owner(Protocol):
    """The executor that started an attempt."""

    @property
    def tracker(self) -> Tracker: ...

    def ended(self, work: Work) -> None:
        """Called when an attempt is over."""

    def died(self, work: Work, worker: str) -> str:
        """Notes that a worker died during an attempt; returns why there is no retry, usually empty."""


class Attempt:
    """An attempt on the cluster; `lines` are the last log lines that its worker sent."""

    values: Mapping[str, str] = {}

    def __init__(
        self, owner: Owner, cluster: Cluster, work: Work, task: Any, wanted: Mapping[str, float]
    ) -> None:
        self.work = work
        self.wanted = wanted
        self.has_begun = False
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._owner = owner
        self._cluster = cluster
        self._task = task
        self._ended: Ended | None = None

    def hear(self, lines: Iterable[str]) -> None:
        """Keeps log lines, in case the worker cannot log its file."""
        self._lines.extend(lines)

    def poll(self) -> bool:
        """Returns whether it has ended. Raises LostError if its worker died, RemoteError."""
        if self._ended is None and self._task.done():
            self._owner.ended(self.work)
            self._ended = self._outcome()
        return self._ended is not None

    def end(self) -> None:
        self._owner.ended(self.work)
        self._cluster.cancel([self._task])

    def keep_log(self) -> None:
        """Does nothing: the worker logs it."""

    def result(self) -> Ended:
        if self._ended is None:
            raise ValueError("it has not ended")
        return self._ended

    def _outcome(self) -> Ended:
        try:
            self._cluster.check(self._task)
            answer: Document = result_of(self._task.result())
        except WorkersDiedError:
            return self._given_up("")  # no worker began it
        except FailedError as error:
            cause = f"{error}; {error.hint}" if error.hint else str(error)
            return Ended(error.exit_code, cause, self._kept(no_log()))
        except RemoteError:
            raise
        except Exception as error:  # any other error is reported with its type
            return Ended(1, f"its worker failed: {type(error).__name__}: {error}", self._kept(no_log()))
        if "ended" in answer:
            return Ended(**{**answer["ended"], "models": tuple(answer["ended"]["models"])})
        if "complete" in answer:
            return self._as_recorded(answer["complete"])
        return self._given_up(answer.get("lost", ""))

    def _given_up(self, worker: str) -> Ended:
        """Gives this attempt up, unless its worker recorded its end first. Raises LostError."""
        work, tracker = self.work, self._owner.tracker
        tracker.tag(work.run_id, {GIVEN_UP_TAG: "true"})
        _, tags = tracker.state_of(work.run_id)
        if COMPLETE_TAG in tags:
            return self._as_recorded(outputs_in(tags))
        tail = self._kept(died_here(worker)) if worker else ""
        if cause := self._owner.died(work, worker):
            return Ended(1, cause, tail)
        raise LostError(is_gone(worker))

    def _kept(self, why: str) -> str:
        """Logs the lines received, with the reason as last line, unless the worker left a log; returns the
        lines to show.
        """
        text = "".join(f"{line}\n" for line in (*self._lines, why))
        self._owner.tracker.log_text_once(self.work.run_id, text, f"logs/{self.work.step.name}.log")
        return "\n".join([*self._lines][-TAIL_LINES:])

    def _as_recorded(self, found: Mapping[str, str]) -> Ended:
        """Returns the result of an attempt that was recorded before its worker died."""
        return Ended(digests=dict(found), models=models_in(self.work.step.entry_point, {}))
