"""Steps on this machine: code, environment, arguments and log as files, and a process for each step."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from waypost.contracts.argument_values import command_line
from waypost.contracts.plan import PlannedStep
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.resources import MIB
from waypost.contracts.schedule_line import Capacity
from waypost.runs import environments
from waypost.runs.code import own_copy, worker_command
from waypost.runs.environments import Environment
from waypost.runs.events import Reporter
from waypost.runs.executor import Available, Ended, LostError, Work, holder_of
from waypost.runs.forks import OF_EVERY_STEP, ForkServerLostError, Process, Task
from waypost.runs.logs import exit_cause, mask, tail_of
from waypost.runs.outputs import Outputs, find_outputs
from waypost.runs.preflight import Options, by_step
from waypost.runs.prepare import Prepared
from waypost.runs.processes import NOT_INHERITED, Processes
from waypost.sources.memo import Memo
from waypost.system.gpus import Gpus
from waypost.system.machine import available_memory, cores, total_memory
from waypost.system.places import home
from waypost.texts.masks import Masks
from waypost.tracking.tracker import Tracker, step_variables


def this_machine(jobs: int, gpus: int | None = None) -> Capacity:
    """Returns this machine's capacity for steps, of which `jobs` may run at once (0: one per core)."""
    return Capacity(jobs or cores(), cores(), total_memory(), gpus)


