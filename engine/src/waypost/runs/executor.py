"""Where steps execute: a port. What runs a pipeline knows no more of it than this.

`local_executor.py` is the adapter for this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from waypost.contracts.command import PythonCommand
from waypost.contracts.schedule_line import Capacity
from waypost.runs.environments import Environment

OF_EVERY_STEP = {
    # Environments are byte-compiled when they are built; nothing is written into work trees.
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
"""Variables of all steps, and of what executes them."""


@dataclass(frozen=True)
class Task:
    """What a step executes: `shell` is its command, `python` the same where it is plain Python.

    `modules` is what its code imports, `memory` its limit in bytes (0: none), `holder` in whose name it was
    given GPUs, if it was.
    """

    step: str
    shell: str
    python: PythonCommand | None
    folder: Path
    variables: Mapping[str, str]
    log: Path
    modules: Sequence[str] = ()
    memory: int = 0
    holder: str = ""


@dataclass(frozen=True)
class Left:
    """What is not in use right now: bytes of memory, and GPUs that no other process has; None: not known."""

    memory: int | None = None
    gpus: int | None = None


def holder_of(run_id: str, step: str) -> str:
    """Returns in whose name a step of a pipeline run holds GPUs."""
    return f"{run_id}/{step}"


class Running(Protocol):
    """A step's process on its way."""

    def poll(self) -> int | None:
        """Returns the exit code (-N: signal N), None while it runs."""

    def end(self) -> None:
        """Ends it and its children: SIGTERM, and SIGKILL after some seconds."""

    @property
    def memory(self) -> int:
        """Its peak in bytes, 0 where that is not known."""


class LostError(Exception):
    """The worker that a step ran in is gone, or cannot fork it; a plain process can run it."""


class Executor(Protocol):
    """Executes tasks until it is closed, which ends whatever still runs.

    All calls come from one thread, and none of them but `wait` may take long.
    """

    def prepare(self, environment: Environment, python: PythonCommand | None, modules: Sequence[str]) -> None:
        """Gets ready for tasks with such a command, whose code imports `modules`, before there is one."""

    def announce(self, store: str) -> None:
        """Tells where steps will log to: MLflow's tracking URI."""

    def start(self, environment: Environment, task: Task, *, plain: bool = False) -> Running:
        """Starts a task; as a process that shares nothing with others where it has to be `plain`.

        Raises LostError where only that can run it.
        """

    def capacity(self, jobs: int) -> Capacity:
        """Returns what there is for tasks, of which `jobs` may run at once (0: as many as make sense)."""

    def left(self, *, gpus: bool) -> Left:
        """Returns what is left of it; GPUs are looked for where somebody waits for them."""

    def take_gpus(self, holder: str, count: int) -> bool:
        """Keeps GPUs for the task of a `holder` until `give_back`; tells whether there were so many."""

    def give_back(self, holder: str) -> None:
        """Others may have what a holder was given, if it was."""

    def wait(self, seconds: float) -> None:
        """Waits until something may have happened, `seconds` at most."""

    def close(self) -> None:
        """Ends all that it started."""
