"""Processes of steps on this machine: forks of a server that has imported what they need, or plain
processes.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from waypost.contracts.command import PythonCommand
from waypost.runs.environments import Environment
from waypost.system.children import Shell
from waypost.system.conversations import Partner
from waypost.system.ending import GRACE_SECONDS, signal_group

OF_EVERY_STEP = {
    # Environments are byte-compiled when they are built; nothing is written into work trees.
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
"""Variables set for all steps, and for the processes that execute them."""
NOT_INHERITED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME")
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Task:
    """What a process executes: `shell` is its command, `python` the same command if it is plain Python.

    `modules` are the imports of its code, `memory` its limit in bytes (0: none).
    """

    step: str
    shell: str
    python: PythonCommand | None
    folder: Path
    variables: Mapping[str, str]
    log: Path
    modules: Sequence[str] = ()
    memory: int = 0


class Process(Protocol):
    """A running process of a step."""

    def poll(self) -> int | None:
        """Returns the exit code (-N: signal N), None while it runs. Raises ForkServerLostError."""

    def end(self) -> None:
        """Ends it and its children: SIGTERM, then SIGKILL after some seconds."""

    @property
    def memory(self) -> int:
        """Peak memory in bytes, 0 if unknown."""

    @property
    def cpu_seconds(self) -> float:
        """Processor time in seconds, 0 if unknown."""


class ForkServerLostError(Exception):
    """A step's fork server is gone, or cannot fork it; a plain process can run it."""


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
        self._servers: dict[tuple[str, frozenset[tuple[str, str]]], _ForkServer] = {}
        self._plain: list[_Plain] = []
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
            running = _Plain(task)
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
            readable, _, _ = select.select(alive, [], [], min(left, _POLL_SECONDS) if self._plain else left)
            for server in readable:
                server.listen()
            if readable or not left or any(running.poll() is not None for running in self._plain):
                return

    def close(self) -> None:
        for running in self._plain:
            running.end()
        for server in self._servers.values():
            server.close()

    def _server(self, environment: Environment, python: PythonCommand) -> _ForkServer:
        # Variables that a module reads on import must be set when the fork server starts.
        variables = {name: value for name, value in python.variables.items() if name != "PYTHONPATH"}
        key = (environment.digest, frozenset(variables.items()))
        server = self._servers.get(key)
        if server is None or not server.is_there:
            self._count += 1
            server = _ForkServer(environment, variables, self._folder, self._count)
            self._servers[key] = server
            if self._store:
                server.announce(self._store)
        return server


class _Plain:
    def __init__(self, task: Task) -> None:
        limit = f"ulimit -d {task.memory // 1024}; " if task.memory else ""
        self._process = Shell(limit + task.shell, cwd=task.folder, env=task.variables, log=task.log)
        self.memory = 0
        self.cpu_seconds = 0.0

    def poll(self) -> int | None:
        return self._process.poll()

    def end(self) -> None:
        self._process.end()


class _Forked:
    def __init__(self, server: _ForkServer) -> None:
        self._server = server
        self.process = 0
        self.code: int | None = None
        self.lost = ""
        self.memory = 0
        self.cpu_seconds = 0.0

    def poll(self) -> int | None:
        if self.lost:
            raise ForkServerLostError(self.lost)
        return self.code

    def end(self) -> None:
        until = time.monotonic() + GRACE_SECONDS
        number = signal.SIGTERM
        while self.code is None and not self.lost and self._server.is_there:
            if self.process:
                signal_group(self.process, number)
            if time.monotonic() > until:
                number = signal.SIGKILL
            self._server.listen(_POLL_SECONDS)


class _ForkServer:
    """A fork server; its log and its steps' reports are in `folder`."""

    def __init__(
        self, environment: Environment, variables: Mapping[str, str], folder: Path, number: int
    ) -> None:
        self._folder = folder
        self._log = folder / f"worker-{number}.log"
        self._steps: dict[str, _Forked] = {}
        self._count = 0
        self._asked: set[str] = set()
        env = {**os.environ, **environment.variables(), **variables, **OF_EVERY_STEP}
        program = Path(__file__).with_name("fork_server.py")
        self._partner = Partner(
            [str(environment.folder / "bin" / "python"), str(program)],
            env=env,
            log=self._log,
            supervised=True,
        )
        self.is_there = True

    def fileno(self) -> int:
        return self._partner.fileno()

    def prepare(self, modules: Sequence[str]) -> None:
        wanted = [module for module in modules if module not in self._asked]
        self._asked.update(wanted)
        self._partner.send({"import": wanted})

    def announce(self, store: str) -> None:
        self._partner.send({"store": store})

    def start(self, task: Task) -> _Forked:
        if task.python is None:
            raise ForkServerLostError("not plain Python")
        self._count += 1
        name = f"{task.step}-{self._count}"
        request: dict[str, Any] = {
            "step": name,
            "import": list(task.modules),
            "arguments": list(task.python.arguments),
            "folder": str(task.folder),
            "variables": {**task.variables, **task.python.variables},
            "log": str(task.log),
            "report": str(self._folder / f"{name}.json"),
            "memory": task.memory,
        }
        if task.python.file:
            request["file"] = task.python.file
        else:
            request["module"] = task.python.module
        self._steps[name] = running = _Forked(self)
        if not self._partner.send(request):
            self._lost()
        return running

    def listen(self, seconds: float = 0.0) -> None:
        """Receives messages from the process, waiting at most `seconds`."""
        if not select.select([self], [], [], seconds)[0]:
            return
        documents = self._partner.receive()
        if documents is None:
            self._lost()
            return
        for document in documents:
            step = self._steps[document["step"]]
            step.process = document.get("process", step.process)
            step.lost = document.get("unsafe", "")
            if "code" in document:
                step.code, step.memory = document["code"], document["memory"]
                step.cpu_seconds = document["cpu"]

    def _lost(self) -> None:
        self.is_there = False
        self._partner.end()  # and its steps: none may run twice at the same time
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        cause = f"its worker is gone{': ' if last else ''}{''.join(last)}"
        for step in self._steps.values():
            if step.code is None:
                step.lost = cause

    def close(self) -> None:
        for step in self._steps.values():
            if step.process and step.code is None:
                step.end()
        self._partner.end()
