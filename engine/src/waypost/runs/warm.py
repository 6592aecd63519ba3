"""Fork servers that a cluster's worker keeps between steps, for the steps of all runs.

The imports of a step often take longer than the step. A server stays for later steps in the same environment
until it was idle for some time, or others need its place: it holds the memory of its imports.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import ExitStack

from waypost.runs.environments import Environment
from waypost.runs.forks import Forked, ForkServer, ForkServerLostError, Process, Task, command_variables
from waypost.system.scratch import scratch

IDLE_SECONDS = 600.0
MOST = 4
_LOOK_SECONDS = 30.0
_Key = tuple[str, frozenset[tuple[str, str]]]


class _Kept:
    """A server with its folder, and the time of its last request."""

    def __init__(
        self, environment: Environment, variables: Mapping[str, str], inherited: Mapping[str, str]
    ) -> None:
        self._stack = ExitStack()
        folder = self._stack.enter_context(scratch())
        self.server = ForkServer(environment, variables, inherited, folder)
        self.asked = time.monotonic()

    def is_over(self, now: float) -> bool:
        """Whether it can end: it was idle for long enough."""
        if not self.server.is_there:
            return True
        if self.server.is_busy:
            self.asked = now
            return False
        return now - self.asked > IDLE_SECONDS

    def close(self) -> None:
        self.server.close()
        self._stack.close()


class Warm:
    """Starts tasks as forks, which end with this process; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._sweeper: threading.Thread | None = None

    def start(self, environment: Environment, task: Task, inherited: Mapping[str, str]) -> Process:
        """Starts a task. Raises ForkServerLostError if it is no plain Python, OSError.

        Args: `inherited` are the variables of this machine for a fork server.
        """
        if task.python is None:
            raise ForkServerLostError("not plain Python")
        variables = command_variables(task.python)
        key = (environment.digest, frozenset(variables.items()))
        with self._lock:
            self._sweep()
            if key not in self._kept:
                self._make_room()
                self._kept[key] = _Kept(environment, variables, inherited)
            self._kept.move_to_end(key)
            kept = self._kept[key]
            kept.asked = time.monotonic()
            return kept.server.start(task)

    def close(self) -> None:
        """Ends all servers."""
        with self._lock:
            while self._kept:
                self._kept.popitem()[1].close()

    def _sweep(self) -> None:
        """Ends the servers that no step has used for some time."""
        now = time.monotonic()
        for key in [key for key, kept in self._kept.items() if kept.is_over(now)]:
            self._kept.pop(key).close()
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweep_now_and_then, daemon=True)
            self._sweeper.start()

    def _make_room(self) -> None:
        """Ends idle servers, least recently used first, until there is room for one more."""
        for key in [key for key, kept in self._kept.items() if not kept.server.is_busy]:
            if len(self._kept) < MOST:
                return
            self._kept.pop(key).close()

    def _sweep_now_and_then(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._lock:
                self._sweep()


def polled(process: Process) -> int | None:
    """Returns the exit code of a process that `Warm` or `Plain` started, None while it runs.

    Raises ForkServerLostError.
    """
    if isinstance(process, Forked):
        process.listen()
    return process.poll()
