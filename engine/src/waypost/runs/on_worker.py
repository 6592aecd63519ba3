"""A step on a worker of a cluster: one attempt, reported to the engine on another machine.

The order is that of `execution.py`, and so is the invariant: a visible result is complete. A run is executed
once. It is first checked for an earlier execution: if Dask gives a task to a second worker, since the first
one died or is silent, the second says so and executes nothing, and the engine opens another run. Before the
tag `waypost.complete` is set, the run is checked for having been given up.

No part of a step runs without somebody waiting for it. The kernel ends its processes with the worker
(system/supervisor.py). The worker ends them when Dask reports that nobody wants the task, when the pipeline's
run is over, and when its lease was not renewed for some time (lease_watch.py).
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from waypost.cluster.tasks import OWN_VARIABLES
from waypost.cluster.worker_context import WorkerContext, memory_mb, own_variables
from waypost.contracts.argument_values import command_line
from waypost.contracts.component import EntryPoint
from waypost.contracts.resources import MIB
from waypost.errors import WaypostError
from waypost.runs.code import own_copy
from waypost.runs.environments import Environment
from waypost.runs.executor import Ended
from waypost.runs.forks import OF_EVERY_STEP, ForkServerLostError, Process, Task
from waypost.runs.lease_watch import LeaseWatch, replaced
from waypost.runs.logs import Follower, exit_cause, mask, tail_of
from waypost.runs.materials import Materials
from waypost.runs.outputs import Outputs, find_outputs
from waypost.runs.processes import NOT_INHERITED, Plain
from waypost.runs.spec import Document, Spec, spec_in
from waypost.runs.warm import Warm, polled
from waypost.system.gpus import Gpus
from waypost.system.places import home
from waypost.system.scratch import check_room, is_full, remove_leftovers, scratch
from waypost.texts.masks import Masks
from waypost.tracking.connection import Result, client, insisted, patient, tracking_errors
from waypost.tracking.runs import COMPLETE_TAG, WORKER_TAG, Runs, outputs_in

_WARM = Warm()
_POLL_SECONDS = 0.05
_NEWS_SECONDS = 1.0
_GPU_SECONDS = 1.0


class _StoppedError(Exception):
    """Nobody waits for the step any more; the text is the reason."""


def execute(document: Document) -> Document:
    """Executes an attempt; returns how it ended: `ended`, `complete` if that was recorded before, `lost` with
    the worker that began it, `again` with the reason for another attempt, `full` with the error of a full
    disk of the `worker`, or `stopped` with the `worker` and its reason. Raises WaypostError.
    """
    spec, context = spec_in(document), WorkerContext()
    uri = own_store(spec.store)
    remove_leftovers()
    try:
        with tracking_errors(uri), scratch() as temp:
            return _Attempt(spec, Runs(client(uri)), context, temp, uri).run()
    except _StoppedError as error:
        return {"stopped": str(error), "worker": context.name}
    except ForkServerLostError as error:
        return {"again": str(error)}
    except OSError as error:
        if is_full(error):
            return {"full": str(error), "worker": context.name}
        raise WaypostError(f"worker {context.name}: {error}") from error
    except WaypostError as error:
        raise named(error, context.name) from error


def named(error: WaypostError, worker: str) -> WaypostError:
    """Returns an error that names its worker: what one machine lacks, others may have."""
    said = str(error)
    if worker in said:
        return error
    found = WaypostError(f"worker {worker}: {said}", hint=error.hint)
    found.exit_code = error.exit_code
    return found


def own_store(told: str) -> str:
    """Returns the tracking URI for this worker: from its own variables, else the client's."""
    return OWN_VARIABLES.get("MLFLOW_TRACKING_URI") or told


def earlier_in(tags: Mapping[str, str], mine: str) -> Document:
    """Returns what a run's tags say of an execution other than `mine`, {} for none: `complete` with the
    digests of its outputs, or the worker that is `lost`.
    """
    if tags.get(COMPLETE_TAG):
        return {"complete": outputs_in(tags)}
    theirs = tags.get(WORKER_TAG, mine)
    return {} if theirs == mine else {"lost": theirs.rpartition(" ")[0]}


