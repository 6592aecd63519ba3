"""Executes plans: steps run as soon as graph, cores and memory allow, each below an MLflow run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from waypost.contracts.pipeline import FILE
from waypost.contracts.plan import PlannedStep
from waypost.contracts.resources import lacks
from waypost.errors import FindingsError
from waypost.pins.watch import Watch
from waypost.runs.dispatch import drive
from waypost.runs.events import Reporter, RunResult
from waypost.runs.execution import Tools
from waypost.runs.executor import Site
from waypost.runs.index import Index
from waypost.runs.local_executor import LocalExecutor, this_machine
from waypost.runs.pipeline_run import PipelineRun
from waypost.runs.preflight import Options, Preflight, preflight
from waypost.runs.prepare import Prepared
from waypost.sources.memo import Memo
from waypost.system.gpus import visible_gpus
from waypost.system.places import home
from waypost.system.scratch import remove_leftovers, scratch
from waypost.tracking.connection import patience, tracking_errors
from waypost.tracking.databases import listening
from waypost.tracking.local import are_finished, tracking_uri
from waypost.tracking.tracker import Tracker
from waypost.tracking.wandb_mirror import run_mirror


def run(
    prepared: Prepared,
    options: Options,
    reporter: Reporter,
    watched: Path | None = None,
    site: Site = LocalExecutor,
) -> RunResult:
    """Executes the pipeline and returns how it ended; a failed step is a result, not an exception.

    If everything is current, the earlier run is returned and nothing is started. While steps run, the remotes
    of the `watched` pipeline's folder are polled; news about its pins become warnings, shown and recorded
    with the run.

    Raises Interrupted after a signal to terminate, with all processes ended and all runs closed, and
    WaypostError if the tracking server does not answer.
    """
    found = preflight(prepared, options)
    current = found.current
    if current and is_there(current):
        reporter.ended(current)
        return current
    with contextlib.ExitStack() as stack:
        if not options.on:
            require_room([(prepared, found)], options)
        heard = stack.enter_context(Watch(watched)) if watched else None
        stack.enter_context(listening(reporter.say))
        tools = stack.enter_context(open_tools(prepared, options, found.missing, reporter, site))
        stack.enter_context(tracking_errors())
        if current and all(map(tools.tracker.is_finished, _ids(current))):
            current = replace(current, experiment_id=tools.tracker.experiment_id)
            reporter.ended(current)
            return current
        close_abandoned(tools.tracker, reporter)
        stack.enter_context(patience(reporter.say))
        opening = (PipelineRun(prepared, options, tools, reporter) for _ in range(1))
        [opened] = drive(opening, options, tools, heard)
    lost = tools.mirror.warning
    return replace(opened.result, warnings=(*opened.result.warnings, lost)) if lost else opened.result


def is_there(result: RunResult) -> bool:
    """Returns, without MLflow, whether a run and its steps are in the tracking store; False may mean
    unknown.
    """
    return are_finished(tracking_uri(), _ids(result))


def _ids(result: RunResult) -> list[str]:
    return [result.run_id, *(step.run_id for step in result.steps)]


def require_room(asked: Iterable[tuple[Prepared, Preflight]], options: Options) -> None:
    """Raises FindingsError if a step that may run needs more than this machine has."""
    steps = {
        step.name: prepared.pipeline.steps[step.name].resources
        for prepared, found in asked
        for step in found.missing
        if options.steps is None or step.name in options.steps
    }
    gpus = len(visible_gpus()) if any(each.gpus for each in steps.values()) else None
    if findings := list(lacks(steps, this_machine(options.jobs, gpus), "this machine", FILE)):
        raise FindingsError(findings)


@contextlib.contextmanager
def open_tools(
    prepared: Prepared,
    options: Options,
    missing: Iterable[PlannedStep],
    reporter: Reporter,
    site: Site = LocalExecutor,
    others: Iterable[tuple[Prepared, Iterable[PlannedStep]]] = (),
) -> Iterator[Tools]:
    """Yields what runs share; `others` are the further pipelines of a sweep, with their missing steps.

    The executor comes first: workers import what the `missing` steps need while MLflow is imported here.
    """
    remove_leftovers()
    memo = Memo(home())
    with scratch() as temp, contextlib.closing(site(temp, memo, options, reporter)) as executor:
        executor.prepare(prepared, missing)
        for other in others:
            executor.prepare(*other)
        tracker = Tracker(prepared.pipeline.name)
        executor.announce(tracker)
        index = Index(home(), tracker.uri)
        with run_mirror(wanted=options.wandb, notify=reporter.say, warn=reporter.warn) as kept:
            yield Tools(tracker, index, memo, executor, temp, kept)
        for problem in filter(None, (index.problem, memo.problem)):
            reporter.warn(f"the cache is disabled: {problem}")


def close_abandoned(tracker: Tracker, reporter: Reporter) -> None:
    """Closes the runs of dead processes, and reports them."""
    for run_id in tracker.close_abandoned():
        reporter.say(f"run {run_id} belongs to a process that no longer exists: marked KILLED")
