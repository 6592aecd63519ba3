"""Executes plans: steps as soon as the graph, the cores and the memory allow, each below an MLflow run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

from waypost import __version__
from waypost.contracts.component import PythonEnv
from waypost.contracts.keys import FinishedStep
from waypost.contracts.parameters import flat
from waypost.contracts.plan import PlannedStep
from waypost.errors import UsageError, redacted
from waypost.pins.watch import Watch
from waypost.runs import drafts, environments
from waypost.runs.code import worker_command
from waypost.runs.decide import Decider, Reuse
from waypost.runs.environments import Environment
from waypost.runs.events import Reporter, RunResult
from waypost.runs.execution import Execution, Tools
from waypost.runs.index import Index
from waypost.runs.inputs import Inputs
from waypost.runs.mirrored import Mirrored
from waypost.runs.prepare import Prepared
from waypost.runs.provenance import origin_of
from waypost.runs.survey import Options, by_step, run_key, survey
from waypost.runs.workers import Workers
from waypost.sources.machine import available_memory, cores
from waypost.sources.memo import Memo
from waypost.sources.places import home
from waypost.sources.scratch import scratch, sweep
from waypost.sources.signals import check, held
from waypost.tracking.connection import last_words, patience, tracking_errors
from waypost.tracking.databases import listening
from waypost.tracking.local import are_finished, is_local, tracking_uri
from waypost.tracking.mirror import mirror
from waypost.tracking.store import Tracker

_TICK_SECONDS = 0.05


def run(prepared: Prepared, options: Options, reporter: Reporter, watched: Path | None = None) -> RunResult:
    """Executes the pipeline and returns how it ended; a failed step is a result, not an exception.

    Where everything is current already, that run is returned and nothing is started. While steps
    run, the remotes of the `watched` pipeline's folder are asked; what they say of its pins becomes a
    warning, shown and kept with the run.

    Raises Interrupted after a signal that ends us, with all processes ended and all runs closed, and
    WaypostError where the tracking server does not answer.
    """
    found = survey(prepared, options)
    current = found.current
    if current and is_there(current):
        reporter.ended(current)
        return current
    with contextlib.ExitStack() as stack:
        heard = stack.enter_context(Watch(watched)) if watched else None
        envs = build_environments(prepared, options, reporter)
        stack.enter_context(listening(reporter.say))
        tools = stack.enter_context(open_tools(prepared, envs, options, found.missing, reporter))
        stack.enter_context(tracking_errors())
        if current and all(map(tools.tracker.is_finished, _ids(current))):
            current = replace(current, experiment_id=tools.tracker.experiment_id)
            reporter.ended(current)
            return current
        close_abandoned(tools.tracker, reporter)
        stack.enter_context(patience(reporter.say))
        opening = (PipelineRun(prepared, options, envs, tools, reporter) for _ in range(1))
        [opened] = drive(opening, options, tools, heard)
    lost = tools.mirror.warning
    return replace(opened.result, warnings=(*opened.result.warnings, lost)) if lost else opened.result


def is_there(result: RunResult) -> bool:
    """Tells, without MLflow, whether a run and its steps are in the tracking store; no means perhaps not."""
    return are_finished(tracking_uri(), _ids(result))


def _ids(result: RunResult) -> list[str]:
    return [result.run_id, *(step.run_id for step in result.steps)]


def build_environments(prepared: Prepared, options: Options, reporter: Reporter) -> dict[str, Environment]:
    """Returns the environment of each step; all are there before step 1 starts."""

    def build(folder: Path, python_env: PythonEnv | None) -> Environment:
        if python_env is None:
            return environments.local()
        return environments.ensure(folder, python_env, home(), reporter.say, options.wheels)

    return by_step(prepared, options.env, build)


@contextlib.contextmanager
def open_tools(
    prepared: Prepared,
    envs: Mapping[str, Environment],
    options: Options,
    missing: Iterable[PlannedStep],
    reporter: Reporter,
) -> Iterator[Tools]:
    """Gives what runs share. Workers start first: they import what the `missing` steps need, beside MLflow
    here.
    """
    sweep()
    memo = Memo(home())
    with scratch() as temp, contextlib.closing(Workers(temp, fork=options.fork)) as workers:
        for step in missing:
            values = dict.fromkeys(step.entry_point.parameters, "")
            workers.prepare(envs[step.name], *worker_command(prepared, step, values, memo))
        tracker = Tracker(prepared.pipeline.name)
        workers.announce(tracker.uri)
        index = Index(home(), tracker.uri)
        with mirror(wanted=options.wandb, say=reporter.say, warn=reporter.warn) as kept:
            yield Tools(tracker, index, memo, workers, temp, kept, options.debug)
        for problem in filter(None, (index.problem, memo.problem)):
            reporter.warn(f"the cache is not used: {problem}")


def close_abandoned(tracker: Tracker, reporter: Reporter) -> None:
    """Closes the runs of processes that are gone, and says so."""
    for run_id in tracker.close_abandoned():
        reporter.say(f"run {run_id} was left behind by a process that is gone: marked KILLED")


class PipelineRun:
    """One pipeline run, opened on the tracking server; `result` is there once it is closed.

    Nothing but opening it is done when it is made: whoever has it closes it, whatever comes after.
    In a sweep it has a `name` of its own, and the sweep's run as its `parent`.
    """

    result: RunResult

    def __init__(
        self,
        prepared: Prepared,
        options: Options,
        envs: Mapping[str, Environment],
        tools: Tools,
        reporter: Reporter,
        *,
        parent: str = "",
        name: str = "",
    ) -> None:
        self._prepared = prepared
        self._options = options
        self._tools = tools
        self._reporter = reporter
        self._opened = monotonic()
        self.is_closed = False
        self._warnings = list(prepared.warnings)
        finished: dict[str, FinishedStep] = {}
        inputs = Inputs(prepared, tools.memo, finished, options.data, options.offline)
        reuse = Reuse(
            options.cache,
            options.force,
            options.steps,
            _earlier_steps(tools.tracker, options, prepared.pipeline.name),
        )
        digests = {step: environment.digest for step, environment in envs.items()}
        decider = Decider(prepared, digests, tools.index, tools.memo, inputs, reuse)
        self._origin = origin_of(prepared, options)
        tags = {"waypost.version": __version__, **self._origin.tags}
        self.run_id = tools.tracker.open_pipeline(tags, parent=parent, name=name)
        mirrored = Mirrored(tools.mirror, prepared, self.run_id, tags, tools.tracker.uri)
        self.execution = Execution(
            prepared, envs, decider, inputs, finished, tools, reporter, self.run_id, mirrored, reuse
        )

    def begin(self) -> None:
        """Tells that it is there, and records its parameters."""
        tracker = self._tools.tracker
        self.execution.mirrored.opened()
        self._reporter.starting(self._prepared.plan, self.run_id)
        tracker.log_parameters(self.run_id, flat(self._prepared.parameters))
        tracker.log_contents(self.run_id, self._origin.artifacts)

    def warn(self, text: str) -> None:
        """Shows a warning, and keeps it with the run."""
        self._warnings.append(text)
        self._reporter.warn(text)

    def say(self, text: str) -> None:
        self._reporter.say(text)

    def close(self, status: str) -> None:
        """Gives the run its terminal status; a finished one enters the index."""
        execution = self.execution
        self.is_closed = True
        self.result = RunResult(
            self._prepared.pipeline.name,
            self.run_id,
            status,
            monotonic() - (execution.began or self._opened),
            redacted(self._tools.tracker.uri),
            tuple(execution.results),
            tuple(self._warnings),
            experiment_id=self._tools.tracker.experiment_id,
            differing=self._origin.differing,
            dirty=self._origin.dirty,
        )
        metrics = {f"{s.name}/{name}": value for s in execution.results for name, value in s.metrics.items()}
        execution.mirrored.ended(status, metrics)
        try:
            self._record_end(status)
        finally:
            self._reporter.ended(self.result)

    def abandon(self, status: str) -> None:
        """Ends what is left of the run and closes it, while something else is on its way up."""
        for last in (self.execution.kill, lambda: self.close(status)):
            with last_words():
                last()

    def _record_end(self, status: str) -> None:
        tracker, keys = self._tools.tracker, self.execution.keys
        if self._warnings:
            tracker.tag(self.run_id, {"waypost.warnings": "\n".join(self._warnings)})
        if status != "FINISHED" or not is_local(tracker.uri):
            # Of a step that was just about to be opened or recorded, nobody but the server knows; and of one
            # whose opening was asked for twice, because the first answer was lost on its way.
            tracker.close_steps(self.run_id)
        tracker.close(self.run_id, status)
        if status == "FINISHED" and len(keys) == len(self._prepared.plan.steps):
            key = run_key(self._prepared, keys, self._options, is_dirty=bool(self._origin.dirty))
            self._tools.index.add_run(key, self.run_id)
            drafts.note(self._prepared, self._options, self.run_id, tracker.uri)


def _earlier_steps(tracker: Tracker, options: Options, name: str) -> Mapping[str, FinishedStep]:
    """Returns the finished steps of the run to resume, by their keys."""
    if not options.resume:
        return {}
    earlier = tracker.steps_to_resume()
    if earlier is None:
        message = f"no failed or interrupted run of {name} to resume"
        raise UsageError(message, hint="run it without --resume")
    return earlier


def drive(
    opening: Iterable[PipelineRun], options: Options, tools: Tools, watch: Watch | None = None
) -> list[PipelineRun]:
    """Opens pipeline runs, executes them side by side, and closes each as soon as it has ended.

    A step that several of them have in common runs once. A failed step lets those that run already
    end, and no other one of its pipeline start. Raises Interrupted with everything ended and closed:
    from the first opening to the last closing signals are held.
    """
    runs: list[PipelineRun] = []
    status = "KILLED"
    with held():
        try:
            for each in opening:
                runs.append(each)
                each.begin()
                check()
            _loop(runs, options.jobs or cores(), tools, watch)
        except Exception:
            status = "FAILED"
            raise
        finally:
            for each in runs:
                if not each.is_closed:
                    each.abandon(status)
    return runs


def _loop(runs: Sequence[PipelineRun], jobs: int, tools: Tools, watch: Watch | None) -> None:
    while open_ones := [each for each in runs if not each.is_closed]:
        check()
        _hear(open_ones, watch)
        tools.tracker.claims.beat(each.run_id for each in open_ones)
        executions = [each.execution for each in open_ones]
        ended = [execution.poll() for execution in executions]
        for execution in executions:
            _start_ready(execution, executions, jobs)
        over = [each for each in open_ones if not each.execution.running and not each.execution.ready()]
        for each in over:
            each.execution.skip_rest()
            _hear([each], watch)
            each.close("FAILED" if each.execution.failed else "FINISHED")
        if not any(ended) and not over:
            tools.workers.wait(_TICK_SECONDS)
        for execution in executions:
            execution.reporter.tick()


def _start_ready(execution: Execution, all_of_them: Sequence[Execution], jobs: int) -> None:
    """Starts what can start: new steps may be ready as soon as one is taken over."""
    while True:
        check()
        ready = execution.ready()
        taken_over = False
        for step in ready:
            keys = {key for each in all_of_them for key in each.running_keys}
            decision = execution.decide(step)
            if decision.is_shared and decision.key in keys:
                execution.blocked.add(step.name)  # another pipeline computes it right now
                continue
            if step.name in execution.blocked:
                execution.blocked.discard(step.name)
                decision = execution.decide(step, anew=True)
            running = sum(each.running for each in all_of_them)
            if decision.earlier:
                execution.take_over(step, decision)
                taken_over = True
            elif running < jobs and (not running or _has_memory(execution.memory_of(step))):
                obtained = execution.obtain(step, decision)
                if obtained and obtained.earlier:
                    execution.take_over(step, obtained)
                    taken_over = True
                elif obtained:
                    execution.start(step, obtained)
            else:
                execution.step_back(decision)
        if not taken_over:
            return


def _has_memory(needed: int) -> bool:
    available = available_memory()
    return available is None or needed <= available


def _hear(runs: Sequence[PipelineRun], watch: Watch | None) -> None:
    for news in watch.news() if watch else ():
        for each in runs:
            if news.warning:
                each.warn(news.text)
            else:
                each.say(news.text)