class LocalExecutor:
    """An `Executor`: this machine."""

    is_elsewhere = False

    def __init__(self, temp: Path, memo: Memo, options: Options, reporter: Reporter) -> None:
        self.memo = memo
        self._temp = temp
        self._options = options
        self._say = reporter.say
        self._processes = Processes(temp, fork=options.fork)
        self._gpus = Gpus(home() / "locks")
        self._environments: dict[Path, Environment] = {}
        self._tracker: Tracker | None = None

    def prepare(self, prepared: Prepared, missing: Iterable[PlannedStep]) -> None:
        """Builds all environments, and has workers import what the missing steps need: with several pipelines
        those of the first, since they are the same for a whole sweep.
        """
        if self._environments:
            return
        envs = by_step(prepared, self._options.env, self._environment)
        for step in missing:
            values = dict.fromkeys(step.entry_point.parameters, "")
            self._processes.prepare(envs[step.name], *worker_command(prepared, step, values, self.memo))

    def announce(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._processes.announce(tracker.uri)

    def capacity(self, jobs: int) -> Capacity:
        """Returns this machine's capacity; its GPUs are counted when a step asks for one."""
        return this_machine(jobs)

    def available(self, *, gpus: bool) -> Available:
        """Returns what is free on this machine."""
        return Available(available_memory(), self._gpus.free() if gpus else None)

    def take_gpus(self, holder: str, count: int) -> bool:
        """Reserves GPUs for a step, which sees no others, until `give_back`."""
        return self._gpus.take(holder, count)

    def give_back(self, holder: str) -> None:
        """Releases the GPUs of a holder, if it has any."""
        self._gpus.give_back(holder)

    def start(self, work: Work) -> _Running:
        """Starts an attempt: the first as a fork if possible, others as plain processes."""
        if work.lost:
            self._say(f"{work.step.name}: {work.lost}; it runs as a plain process")
        running = _Running(self, work, self.tracker, Path(tempfile.mkdtemp(dir=self._temp)))
        try:
            running.begin()
        except BaseException:
            running.drop_copy()
            raise
        return running

    def wait(self, seconds: float) -> None:
        self._processes.wait(seconds)

    def close(self) -> None:
        self._processes.close()
        self._gpus.close()

    @property
    def tracker(self) -> Tracker:
        """Where steps log to. Raises ValueError before `announce`."""
        if self._tracker is None:
            raise ValueError("no tracker was announced")
        return self._tracker

    def task(
        self, work: Work, values: Mapping[str, str], folder: Path, log: Path
    ) -> tuple[Environment, Task]:
        """Returns what a process executes, and its environment."""
        step, prepared = work.step, work.prepared
        environment = self._environments[prepared.checkout(step).folder]
        limits = prepared.pipeline.steps[step.name].limits
        python, modules = worker_command(prepared, step, values, self.memo)
        variables = {
            **{k: v for k, v in os.environ.items() if k not in NOT_INHERITED},
            **environment.variables(),
            **step_variables(self.tracker, work.run_id),
            **OF_EVERY_STEP,
            **({"COMPONENT_DEBUG": "1"} if self._options.debug else {}),
            **self._gpus.variables(holder_of(work.parent, step.name)),
        }
        return environment, Task(
            step.name,
            command_line(step.entry_point, values),
            python,
            folder,
            variables,
            log,
            modules,
            (limits.memory_mb or 0) * MIB,
        )

    def begin(self, environment: Environment, task: Task, *, plain: bool) -> Process:
        """Starts a task's process. Raises LostError if only another attempt can run it."""
        return self._processes.start(environment, task, plain=plain)

    def _environment(self, folder: Path, python_env: PythonEnv | None) -> Environment:
        if folder not in self._environments:
            self._environments[folder] = (
                environments.local()
                if python_env is None
                else environments.ensure(folder, python_env, home(), self._say, self._options.wheels)
            )
        return self._environments[folder]


class _Running:
    """An attempt with its files in `temp`; `copy` is its private copy of the component's folder."""

    def __init__(self, executor: LocalExecutor, work: Work, tracker: Tracker, temp: Path) -> None:
        self.values: dict[str, str] = {}
        self._executor = executor
        self._work = work
        self._tracker = tracker
        self._temp = temp
        self._log = temp / f"{work.step.name}.log"
        self._copy: Path | None = None
        self._process: Process | None = None
        self._code: int | None = None
        self._late = ""
        self._since = time.monotonic()

    def begin(self) -> None:
        """Writes the files that the step needs, and starts its process."""
        work = self._work
        code = work.prepared.checkout(work.step)
        self.values = {
            name: work.inputs.value(work.step, name, argument, self._tracker, self._temp)
            for name, argument in work.step.arguments.items()
        }
        self._copy = own_copy(code.folder, code.trees, self._temp)
        environment, task = self._executor.task(work, self.values, self._copy or code.folder, self._log)
        self._process = self._executor.begin(environment, task, plain=work.attempt > 1)

    def poll(self) -> bool:
        if self._code is None and self._process:
            try:
                self._code = self._process.poll()
            except ForkServerLostError as error:  # the fork server is gone or cannot fork it
                self.keep_log()
                self.drop_copy()
                raise LostError(str(error)) from error
            if self._code is None and (late := self._lateness()):
                self._process.end()
                self._late, self._code = late, 1
        return self._code is not None

    def end(self) -> None:
        if self._process:
            self._process.end()

    def keep_log(self) -> None:
        mask(self._log, Masks(self._work.prepared.variables))
        if self._log.exists():
            self._tracker.log_file(self._work.run_id, self._log, "logs")

    def result(self) -> Ended:
        self.keep_log()
        code = self._code or 0
        cause = self._late or (exit_cause(code, self._log) if code else "")
        found = Outputs()
        if not cause:
            found = find_outputs(self._work.step.entry_point, self._work.run_id, self._tracker)
        self.drop_copy()
        return Ended(
            code,
            cause or found.problem,
            tail_of(self._log),
            {name: self._executor.memo.digest(path) for name, path in found.paths.items()},
            {name: str(path) for name, path in found.paths.items()},
            found.models,
            memory=self._process.memory if self._process else 0,
            cpu_seconds=self._process.cpu_seconds if self._process else 0.0,
        )

    def drop_copy(self) -> None:
        if self._copy:
            shutil.rmtree(self._copy.parent, ignore_errors=True)

    def _lateness(self) -> str:
        limit = self._work.prepared.pipeline.steps[self._work.step.name].limits.minutes
        late = limit is not None and time.monotonic() - self._since > 60 * limit
        return f"it exceeded its time limit of {limit:g} minutes" if late else ""
