"""Fork servers of this machine: processes that have imported what steps need (`fork_server.py`)."""

from __future__ import annotations

import select
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from waypost.contracts.command import PythonCommand
from waypost.runs.environments import Environment
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
POLL_SECONDS = 0.02


def command_variables(python: PythonCommand) -> dict[str, str]:
    """Returns the variables that a command sets and that modules may read on import."""
    return {name: value for name, value in python.variables.items() if name != "PYTHONPATH"}


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
    def number(self) -> int:
        """Id of the topmost process, 0 until it is known."""

    @property
    def memory(self) -> int:
        """Peak memory in bytes, 0 if unknown."""

    @property
    def cpu_seconds(self) -> float:
        """Processor time in seconds, 0 if unknown."""


class ForkServerLostError(Exception):
    """A step's fork server is gone, or cannot fork it; a plain process can run it.

    `has_begun`: whether a part of the step may have been executed.
    """

    def __init__(self, message: str, *, has_begun: bool = False) -> None:
        super().__init__(message)
        self.has_begun = has_begun


class Forked:
    """A `Process` that a fork server started."""

    def __init__(self, server: ForkServer, name: str) -> None:
        self._server = server
        self._name = name
        self.number = 0
        self.code: int | None = None
        self.lost = ""
        self.is_refused = False
        self.memory = 0
        self.cpu_seconds = 0.0

    def listen(self) -> None:
        """Reads the messages of its server, if nobody else does."""
        self._server.listen()

    def poll(self) -> int | None:
        if self.lost:
            raise ForkServerLostError(self.lost, has_begun=not self.is_refused)
        return self.code

    def end(self) -> None:
        until = time.monotonic() + GRACE_SECONDS
        number = signal.SIGTERM
        if not self.number:
            self._server.cancel(self._name)
        while self.code is None and not self.lost and self._server.is_there:
            if self.number:
                signal_group(self.number, number)
            if time.monotonic() > until:
                if not self.number:
                    return  # its server still imports, and will not begin it
                number = signal.SIGKILL
            self._server.listen(POLL_SECONDS)


class ForkServer:
    """A fork server; its log and its steps' reports are in `folder`.

    Any thread may call: messages that one thread reads are recorded for all steps.
    """

    def __init__(
        self,
        environment: Environment,
        given: Mapping[str, str],
        inherited: Mapping[str, str],
        folder: Path,
        number: int = 1,
    ) -> None:
        """Args: `given` are the variables that commands set, `inherited` those of this machine."""
        self._folder = folder
        self._lock = threading.RLock()
        self._log = folder / f"worker-{number}.log"
        self._steps: dict[str, Forked] = {}
        self._count = 0
        self._asked: set[str] = set()
        env = {**inherited, **environment.variables(), **given, **OF_EVERY_STEP}
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
        """Has it import modules."""
        wanted = [module for module in modules if module not in self._asked]
        self._asked.update(wanted)
        self._partner.send({"import": wanted})

    def announce(self, store: str) -> None:
        """Tells it where steps will log to."""
        self._partner.send({"store": store})

    def start(self, task: Task) -> Forked:
        """Starts a task. Raises ForkServerLostError if it is no plain Python."""
        if task.python is None:
            raise ForkServerLostError("not plain Python")
        with self._lock:
            self._count += 1
            name = f"{task.step}-{self._count}"
            self._steps[name] = running = Forked(self, name)
            if not self.is_there or not self._partner.send(self._request(name, task, task.python)):
                self._lost()
        return running

    def cancel(self, name: str) -> None:
        """Tells it not to begin a step, if it has not yet."""
        with self._lock:
            self._partner.send({"cancel": name})

    def _request(self, name: str, task: Task, python: PythonCommand) -> dict[str, Any]:
        program = {"file": python.file} if python.file else {"module": python.module}
        return {
            "step": name,
            "import": list(task.modules),
            "arguments": list(python.arguments),
            "folder": str(task.folder),
            "variables": {**task.variables, **python.variables},
            "log": str(task.log),
            "report": str(self._folder / f"{name}.json"),
            "memory": task.memory,
            **program,
        }

    @property
    def is_busy(self) -> bool:
        """Whether one of its steps has not ended yet, by the messages read so far."""
        with self._lock:
            return bool(self._steps)

    def listen(self, seconds: float = 0.0) -> None:
        """Receives messages from the process, waiting at most `seconds`."""
        with self._lock:
            if not self.is_there or not select.select([self], [], [], seconds)[0]:
                return
            documents = self._partner.receive()
            if documents is None:
                self._lost()
                return
            for document in documents:
                self._note(document)

    def _note(self, document: Mapping[str, Any]) -> None:
        step = self._steps[document["step"]]
        step.number = document.get("process", step.number)
        if "unsafe" in document:
            step.lost, step.is_refused = document["unsafe"], True
        if "code" in document:
            step.code, step.memory, step.cpu_seconds = document["code"], document["memory"], document["cpu"]
        if step.lost or step.code is not None:
            del self._steps[document["step"]]

    def _lost(self) -> None:
        self.is_there = False
        self._partner.end()  # and its steps: none may run twice at the same time
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        cause = f"its worker is gone{': ' if last else ''}{''.join(last)}"
        for step in self._steps.values():
            step.lost = cause
        self._steps.clear()

    def close(self) -> None:
        """Ends its steps and itself."""
        for step in [*self._steps.values()]:
            if step.number:
                step.end()
        self.is_there = False
        self._partner.end()
