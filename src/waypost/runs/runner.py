"""Executes a plan: one process per step, one MLflow run per step below the pipeline's own."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waypost import __version__
from waypost.contracts.component import command_line
from waypost.contracts.keys import StepInputs, step_key
from waypost.contracts.parameters import canonical_yaml, flat
from waypost.contracts.plan import PlannedStep
from waypost.errors import Interrupted, UsageError, WaypostError
from waypost.pins.watch import Watch
from waypost.runs import environments
from waypost.runs.environments import Environment
from waypost.runs.events import Reporter, RunResult, StepResult
from waypost.runs.inputs import Inputs
from waypost.runs.logs import exit_cause, tail_of
from waypost.runs.prepare import Prepared
from waypost.sources.files import content_digest, home, read_python_env
from waypost.sources.process import run_step
from waypost.sources.scratch import scratch, sweep
from waypost.tracking.store import KEY_TAG, STEP_TAG, StepRun, Tracker, step_variables, tracking_errors

_NOT_INHERITED = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME")


@dataclass(frozen=True)
class Options:
    """How to run: `steps` to execute (None: all), `resume`, `env` (uv or local), `debug`; of a bundle
    the folder of its `wheels`, and its `data`, files by the URL that they come from.
    """

    steps: frozenset[str] | None = None
    resume: bool = False
    env: str = "uv"
    debug: bool = False
    wheels: Path | None = None
    data: Mapping[str, Path] = field(default_factory=dict)


def run(prepared: Prepared, options: Options, reporter: Reporter, watch: Watch | None = None) -> RunResult:
    """Executes the pipeline and returns how it ended; a failed step is a result, not an exception.

    What the remotes tell the `watch` meanwhile becomes a warning, shown and kept with the run.

    Raises Interrupted after SIGINT or SIGTERM, with all processes ended and all runs closed, and
    WaypostError where the tracking server does not answer.
    """
    with tracking_errors():
        return _run(prepared, options, reporter, watch)


def _run(prepared: Prepared, options: Options, reporter: Reporter, watch: Watch | None) -> RunResult:
    sweep()
    tracker = Tracker(prepared.pipeline.name)
    for run_id in tracker.close_abandoned():
        reporter.say(f"run {run_id} was left behind by a process that is gone: marked KILLED")
    earlier = _earlier_steps(tracker, prepared, options)
    envs = _environments(prepared, options, reporter)
    tags = {"waypost.version": __version__, **prepared.tags}
    if prepared.lock:
        tags["waypost.lock"] = prepared.lock
    if prepared.dev:
        tags["waypost.dev"] = "true"
    parent = tracker.open_pipeline(tags)
    warnings = list(prepared.warnings)

    def hear() -> None:
        for news in watch.news() if watch else ():
            if news.warning:
                warnings.append(news.text)
                reporter.warn(news.text)
            else:
                reporter.say(news.text)

    hear()
    execution = _Execution(prepared, options, reporter, tracker, parent, envs, earlier)
    started = time.monotonic()
    status = "KILLED"
    try:
        reporter.starting(prepared.plan, parent)
        tracker.log_parameters(parent, flat(prepared.parameters))
        tracker.log_text(parent, canonical_yaml(prepared.parameters), "params.yaml")
        execution.run_all()
        status = "FAILED" if execution.failed else "FINISHED"
    except BaseException as error:
        status = "KILLED" if isinstance(error, (Interrupted, KeyboardInterrupt)) else "FAILED"
        raise
    finally:
        hear()
        if warnings:
            tracker.tag(parent, "waypost.warnings", "\n".join(warnings))
        tracker.close(parent, status)
        result = RunResult(
            prepared.pipeline.name,
            parent,
            status,
            time.monotonic() - started,
            tracker.uri,
            tuple(execution.results),
            tuple(warnings),
        )
        reporter.ended(result)
    return result


def _earlier_steps(tracker: Tracker, prepared: Prepared, options: Options) -> Mapping[str, StepRun]:
    """Returns finished steps that this run may take over, by their keys."""
    if options.resume:
        earlier = tracker.steps_to_resume()
        if earlier is None:
            message = f"no failed or interrupted run of {prepared.pipeline.name} to resume"
            raise UsageError(message, hint="run it without --resume")
        return earlier
    if options.steps is not None:
        return tracker.recent_steps()
    return {}


def _environments(prepared: Prepared, options: Options, reporter: Reporter) -> dict[str, Environment]:
    """Returns the environment of each step; all are there before step 1 starts."""
    found = {}
    for step in prepared.plan.steps:
        code = prepared.checkout(step)
        folder = code.folder
        python_env = read_python_env(folder, code.component)
        if options.env == "local" or not python_env.dependencies:
            found[step.name] = environments.local()
        else:
            found[step.name] = environments.ensure(folder, python_env, home(), reporter.say, options.wheels)
    return found


class _Execution:
    """One run on its way: what is finished, what failed."""

    def __init__(
        self,
        prepared: Prepared,
        options: Options,
        reporter: Reporter,
        tracker: Tracker,
        parent: str,
        envs: Mapping[str, Environment],
        earlier: Mapping[str, StepRun],
    ) -> None:
        self._prepared = prepared
        self._options = options
        self._reporter = reporter
        self._tracker = tracker
        self._parent = parent
        self._envs = envs
        self._earlier = earlier
        self._finished: dict[str, StepRun] = {}
        self._given = Inputs(prepared, tracker, self._finished, options.data)
        self._wanted = self._with_ancestors(options.steps)
        self.results: list[StepResult] = []
        self.failed = False

    def run_all(self) -> None:
        for step in self._prepared.plan.steps:
            if self.failed or step.name not in self._wanted:
                result = StepResult(step.name, step.uses, "skipped")
            else:
                result = self._run(step)
            self._note(result)

    def _note(self, result: StepResult) -> None:
        self.results.append(result)
        self._reporter.step_ended(result)
        self.failed = self.failed or result.state == "failed"

    def _with_ancestors(self, selected: frozenset[str] | None) -> set[str]:
        """Returns the selected steps and all that they need, directly or not."""
        steps = self._prepared.plan.steps
        wanted = set(selected if selected is not None else (step.name for step in steps))
        for step in reversed(steps):
            if step.name in wanted:
                wanted.update(step.needs)
        return wanted

    def _run(self, step: PlannedStep) -> StepResult:
        self._reporter.step_starting(step.name)
        key = step_key(self._inputs(step))
        to_execute = self._options.steps is not None and step.name in self._options.steps
        if not to_execute and (reusable := self._earlier.get(key)):
            return self._take_over(step, reusable)
        if self._options.steps is not None and not to_execute:
            cause = (
                "no earlier run has a result with the code, parameters and inputs of now;"
                f" execute it too: --from {step.name}"
            )
            return StepResult(step.name, step.uses, "failed", cause=cause)
        return self._execute(step, key)

    def _take_over(self, step: PlannedStep, earlier: StepRun) -> StepResult:
        self._finished[step.name] = earlier
        metrics = self._enter(step, earlier.run_id)
        return StepResult(step.name, step.uses, "reused", earlier.run_id, 0.0, metrics)

    def _execute(self, step: PlannedStep, key: str) -> StepResult:
        checkout = self._prepared.checkout(step)
        tags = {
            KEY_TAG: key,
            "waypost.component": step.uses,
            **{f"waypost.tree.{name}": tree for name, tree in checkout.trees.items()},
        }
        if checkout.pin:
            tags |= {
                "waypost.component.version": str(checkout.pin),
                "waypost.component.commit": checkout.pin.commit,
            }
        run_id = self._tracker.open_step(self._parent, step.name, tags)
        started = time.monotonic()
        status, code = "KILLED", 0
        with scratch() as temp:
            log = temp / f"{step.name}.log"
            try:
                recorded = {name: self._given.recorded(a) for name, a in step.arguments.items()}
                self._tracker.log_parameters(run_id, recorded)
                values = {n: self._given.value(n, a, run_id, temp) for n, a in step.arguments.items()}
                code = run_step(
                    command_line(step.entry_point, values),
                    cwd=checkout.folder,
                    env=self._variables(step, run_id),
                    log=log,
                    tick=self._reporter.tick,
                )
                cause = exit_cause(code, log) if code else self._missing_output(step, run_id)
                status = "FAILED" if cause else "FINISHED"
            except Interrupted:
                seconds = time.monotonic() - started
                self._note(StepResult(step.name, step.uses, "killed", run_id, seconds))
                raise
            except WaypostError as error:
                cause, status = str(error), "FAILED"
            finally:
                # The step's process may have set a status of its own; ours is the last word.
                if log.exists():
                    self._tracker.log_file(run_id, log, "logs")
                self._tracker.close(run_id, status)
            tail = tail_of(log)
        seconds = time.monotonic() - started
        if cause:
            where = self._tracker.artifact_location(run_id, f"logs/{step.name}.log")
            return StepResult(step.name, step.uses, "failed", run_id, seconds, {}, cause, tail, where, code)
        metrics = self._enter(step, run_id)
        return StepResult(step.name, step.uses, "done", run_id, seconds, metrics)

    def _enter(self, step: PlannedStep, run_id: str) -> dict[str, float]:
        """Tells the parent run which run holds the step's result, last of all, so that no half-done
        step is ever taken over; copies the declared metrics there and returns them.
        """
        found = self._tracker.metrics(run_id)
        metrics = {name: found[name] for name in step.entry_point.metrics if name in found}
        self._tracker.tag(self._parent, f"{STEP_TAG}.{step.name}", run_id)
        self._tracker.log_metrics(
            self._parent, {f"{step.name}/{name}": value for name, value in metrics.items()}
        )
        return metrics

    def _inputs(self, step: PlannedStep) -> StepInputs:
        return StepInputs(
            trees=self._prepared.checkout(step).trees,
            entry_point=step.entry_point.command,
            arguments={name: self._given.identity(a) for name, a in step.arguments.items()},
            environment=self._envs[step.name].digest,
            platform=environments.platform_tag(),
        )

    def _variables(self, step: PlannedStep, run_id: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in _NOT_INHERITED}
        return {
            **kept,
            **self._envs[step.name].variables(),
            **step_variables(self._tracker, run_id),
            # Environments are byte-compiled when they are built; nothing is written into work trees.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **({"COMPONENT_DEBUG": "1"} if self._options.debug else {}),
        }

    def _missing_output(self, step: PlannedStep, run_id: str) -> str:
        """Records the digests of all outputs; returns what is wrong where one is not there."""
        digests = {}
        for name, output in step.entry_point.outputs.items():
            path = self._tracker.output(run_id, output.path)
            if path is None:
                return f"the step ended well, but its output {name!r} ({output.path}) was not logged"
            digests[name] = content_digest(path)
            self._tracker.tag(run_id, f"waypost.output.{name}", digests[name])
        self._finished[step.name] = StepRun(run_id, digests)
        return ""