class _Attempt:
    def __init__(self, spec: Spec, runs: Runs, context: WorkerContext, temp: Path, uri: str) -> None:
        self._spec = spec
        self._runs = runs
        self._context = context
        self._temp = temp
        self._uri = uri
        self._log = temp / f"{spec.step}.log"
        self._materials = Materials(spec, runs, context.name, lambda text: self._tell(said=text))
        self._masks = Masks(self._materials.secrets)
        self._claim = f"{context.name} {uuid.uuid4().hex}"
        self._watch: LeaseWatch | None = None
        self._began = time.monotonic()

    def run(self) -> Document:
        if earlier := self._insisted(self._earlier):
            return earlier
        self._watch = LeaseWatch(self._runs, self._uri, self._spec.parent, self._spec.run_id, self._claim)
        with contextlib.closing(self._watch):
            return self._run()

    def _run(self) -> Document:
        self._tell(began=True)
        self._check_wanted()
        self._check_room()
        self._materials.check_variables()
        folder, component = self._insisted(self._materials.code)
        environment = self._materials.environment(folder, component)
        entry_point = component.entry_points[self._spec.entry_point]
        values = self._insisted(lambda: self._materials.values(entry_point, self._temp))
        place = own_copy(folder, self._spec.code.trees, self._temp) or folder
        self._check_wanted()
        with self._devices() as devices:
            try:
                task = self._task(entry_point, values, place, self._variables(environment) | devices)
                process, late = self._executed(environment, task)
            finally:
                mask(self._log, self._masks)
        ended = self._insisted(lambda: self._recorded(entry_point, process, late))
        return {"ended": asdict(ended)}

    def _insisted(self, call: Callable[[], Result]) -> Result:
        """Returns the result of a call that may be repeated, while the tracking server is silent: what a step
        computed in hours is not lost to a server that starts again.
        """
        told = False

        def wait(problem: str) -> None:
            nonlocal told
            self._check_wanted()
            if not told:
                self._tell(said=f"{problem}; trying again for two minutes")
                told = True

        return insisted(call, self._uri, wait)

    def _earlier(self) -> Document:
        """Claims the run for this worker; returns the outcome of an earlier execution, if any."""
        mine = self._claim
        _, tags = self._runs.state_of(self._spec.run_id)
        if not (tags.get(WORKER_TAG) or tags.get(COMPLETE_TAG)):
            self._runs.tag(self._spec.run_id, {WORKER_TAG: mine})
            _, tags = self._runs.state_of(self._spec.run_id)
        return earlier_in(tags, mine)

    @contextlib.contextmanager
    def _devices(self) -> Iterator[dict[str, str]]:
        """Yields the variables that make the requested GPUs visible to a step, and no others."""
        wanted, is_told = self._spec.gpus, False
        with contextlib.closing(Gpus(home() / "locks")) as found:
            while wanted and not found.take(self._spec.run_id, wanted):
                self._check_wanted()
                if not is_told:
                    self._tell(said="it waits for GPUs that other processes of this machine have")
                    is_told = True
                time.sleep(_GPU_SECONDS)
            yield found.variables(self._spec.run_id)

    def _task(
        self, entry_point: EntryPoint, values: Mapping[str, str], folder: Path, variables: Mapping[str, str]
    ) -> Task:
        spec = self._spec
        python, modules = self._materials.fork_command(entry_point, values) if spec.fork else (None, ())
        command, memory = command_line(entry_point, values), (spec.memory_mb or 0) * MIB
        return Task(spec.step, command, python, folder, variables, self._log, modules, memory)

    def _executed(self, environment: Environment, task: Task) -> tuple[Process, str]:
        """Returns the step's process after its end, a fork if possible, and its time limit's message.

        Raises _StoppedError, ForkServerLostError if the fork server dies while the step runs.
        """
        self._began = time.monotonic()  # fetching does not count as the step's time
        try:
            if task.python:
                process = _WARM.start(environment, task, own_variables())
                return process, self._watched(process)
        except ForkServerLostError as error:
            if error.has_begun:
                raise
            self._tell(said=f"{error}; it runs as a plain process")
        process = Plain(task)
        return process, self._watched(process)

    def _watched(self, process: Process) -> str:
        """Waits until a process has ended; returns its time limit's message, usually empty."""
        follower = Follower(self._log, self._masks)
        told = time.monotonic()
        try:
            while polled(process) is None:
                time.sleep(_POLL_SECONDS)
                now = time.monotonic()
                if late := self._lateness(now):
                    process.end()
                    return late
                self._check_wanted()
                if now - told > _NEWS_SECONDS:
                    told = now
                    used = memory_mb(process.number)
                    self._tell(lines=follower.news(), memory=used, limit=self._context.limit_mb)
        except BaseException as error:
            if not isinstance(error, ForkServerLostError) or error.has_begun:
                self._abandon(process)
            raise
        return ""

    def _abandon(self, process: Process) -> None:
        """Ends a process and keeps its log; errors are ignored, since the error being raised matters more."""
        process.end()
        mask(self._log, self._masks)
        with contextlib.suppress(Exception):
            self._keep_log()
        with contextlib.suppress(Exception):
            self._runs.close(self._spec.run_id, "KILLED")

    def _check_wanted(self) -> None:
        if why := self._context.why_unwanted or (self._watch.why if self._watch else ""):
            raise _StoppedError(why)

    def _check_room(self) -> None:
        """Raises OSError if a disk of this worker is full, which is not the step's fault."""
        for folder in (home(), self._temp):
            check_room(folder)

    def _recorded(self, entry_point: EntryPoint, process: Process, late: str) -> Ended:
        """Records the step's outcome; its log is kept in any case."""
        self._keep_log()
        code = 1 if late else process.poll() or 0
        if code:
            self._check_room()
        cause = late or (exit_cause(code, self._log) if code else "")
        found = Outputs() if cause else find_outputs(entry_point, self._spec.run_id, self._runs)
        digests = {name: self._materials.digest(path) for name, path in found.paths.items()}
        cause = cause or found.problem
        if not cause:
            if why := replaced(self._runs.tags_of(self._spec.run_id), self._claim):
                raise _StoppedError(why)
            self._runs.complete(self._spec.run_id, digests)
            self._runs.close(self._spec.run_id, "FINISHED")
        seconds = time.monotonic() - self._began
        return Ended(
            code,
            cause,
            tail_of(self._log),
            digests,
            models=found.models,
            seconds=seconds,
            memory=process.memory,
            cpu_seconds=process.cpu_seconds,
        )

    def _keep_log(self) -> None:
        if self._log.exists():
            self._runs.log_file(self._spec.run_id, self._log, "logs")

    def _variables(self, environment: Environment) -> dict[str, str]:
        spec = self._spec
        return {
            **{name: text for name, text in own_variables().items() if name not in NOT_INHERITED},
            **environment.variables(),
            "MLFLOW_TRACKING_URI": self._uri,
            "MLFLOW_EXPERIMENT_ID": spec.experiment_id,
            "MLFLOW_RUN_ID": spec.run_id,
            **patient(),
            **OF_EVERY_STEP,
            **({"COMPONENT_DEBUG": "1"} if spec.debug else {}),
        }

    def _lateness(self, now: float) -> str:
        limit = self._spec.minutes
        late = limit is not None and now - self._began > 60 * limit
        return f"it exceeded its time limit of {limit:g} minutes" if late else ""

    def _tell(self, **news: object) -> None:
        self._context.tell(
            self._spec.topic, {"run_id": self._spec.run_id, "name": self._context.name, **news}
        )
