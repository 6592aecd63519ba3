"""The execution of one pipeline run: steps are looked up, started, reused and recorded."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from waypost.contracts.declared_outputs import output_tags
from waypost.contracts.keys import FinishedStep, StepInputs
from waypost.contracts.metrics import CPU_SECONDS, PEAK_MEMORY, SECONDS, metric_tags
from waypost.contracts.plan import PlannedStep
from waypost.contracts.schedule_line import Demand
from waypost.errors import WaypostError
from waypost.runs.cache_lookup import CacheLookup, Decision, colleague
from waypost.runs.events import Reporter, StepResult
from waypost.runs.executor import Ended, Executor, LostError, Running, Work
from waypost.runs.index import Index
from waypost.runs.preflight import declared_metrics, models_of
from waypost.runs.prepare import Prepared
from waypost.runs.wandb_events import Mirrored
from waypost.sources.memo import Memo
from waypost.tracking.leases import Holder
from waypost.tracking.runs import ATTEMPT_TAG
from waypost.tracking.tags import INPUT_TAG, KEY_TAG, STEP_TAG
from waypost.tracking.tracker import Tracker
from waypost.tracking.wandb_mirror import RunMirror


@dataclass(frozen=True)
class Tools:
    """What all pipeline runs of a process share; `temp` is a folder that is removed when they are done."""

    tracker: Tracker
    index: Index
    memo: Memo
    executor: Executor
    temp: Path
    mirror: RunMirror


@dataclass
class _Attempt:
    """An attempt at a step in progress; `cause` is the reason if it could not start."""

    step: PlannedStep
    decision: Decision
    run_id: str
    number: int
    running: Running | None = None
    cause: str = ""
    started: float = field(default_factory=time.monotonic)

    def result(self, state: str, seconds: float = 0.0) -> StepResult:
        seconds = seconds or time.monotonic() - self.started
        name, uses, because = self.step.name, self.step.uses, self.decision.because
        return StepResult(name, uses, state, self.run_id, seconds, because=because)


class Execution:
    """The steps of one pipeline run below the MLflow run `parent`: looked up, leased, started, recorded.

    It carries out instructions in any order that `contracts/schedule.py` may give, and holds no policy.

    Invariants. A step's result becomes visible in this order, so that a kill between two of them leaves
    nothing half-done for anybody to reuse: outputs and metrics (by the step itself), digests and the tag
    `waypost.complete`, the status FINISHED, the end of the lease, the parent's tag, the index. Each attempt
    is in `_attempts` from the opening of its run to its end, so that `kill` closes whatever was opened. Each
    step has exactly one result.
    """

    def __init__(
        self,
        prepared: Prepared,
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
        self._lookup = lookup
        self._tools = tools
        self._decisions: dict[str, Decision] = {}
        self._holders: dict[str, Holder] = {}
        self._attempts: list[_Attempt] = []

    @property
    def inputs(self) -> dict[str, StepInputs]:
        """What the keys of the steps are made of, for the steps looked up so far."""
        return {name: decision.inputs for name, decision in self._decisions.items()}

    def look_up(self, name: str, *, again: bool) -> Decision:
        """Returns the decision for a step whose needs are finished; the earlier one unless `again`."""
        if again or name not in self._decisions:
            step = self.prepared.plan.step(name)
            self._decisions[name] = self._lookup.look_up(
                step, lambda key: self._ask(step, key), self._tools.tracker.is_finished
            )
        return self._decisions[name]

    def lease(self, name: str) -> bool:
        """Acquires the lease on a step's key; returns whether it is ours now."""
        holder = self._tools.tracker.leases.acquire(self.parent, self._decisions[name].key)
        if holder:
            self._holders[name] = holder
        return holder is None

    def release(self, name: str) -> None:
        """Releases the lease on a step's key."""
        self._tools.tracker.leases.release(self.parent, self._decisions[name].key)

    def report_elsewhere(self, name: str) -> None:
        """Reports which run a step waits for."""
        holder = self._holders[name]
        whose = f"run {holder.run_id} of {holder.user or 'somebody'}"
        self.reporter.step_held(name, f"{whose} is computing it right now")

    def demand_of(self, name: str) -> Demand:
        """Returns the resources that a step needs."""
        latest = self._tools.index.latest(self.prepared.pipeline.name, name)
        return self.prepared.pipeline.steps[name].resources.demand(latest.memory if latest else 0)

    def report_busy(self, name: str) -> None:
        """Reports that a step waits for resources that other processes of this machine use."""
        self.reporter.step_held(name, "other processes of this machine have the GPUs")

    def take_over(self, name: str) -> None:
        """Reuses the result that was found for a step."""
        step, decision = self._to_do(name)
        earlier = decision.earlier
        if earlier is None:
            raise ValueError(f"{name}: nothing to reuse")
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
        """Records that a step was not selected to run, and has no result to reuse."""
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

    def _begin(self, step: PlannedStep, decision: Decision, number: int = 1, lost: str = "") -> None:
        """Opens a step's run and starts an attempt; `lost` says why an earlier one ended."""
        tracker, inputs = self._tools.tracker, self._lookup.inputs
        tags = self._tags(step, decision)
        if self._tools.executor.is_elsewhere:
            tags[ATTEMPT_TAG] = str(number)
        shown = self.prepared.plan.numbered(step.name)
        run_id = tracker.open_step(self.parent, step.name, tags, shown)
        attempt = _Attempt(step, decision, run_id, number)
        # From here on `kill` knows the run. Signals are held between instructions: none can leave it open.
        self._attempts.append(attempt)
        try:
            recorded = {name: inputs.recorded(a) for name, a in step.arguments.items()}
            tracker.log_parameters(run_id, recorded)
            for name, text in inputs.inline(step).items():
                tracker.log_text(run_id, text, f"parameters/{name}.yaml")
            attempt.running = self._tools.executor.start(
                Work(
                    self.prepared,
                    step,
                    inputs,
                    self.parent,
                    run_id,
                    decision.key,
                    decision.inputs.variables,
                    number,
                    lost,
                )
            )
            self.mirrored.step_started(step, run_id, decision.key, recorded, attempt.running.values)
        except WaypostError as error:
            attempt.cause = str(error)

    def poll(self) -> list[StepResult]:
        """Records the steps that have ended, and returns their results."""
        before = len(self.results)
        for attempt in list(self._attempts):
            try:
                has_ended = attempt.running is None or attempt.running.poll()
            except LostError as error:
                self._again(attempt, str(error))
                continue
            if has_ended:
                ended = attempt.running.result() if attempt.running else Ended(cause=attempt.cause)
                self._attempts.remove(attempt)
                self._end(attempt, ended)
        return self.results[before:]

    def _again(self, attempt: _Attempt, cause: str) -> None:
        """Runs a step again, below a new run: its worker or process was lost."""
        self._attempts.remove(attempt)
        self._tools.tracker.close(attempt.run_id, "KILLED")
        self.mirrored.step_ended(attempt.step, attempt.run_id, "killed")
        self._begin(attempt.step, attempt.decision, attempt.number + 1, cause)

    def _end(self, attempt: _Attempt, ended: Ended) -> None:
        """Records how an attempt ended. It succeeded only if all declared outputs are there and readable."""
        step, tracker = attempt.step, self._tools.tracker
        if ended.cause:
            tracker.tag(attempt.run_id, {}, _taken(attempt, ended))
            tracker.close(attempt.run_id, "FAILED")
            tracker.leases.release(self.parent, attempt.decision.key)
            where = tracker.artifact_location(attempt.run_id, f"logs/{step.name}.log")
            self.mirrored.step_ended(step, attempt.run_id, "failed")
            told = tracker.warnings(attempt.run_id)
            result = replace(attempt.result("failed", ended.seconds), warnings=told)
            self._note(replace(result, cause=ended.cause, tail=ended.tail, log=where, exit_code=ended.code))
            return
        measured, told = tracker.outcome(attempt.run_id)
        found = FinishedStep(
            attempt.run_id,
            ended.digests,
            ended.paths,
            measured,
            attempt.decision.inputs.shown(),
            ended.seconds or time.monotonic() - attempt.started,
            ended.memory,
        )
        tracker.complete(attempt.run_id, found.digests, _taken(attempt, ended))
        # The step's process may have set a status itself; ours is final.
        tracker.close(attempt.run_id, "FINISHED")
        tracker.leases.release(self.parent, attempt.decision.key)
        metrics = self._enter(step, attempt.decision, found)
        self.mirrored.step_ended(step, attempt.run_id, "done", found)
        if attempt.decision.is_shared:
            self._tools.index.add_step(attempt.decision.key, self.prepared.pipeline.name, step.name, found)
        result = attempt.result("done", ended.seconds)
        self._note(replace(result, metrics=metrics, models=ended.models, warnings=told))

    def kill(self) -> None:
        """Ends all processes and closes their runs."""
        attempts, self._attempts = self._attempts, []
        for attempt in attempts:
            if attempt.running:
                attempt.running.end()
        # The status first: it needs neither an artifact store nor a terminal.
        for attempt in attempts:
            self._tools.tracker.close(attempt.run_id, "KILLED")
        for attempt in attempts:
            if attempt.running:
                attempt.running.keep_log()
            self.mirrored.step_ended(attempt.step, attempt.run_id, "killed")
            self._note(attempt.result("killed"))

    def skip_rest(self) -> None:
        """Records the remaining steps as skipped."""
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
        """Tags the parent run with the run of the step's result, last of all, so that no half-done step is
        ever reused; copies the declared metrics there and returns them.
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
        """Returns a finished step that the tracking server knows: a colleague's, or an earlier one."""
        found = self._lookup.reuse.earlier.get(key) or self._tools.tracker.finished_step(key)
        return found and self._here(step, found)

    def _here(self, step: PlannedStep, found: FinishedStep) -> FinishedStep:
        """Returns a finished step with the paths of its outputs, if steps execute here."""
        if self._tools.executor.is_elsewhere:
            return found
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
            **output_tags(step.entry_point.outputs),
        }
        if checkout.pin:
            tags |= {
                "waypost.component.version": str(checkout.pin),
                "waypost.component.commit": checkout.pin.commit,
            }
        return tags


def _taken(attempt: _Attempt, ended: Ended) -> dict[str, float]:
    """Returns what an attempt used, as metrics of its run, where known."""
    known = {
        SECONDS: ended.seconds or time.monotonic() - attempt.started,
        CPU_SECONDS: ended.cpu_seconds,
        PEAK_MEMORY: ended.memory / 1e6,
    }
    return {name: value for name, value in known.items() if value}
