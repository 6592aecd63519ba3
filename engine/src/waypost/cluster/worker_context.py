"""What a task can ask about the worker that executes it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

import dask.config
import psutil
from distributed import Status, get_worker
from distributed.worker import thread_state

_MIB = 1 << 20


class WorkerContext:
    """The worker that executes a task; use it from the task's own thread."""

    def __init__(self) -> None:
        self._worker = get_worker()
        self._key = getattr(thread_state, "key", "")

    @property
    def name(self) -> str:
        return str(self._worker.name)

    @property
    def limit_mb(self) -> int:
        """The worker's memory limit in MiB; 0 if there is none."""
        return int(self._worker.memory_manager.memory_limit or 0) // _MIB

    @property
    def why_unwanted(self) -> str:
        """Why nobody waits for this task any more, empty while somebody does: its client is connected and did
        not cancel it, and the worker has its scheduler.
        """
        if self._worker.status not in (Status.running, Status.paused):
            return "the worker is leaving the cluster"
        task = self._worker.state.tasks.get(self._key)
        is_wanted = task is not None and task.state in ("executing", "long-running")
        return "" if is_wanted else "nobody waits for it any more"

    def tell(self, topic: str, message: Mapping[str, Any]) -> None:
        """Sends the client a message, if it subscribes to the topic."""
        with contextlib.suppress(Exception):  # the connection is gone: `why_unwanted` says what follows
            self._worker.log_event(topic, dict(message))


def own_variables() -> dict[str, str]:
    """Returns this process's variables without the thread limits that Dask's nanny sets for a worker: the
    worker's children may use as many threads as the machine has.
    """
    given = dask.config.get("distributed.nanny.pre-spawn-environ", default={})
    ours = {name: str(value) for name, value in given.items()}
    return {name: value for name, value in os.environ.items() if ours.get(name) != value}


def memory_mb(process: int) -> int:
    """Returns the resident memory of a process and all its descendants, in MiB."""
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(process)
        found = 0
        for each in [top, *top.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                found += each.memory_info().rss
        return found // _MIB
    return 0
