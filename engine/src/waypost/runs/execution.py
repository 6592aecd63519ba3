"""One pipeline run on its way: its steps start, end, are taken over, and are recorded."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from waypost.contracts.component import command_line
from waypost.contracts.keys import FinishedStep
from waypost.contracts.metrics import metric_tags
from waypost.contracts.plan import PlannedStep
from waypost.contracts.resources import MIB
from waypost.contracts.schedule_line import Demand
from waypost.errors import WaypostError
from waypost.runs.cache_lookup import CacheLookup, Decision, colleague
from waypost.runs.code import own_copy, worker_command
from waypost.runs.environments import Environment
from waypost.runs.events import Reporter, StepResult
from waypost.runs.executor import OF_EVERY_STEP, Executor, LostError, Running, Task, holder_of
from waypost.runs.index import Index
from waypost.runs.logs import exit_cause, mask, not_logged, tail_of
from waypost.runs.preflight import declared_metrics, model_problem, models_of
from waypost.runs.prepare import Prepared
from waypost.runs.wandb_events import Mirrored
from waypost.sources.memo import Memo
from waypost.texts.masks import Masks
from waypost.tracking.leases import Holder
from waypost.tracking.store import INPUT_TAG, KEY_TAG, STEP_TAG, Tracker, step_variables
from waypost.tracking.wandb_mirror import RunMirror

_NOT_INHERITED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME")


@dataclass(frozen=True)
class Tools:
    """What all pipeline runs of a process share; `temp` is a folder that goes when they are done."""

    tracker: Tracker
    index: Index
    memo: Memo
    executor: Executor
    temp: Path
    mirror: RunMirror
    debug: bool = False


@dataclass
class _Attempt:
    """A step's process on its way; `copy` is what was made of its component's folder for it alone."""

    step: PlannedStep
    decision: Decision
    run_id: str
    log: Path
    running: Running | None = None
    copy: Path | None = None
    cause: str = ""
    started: float = field(default_factory=time.monotonic)

    def result(self, state: str) -> StepResult:
        seconds = time.monotonic() - self.started
        name, uses, because = self.step.name, self.step.uses, self.decision.because
        return StepResult(name, uses, state, self.run_id, seconds, because=because)


class Execution:
    """The steps of one pipeline run below the MLflow run `parent`: looked up, leased, started, recorded.

    It does what it is told, in any order that `contracts/schedule.py` may ask for, and keeps no policy.

    Invariants. A step's result becomes visible in this order, so that a kill between two of them leaves
    nothing half-done that anybody reuses: outputs and metrics (by the step itself), digests and the tag
    `waypost.complete`, the status FINISHED, the end of the lease, the parent's tag, the index. Each
    attempt is in `_attempts` from the opening of its run to its end, so that `kill` closes whatever was
    opened. Exactly one result of each step is noted.
    """

    def __init__(
        self,
        prepared: Prepared,
        environments: Mapping[str, Environment],
        lookup: CacheLookup,
        tools: Tools,
        reporter: Reporter,
        parent: str,
        mirrored: Mirrored,
    ) -> None:
        self.prepared = prepared
        self.reporter = reporter
        self.parent = parent
        self.mirrored = mirrored
        self.results: list[StepResult] = []
        self.keys: dict[str, str] = {}
        self.began: float | None = None
        self._environments = environments
        self._lookup = lookup
        self._tools = tools
        self._masks = Masks(prepared.variables)
        self._decisions: dict[str, Decision] = {}
        self._holders: dict[str, Holder] = {}
        self._attempts: list[_Attempt] = []

    def look_up(self, name: str, *, again: bool) -> Decision:
        """Returns whether a step has to run whose needs are finished; the same as before unless `again`."""
        if again or name not in self._decisions:
            step = self.prepared.plan.step(name)
            self._decisions[name] = self._lookup.look_up(
                step, lambda key: self._ask(step, key), self._tools.tracker.is_finished
            )
        return self._decisions[name]

    def lease(self, name: str) -> bool:
        """Asks the other runs of the tracking server for a step's key; tells whether it is ours now."""
        holder = self._tools.tracker.leases.acquire(self.parent, self._decisions[name].key)
        if holder:
            self._holders[name] = holder
        return holder is None

    def release(self, name: str) -> None:
        """Lets others compute a step's key."""
        self._tools.tracker.leases.release(self.parent, self._decisions[name].key)

    def tell_elsewhere(self, name: str) -> None:
        """Tells whose run a step waits for."""
        holder = self._holders[name]
        whose = f"run {holder.run_id} of {holder.user or 'somebody'}"
        self.reporter.step_held(name, f"{whose} is computing it right now")

    def demand_of(self, name: str) -> Demand:
        """Returns what a machine has to have for a step."""
        latest = self._tools.index.latest(self.prepared.pipeline.name, name)
        return self.prepared.pipeline.steps[name].resources.demand(latest.memory if latest else 0)

    def tell_busy(self, name: str) -> None:
        """Tells that a step waits for what other processes have of this machine."""
        self.reporter.step_held(name, "other processes of this machine have the GPUs")

    def take_over(self, name: str) -> None:
        """Takes the result that was found for a step's."""
        step, decision = self._to_do(name)
        earlier = decision.earlier
        if earlier is None:
            raise ValueError(f"{name}: nothing to take over")
        pipeline = self.prepared.pipeline.name
        if self._tools.index.step(decision.key) != earlier:
            kept = replace(earlier, inputs=decision.inputs.shown())
            self._tools.index.add_step(decision.key, pipeline, step.name, kept)
        else:
            self._tools.index.note_latest(decision.key, pipeline, step.name)
        told = self._tools.tracker.warnings(earlier.run_id)
        metrics = self._enter(step, decision, earlier)
        self.mirrored.step_reused(step, earlier)
        because = decision.because
        self._note(
            StepResult(
                step.name,
                step.uses,
                "reused",
                earlier.run_id,
                metrics=metrics,
                models=models_of(step, earlier),
                because=because,
                user=colleague(earlier),
                warnings=told,
            )
        )

    def start(self, name: str) -> None:
        """Opens a step's run and starts its process."""
        step, decision = self._to_do(name)
        self.reporter.step_starting(name, decision.because)
        self._begin(step, decision)

    def reject(self, name: str) -> None:
        """Notes that a step has no result to take over, and was not selected to be executed."""
        step, decision = self._to_do(name)
        self.reporter.step_starting(name, decision.because)
        cause = (
            "no earlier run has a result for the current code, parameters and inputs;"
            f" execute it too: --from {name}"
        )
        self._note(StepResult(name, step.uses, "failed", cause=cause, because=decision.because))

    def _to_do(self, name: str) -> tuple[PlannedStep, Decision]:
        self.began = self.began or time.monotonic()
        return self.prepared.plan.step(name), self._decisions[name]

    def _begin(self, step: PlannedStep, decision: Decision, *, plain: bool = False) -> None:
        tracker = self._tools.tracker
        run_id = tracker.open_step(self.parent, step.name, self._tags(step, decision))
        temp = Path(tempfile.mkdtemp(dir=self._tools.temp))
        attempt = _Attempt(step, decision, run_id, temp / f"{step.name}.log")
        # From here on `kill` knows the run: no signal can leave it open. They are held between instructions.
        self._attempts.append(attempt)
        try:
            recorded = {name: self._lookup.inputs.recorded(a) for name, a in step.arguments.items()}
            tracker.log_parameters(run_id, recorded)
            values = {
                name: self._lookup.inputs.value(step, name, a, tracker, run_id, temp)
                for name, a in step.arguments.items()
            }
            self.mirrored.step_started(step, run_id, decision.key, recorded, values)
            attempt.copy = own_copy(self.prepared.checkout(step), temp)
            task = self._task(attempt, values)
            attempt.running = self._tools.executor.start(self._environments[step.name], task, plain=plain)
        except WaypostError as error:
            attempt.cause = str(error)

    def poll(self) -> list[StepResult]:
        """Records the steps that have ended, and returns how."""
        before = len(self.results)
        for attempt in list(self._attempts):
            try:
                code = attempt.running.poll() if attempt.running else 0
            except LostError as error:  # the fork server is gone or cannot fork it: no fault of the step's
                self._again(attempt, str(error))
                continue
            if code is None and attempt.running and (late := self._lateness(attempt)):
                attempt.running.end()
                attempt.cause, code = late, 1
            if code is not None:
                self._attempts.remove(attempt)
                self._end(attempt, code)
                self._drop_copy(attempt)
        return self.results[before:]

    def _lateness(self, attempt: _Attempt) -> str:
        limit = self.prepared.pipeline.steps[attempt.step.name].limits.minutes
        late = limit is not None and time.monotonic() - attempt.started > 60 * limit
        return f"it took longer than its limit, {limit:g} minutes" if late else ""

    def _again(self, attempt: _Attempt, cause: str) -> None:
        """Runs a step once more, as a plain process: its worker was lost, or could not fork it."""
        self.reporter.say(f"{attempt.step.name}: {cause}; it runs as a plain process")
        self._attempts.remove(attempt)
        self._keep_log(attempt)
        self._drop_copy(attempt)
        self._tools.tracker.close(attempt.run_id, "KILLED")
        self.mirrored.step_ended(attempt.step, attempt.run_id, "killed")
        self._begin(attempt.step, attempt.decision, plain=True)

    def _end(self, attempt: _Attempt, code: int) -> None:
        """Records how an attempt ended. It ended well only if all declared outputs are there and readable."""
        step, tracker = attempt.step, self._tools.tracker
        self._keep_log(attempt)
        cause = attempt.cause or (exit_cause(code, attempt.log) if code else "")
        paths: dict[str, Path] = {}
        if not cause:
            cause = self._find_outputs(step, attempt.run_id, paths)
        if cause:
            tracker.close(attempt.run_id, "FAILED")
            tracker.leases.release(self.parent, attempt.decision.key)
            where = tracker.artifact_location(attempt.run_id, f"logs/{step.name}.log")
            self.mirrored.step_ended(step, attempt.run_id, "failed")
            result = replace(attempt.result("failed"), warnings=tracker.warnings(attempt.run_id))
            self._note(replace(result, cause=cause, tail=tail_of(attempt.log), log=where, exit_code=code))
            return
        measured, told = tracker.outcome(attempt.run_id)
        found = FinishedStep(
            attempt.run_id,
            {name: self._tools.memo.digest(path) for name, path in paths.items()},
            {name: str(path) for name, path in paths.items()},
            measured,
            attempt.decision.inputs.shown(),
            time.monotonic() - attempt.started,
            attempt.running.memory if attempt.running else 0,
        )
        tracker.complete(attempt.run_id, found.digests)
        # The step's process may have set a status of its own; ours is the last word.
        tracker.close(attempt.run_id, "FINISHED")
        tracker.leases.release(self.parent, attempt.decision.key)
        metrics = self._enter(step, attempt.decision, found)
        self.mirrored.step_ended(step, attempt.run_id, "done", found)
        if attempt.decision.is_shared:
            self._tools.index.add_step(attempt.decision.key, self.prepared.pipeline.name, step.name, found)
        models = models_of(step, found)
        self._note(replace(attempt.result("done"), metrics=metrics, models=models, warnings=told))

    def kill(self) -> None:
        """Ends all processes and closes their runs."""
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            if attempt.running:
                attempt.running.end()
        # The status first: it needs no artifact store, and no terminal to say something on.
        for attempt in attempts:
            self._tools.tracker.close(attempt.run_id, "KILLED")
        for attempt in attempts:
            self._keep_log(attempt)
            self.mirrored.step_ended(attempt.step, attempt.run_id, "killed")
            self._note(attempt.result("killed"))

    def skip_rest(self) -> None:
        """Notes the steps that will not run."""
        noted = {result.name for result in self.results}
        for step in self.prepared.plan.steps:
            if step.name not in noted:
                self._note(StepResult(step.name, step.uses, "skipped"))
        order = {step.name: place for place, step in enumerate(self.prepared.plan.steps)}
        self.results.sort(key=lambda result: order[result.name])

    def _note(self, result: StepResult) -> None:
        self.results.append(result)
        self.reporter.step_ended(result)

    def _enter(self, step: PlannedStep, decision: Decision, found: FinishedStep) -> dict[str, float]:
        """Tells the parent run which run holds the step's result, last of all, so that no half-done
        step is ever taken over; copies the declared metrics there and returns them.
        """
        metrics = declared_metrics(step, found)
        tags = {f"{STEP_TAG}.{step.name}": found.run_id}
        self._tools.tracker.tag(
            self.parent, tags, {f"{step.name}/{name}": value for name, value in metrics.items()}
        )
        self._lookup.inputs.finished[step.name] = found
        self.keys[step.name] = decision.key
        return metrics

    def _ask(self, step: PlannedStep, key: str) -> FinishedStep | None:
        """Returns a finished step that the tracking server knows: a colleague's, or one of before."""
        found = self._lookup.reuse.earlier.get(key) or self._tools.tracker.finished_step(key)
        return found and self._here(step, found)

    def _here(self, step: PlannedStep, found: FinishedStep) -> FinishedStep:
        """Returns a finished step with the places of its outputs on this machine."""
        outputs = step.entry_point.outputs
        places = {
            name: str(path)
            for name in found.digests
            if name in outputs and (path := self._tools.tracker.output(found.run_id, outputs[name].path))
        }
        return replace(found, paths=places)

    def _tags(self, step: PlannedStep, decision: Decision) -> dict[str, str]:
        checkout = self.prepared.checkout(step)
        tags = {
            KEY_TAG: decision.key,
            "waypost.component": step.uses,
            "waypost.because": decision.because,
            **{f"waypost.tree.{name}": tree for name, tree in checkout.trees.items()},
            **{f"{INPUT_TAG}.{name}": text for name, text in self._lookup.inputs.digests(step).items()},
            **metric_tags(step.entry_point.metrics),
        }
        if checkout.pin:
            tags |= {
                "waypost.component.version": str(checkout.pin),
                "waypost.component.commit": checkout.pin.commit,
            }
        return tags

    def _task(self, attempt: _Attempt, values: Mapping[str, str]) -> Task:
        step = attempt.step
        limits = self.prepared.pipeline.steps[step.name].limits
        python, modules = worker_command(self.prepared, step, values, self._tools.memo)
        return Task(
            step.name,
            command_line(step.entry_point, values),
            python,
            attempt.copy or self.prepared.checkout(step).folder,
            self._variables(step, attempt.run_id),
            attempt.log,
            modules,
            (limits.memory_mb or 0) * MIB,
            holder_of(self.parent, step.name),
        )

    def _variables(self, step: PlannedStep, run_id: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
        return {
            **kept,
            **self._environments[step.name].variables(),
            **step_variables(self._tools.tracker, run_id),
            **OF_EVERY_STEP,
            **({"COMPONENT_DEBUG": "1"} if self._tools.debug else {}),
        }

    def _find_outputs(self, step: PlannedStep, run_id: str, paths: dict[str, Path]) -> str:
        """Fills `paths` with where the outputs are; returns what is wrong where one is not there."""
        for name, output in step.entry_point.outputs.items():
            path = self._tools.tracker.output(run_id, output.path)
            if path is None:
                return not_logged(name, output.path, self._tools.tracker.logged(run_id))
            if output.type == "mlflow-model" and (problem := model_problem(path, output.metadata)):
                return f"the step ended well, but its output {name!r} ({output.path}) {problem}"
            paths[name] = path
        return ""

    def _drop_copy(self, attempt: _Attempt) -> None:
        if attempt.copy:
            shutil.rmtree(attempt.copy.parent, ignore_errors=True)

    def _keep_log(self, attempt: _Attempt) -> None:
        mask(attempt.log, self._masks)
        if attempt.log.exists():
            self._tools.tracker.log_file(attempt.run_id, attempt.log, "logs")
