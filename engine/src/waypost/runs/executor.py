"""Where steps execute: a port. The code that runs pipelines knows only this interface.

`local_executor.py` is the adapter for this machine, `dask_executor.py` the one for a Dask cluster. Whatever
belongs to a machine (the folder with the code, the environment, files, the log, paths of outputs) is the
adapter's: a `Work` names everything by content.
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

    `inputs` resolves its arguments, `variables` are the digests of variables that decide its result; `lost`
    says what happened to the previous attempt.
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
    """How an attempt ended. `cause` is empty if it succeeded and all outputs were there: then they have
    `digests`, and `paths` if they are on this machine; `models` are the artifacts that are models.

    `tail` is the end of its log, `seconds` its duration if it did not begin at once, `memory` its peak in
    bytes and `cpu_seconds` its processor time, 0 if unknown.
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
class Available:
    """What is free right now: bytes of memory, and GPUs that no other process has; None: unknown.

    `places` is the total number of places for tasks, None if `capacity` still holds.
    """

    memory: int | None = None
    gpus: int | None = None
    places: int | None = None


def holder_of(run_id: str, step: str) -> str:
    """Returns the name under which a step of a pipeline run holds GPUs."""
    return f"{run_id}/{step}"


class Running(Protocol):
    """An attempt in progress; `values` are its arguments, as far as known here."""

    @property
    def values(self) -> Mapping[str, str]: ...

    def poll(self) -> bool:
        """Returns whether it has ended. Raises LostError."""

    def end(self) -> None:
        """Ends it and all processes that it started."""

    def keep_log(self) -> None:
        """Makes its log an artifact of its run, without secrets; whoever ended it calls this."""

    def result(self) -> Ended:
        """Keeps the log, and returns how it ended."""


class LostError(Exception):
    """An attempt was lost through no fault of the step, and none of it still runs: a retry may succeed."""


class Executor(Protocol):
    """Executes work until it is closed, which ends whatever still runs.

    All calls come from one thread, and none except `prepare`, `announce` and `wait` may take long.
    """

    is_elsewhere: bool
    """Whether steps execute on other machines: their outputs are then known by digest, and not fetched."""

    def prepare(self, prepared: Prepared, missing: Iterable[PlannedStep]) -> None:
        """Prepares for a pipeline whose `missing` steps have to run. Raises WaypostError."""

    def announce(self, tracker: Tracker) -> None:
        """Says where steps will log to, and reports whatever prevents them from running.

        Raises FindingsError.
        """

    def capacity(self, jobs: int) -> Capacity:
        """Returns the capacity for tasks, of which `jobs` may run at once (0: as many as make sense)."""

    def available(self, *, gpus: bool) -> Available:
        """Returns what is free of the capacity; GPUs are checked only if a step waits for them."""

    def take_gpus(self, holder: str, count: int) -> bool:
        """Reserves GPUs for the task of a `holder` until `give_back`; returns whether enough were free."""

    def give_back(self, holder: str) -> None:
        """Releases the GPUs of a holder, if it has any."""

    def start(self, work: Work) -> Running:
        """Starts an attempt. Raises WaypostError if one of its inputs is missing."""

    def wait(self, seconds: float) -> None:
        """Waits until something may have happened, at most `seconds`. Raises WaypostError if nothing can
        happen any more.
        """

    def close(self) -> None:
        """Ends everything that it started."""


Site = Callable[[Path, Memo, "Options", Reporter], Executor]
"""Makes the executor for a process's runs; it may write below the folder until it is closed."""
