"""Where steps execute: a port. What runs a pipeline knows no more of it than this.

`local_executor.py` is the adapter for this machine, `dask_executor.py` the one for a Dask cluster. What is of
a machine (the folder with the code, the environment, files, the log, paths of outputs) is the adapter's:
a `Work` names all of it by content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from waypost.contracts.plan import PlannedStep
from waypost.contracts.schedule_line import Capacity
from waypost.runs.events import Reporter
from waypost.runs.inputs import Inputs
from waypost.runs.prepare import Prepared
from waypost.sources.memo import Memo
from waypost.tracking.tracker import Tracker

if TYPE_CHECKING:
    from waypost.runs.preflight import Options


@dataclass(frozen=True)
class Work:
    """One attempt at a step, below the run `run_id`, which is below that of its pipeline, `parent`.

    `inputs` knows what its arguments refer to, `variables` are the digests of those that decide its result;
    `lost` says what became of the attempt before this one.
    """

    prepared: Prepared
    step: PlannedStep
    inputs: Inputs
    parent: str
    run_id: str
    key: str
    variables: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1
    lost: str = ""


@dataclass(frozen=True)
class Ended:
    """How an attempt ended. `cause` is empty if it ended well and all its outputs were there: then they
    have `digests`, and `paths` where they are on this machine; `models` are the artifacts that are models.

    `tail` are the last lines of its log, `seconds` what it took where it did not begin at once, `memory` its
    peak in bytes and `cpu_seconds` its processor time, 0 if unknown.
    """

    code: int = 0
    cause: str = ""
    tail: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    seconds: float = 0.0
    memory: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Left:
    """What is not in use right now: bytes of memory, and GPUs that no other process has; None: not known.

    `places` is for how many tasks there is room in all, None if that is what `capacity` said.
    """

    memory: int | None = None
    gpus: int | None = None
    places: int | None = None


def holder_of(run_id: str, step: str) -> str:
    """Returns in whose name a step of a pipeline run holds GPUs."""
    return f"{run_id}/{step}"


class Running(Protocol):
    """An attempt on its way; `values` are the arguments that it was given, as far as they are known here."""

    @property
    def values(self) -> Mapping[str, str]: ...

    def poll(self) -> bool:
        """Returns whether it has ended. Raises LostError."""

    def end(self) -> None:
        """Ends it and all that it started."""

    def keep_log(self) -> None:
        """Makes its log an artifact of its run, without secrets; whoever ended it calls this."""

    def result(self) -> Ended:
        """Keeps the log, and returns how it ended."""


class LostError(Exception):
    """An attempt is gone by no fault of the step's, and nothing of it goes on: another one may succeed."""


class Executor(Protocol):
    """Executes work until it is closed, which ends whatever still runs.

    All calls come from one thread, and none of them but `prepare`, `announce` and `wait` may take long.
    """

    is_elsewhere: bool
    """Whether steps execute on other machines: what they leave is then known by digest, and not fetched."""

    def prepare(self, prepared: Prepared, missing: Iterable[PlannedStep]) -> None:
        """Gets ready for a pipeline, of which the `missing` steps will have to run. Raises WaypostError."""

    def announce(self, tracker: Tracker) -> None:
        """Tells where steps will log to; now or never it says what keeps them from running.

        Raises FindingsError.
        """

    def capacity(self, jobs: int) -> Capacity:
        """Returns what there is for tasks, of which `jobs` may run at once (0: as many as make sense)."""

    def left(self, *, gpus: bool) -> Left:
        """Returns what is left of it; GPUs are looked for where somebody waits for them."""

    def take_gpus(self, holder: str, count: int) -> bool:
        """Keeps GPUs for the task of a `holder` until `give_back`; returns whether there were so many."""

    def give_back(self, holder: str) -> None:
        """Others may have what a holder was given, if it was."""

    def start(self, work: Work) -> Running:
        """Starts an attempt. Raises WaypostError if something that it is given is not there."""

    def wait(self, seconds: float) -> None:
        """Waits until something may have happened, `seconds` at most. Raises WaypostError if nothing will
        happen any more.
        """

    def close(self) -> None:
        """Ends all that it started."""


Site = Callable[[Path, Memo, "Options", Reporter], Executor]
"""Gives the executor for a process's runs: it may write below the folder until it is closed."""
