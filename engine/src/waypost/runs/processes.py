"""Processes of steps on this machine: forks of a server that has imported what they need, or plain
processes.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from waypost.contracts.command import PythonCommand
from waypost.runs.environments import Environment
from waypost.runs.forks import POLL_SECONDS, ForkServer, Process, Task, command_variables
from waypost.system.children import Shell

NOT_INHERITED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME")


def can_fork() -> bool:
    """Returns whether forks are safe here: on macOS they break many C libraries."""
    return sys.platform == "linux"


class Processes:
    """Executes tasks until it is closed, which ends whatever still runs. All calls come from one thread.

    There is a fork server for each environment and set of variables that modules read on import; it is
    started when its first task is prepared. A task that is not plain Python, or that cannot be forked
    (threads, a module of its own with the name of a loaded one), gets a new process. Invariant: a task runs
    in only one place. A lost server's tasks end before anybody is told that they are lost.
    """

    def __init__(self, folder: Path, *, fork: bool) -> None:
        self._folder = folder
        self._fork = fork
        self._servers: dict[tuple[str, frozenset[tuple[str, str]]], ForkServer] = {}
        self._plain: list[Plain] = []
        self._count = 0
        self._store = ""

    def prepare(self, environment: Environment, python: PythonCommand | None, modules: Sequence[str]) -> None:
        """Starts the fork server for such commands if there is none yet, and has it import modules."""
        if python and self._fork:
            self._server(environment, python).prepare(modules)

    def announce(self, store: str) -> None:
        """Tells all fork servers, present and future, where steps will log to."""
        self._store = store
        for server in self._servers.values():
            server.announce(store)

    def start(self, environment: Environment, task: Task, *, plain: bool = False) -> Process:
        """Starts a task. Raises ForkServerLostError if only a plain process can run it."""
        if not task.python or not self._fork or plain:
            running = Plain(task)
            self._plain.append(running)
            return running
        return self._server(environment, task.python).start(task)

    def wait(self, seconds: float) -> None:
        """Waits until something may have happened, at most `seconds`."""
        alive = [server for server in self._servers.values() if server.is_there]
        self._plain = [running for running in self._plain if running.poll() is None]
        until = time.monotonic() + seconds
        while True:
            left = max(until - time.monotonic(), 0)
            readable, _, _ = select.select(alive, [], [], min(left, POLL_SECONDS) if self._plain else left)
            for server in readable:
                server.listen()
            if readable or not left or any(running.poll() is not None for running in self._plain):
                return

    def close(self) -> None:
        for running in self._plain:
            running.end()
        for server in self._servers.values():
            server.close()

    def _server(self, environment: Environment, python: PythonCommand) -> ForkServer:
        # Variables that a module reads on import must be set when the server starts.
        variables = command_variables(python)
        key = (environment.digest, frozenset(variables.items()))
        server = self._servers.get(key)
        if server is None or not server.is_there:
            self._count += 1
            server = ForkServer(environment, variables, os.environ, self._folder, self._count)
            self._servers[key] = server
            if self._store:
                server.announce(self._store)
        return server


class Plain:
    """A `Process` that a shell starts."""

    def __init__(self, task: Task) -> None:
        limit = f"ulimit -d {task.memory // 1024}; " if task.memory else ""
        self._process = Shell(limit + task.shell, cwd=task.folder, env=task.variables, log=task.log)
        self.memory = 0
        self.cpu_seconds = 0.0

    @property
    def number(self) -> int:
        return self._process.number

    def poll(self) -> int | None:
        return self._process.poll()

    def end(self) -> None:
        self._process.end()
