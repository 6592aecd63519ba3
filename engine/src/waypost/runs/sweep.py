"""Many runs of one pipeline with different parameters, concurrently; common steps run once."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from waypost.contracts.metrics import DeclaredSide, is_finite
from waypost.errors import Finding, FindingsError, did_you_mean, redacted
from waypost.pages.sweep_page import Sweep, SweptPoint, sweep_page
from waypost.runs.dispatch import drive
from waypost.runs.events import Reporter, RunResult
from waypost.runs.execution import Tools
from waypost.runs.executor import Site
from waypost.runs.local_executor import LocalExecutor
from waypost.runs.outcomes import PAGE
from waypost.runs.pipeline_run import PipelineRun
from waypost.runs.preflight import Options, Preflight, digests, preflight
from waypost.runs.prepare import Prepared
from waypost.runs.runner import close_abandoned, is_there, open_tools, require_room
from waypost.system.signals import check, held
from waypost.tracking.connection import last_words, patience, tracking_errors
from waypost.tracking.databases import listening
from waypost.tracking.tracker import Tracker

_EXECUTED = ("done", "failed", "killed")
Listener = Callable[["Point"], None]


@dataclass(frozen=True)
class Point:
    """One combination of values: its run, and the metric to compare points by, None if not measured. A failed
    run may have it, too.
    """

    values: tuple[str, ...]
    result: RunResult
    metric: float | None

    @property
    def is_ranked(self) -> bool:
        """Whether it can be the best: its run ended well, and its metric is a finite number."""
        return self.result.status == "FINISHED" and is_finite(self.metric)

    @property
    def executed(self) -> int:
        """Number of steps executed for it, including failed ones, without reused ones."""
        return 0 if self.result.current else sum(step.state in _EXECUTED for step in self.result.steps)

    @property
    def skipped(self) -> int:
        """Number of steps not executed because another one failed."""
        return sum(step.state == "skipped" for step in self.result.steps)


@dataclass(frozen=True)
class SweepResult:
    """A sweep's points, the best first, failed ones last; `run_id` is empty if there was nothing to do."""

    run_id: str
    metric: str
    points: tuple[Point, ...]

    @property
    def best(self) -> Point | None:
        return self.points[0] if self.points and self.points[0].is_ranked else None


def metric_name(prepared: Prepared, asked: str | None) -> str:
    """Returns the metric to compare by, STEP/NAME: the one asked for, else the first one of the last step
    that declares any. Raises FindingsError if no step declares it.
    """
    known = [f"{step.name}/{name}" for step in prepared.plan.steps for name in step.entry_point.metrics]
    if asked in known:
        return asked
    if asked:
        short = {name.partition("/")[2]: name for name in known}
        if asked in short and sum(name.endswith(f"/{asked}") for name in known) == 1:
            return short[asked]
        hint = did_you_mean(asked, [*known, *short])
        raise FindingsError([Finding("--metric", f"no metric {asked!r}", hint)])
    if not known:
        raise FindingsError([Finding("--metric", "no step of the pipeline declares a metric")])
    last = known[-1].partition("/")[0]
    return next(name for name in known if name.startswith(f"{last}/"))


def declared_side(prepared: Prepared, metric: str) -> DeclaredSide:
    """Returns the better direction of a metric, STEP/NAME, as its contract declares it."""
    step, _, name = metric.partition("/")
    return prepared.plan.step(step).entry_point.metrics[name].better


def sweep(
    pipelines: Sequence[tuple[tuple[str, ...], Prepared]],
    options: Options,
    reporter: Reporter,
    listener: Listener,
    *,
    metric: str,
    minimize: bool = False,
    site: Site = LocalExecutor,
) -> SweepResult:
    """Runs pipelines that differ in their values below one MLflow run; `listener` receives each point.

    A current point is not run again, so the same command continues after an interruption. A failed point does
    not stop the others. Raises Interrupted, WaypostError.
    """
    found: dict[tuple[str, ...], Point] = {}

    def note(values: tuple[str, ...], result: RunResult) -> None:
        step, _, name = metric.partition("/")
        metrics = next((s.metrics for s in result.steps if s.name == step), {})
        found[values] = Point(values, result, metrics.get(name))
        listener(found[values])

    known = digests(pipelines[0][1], options.env)  # only their values differ, so one answer serves all
    checked = {values: preflight(prepared, options, known) for values, prepared in pipelines}
    waiting = []
    for values, prepared in pipelines:
        current = checked[values].current
        if current and is_there(current):
            note(values, current)
        else:
            waiting.append((values, prepared))
    if not waiting:
        return _sorted("", metric, found.values(), minimize=minimize)
    if not options.on:
        require_room([(prepared, checked[values]) for values, prepared in waiting], options)
    with (
        _open_sweep_tools(waiting, checked, options, reporter, site) as tools,
        _opened_sweep(tools.tracker) as run_id,
    ):
        opening = (
            PipelineRun(
                prepared,
                options,
                tools,
                _OnePoint(values, note),
                parent=run_id,
                name=" ".join(values),
                env_digests=known,
            )
            for values, prepared in waiting
        )
        drive(opening, options, tools)
        result = _sorted(run_id, metric, found.values(), minimize=minimize)
        _record(tools.tracker, result, waiting[0][1])
        status = "FINISHED" if all(p.result.status == "FINISHED" for p in result.points) else "FAILED"
        tools.tracker.close(run_id, status)
    return result


@contextlib.contextmanager
def _open_sweep_tools(
    waiting: Sequence[tuple[tuple[str, ...], Prepared]],
    checked: Mapping[tuple[str, ...], Preflight],
    options: Options,
    reporter: Reporter,
    site: Site,
) -> Iterator[Tools]:
    """Yields the tools for the points that have to run; signals are held while they are open."""
    (first_values, first), *rest = waiting
    missing = checked[first_values].missing
    others = [(prepared, checked[values].missing) for values, prepared in rest]
    with (
        listening(reporter.say),
        open_tools(first, options, missing, reporter, site, others) as tools,
        tracking_errors(),
        patience(reporter.say),
        held(),
    ):
        close_abandoned(tools.tracker, reporter)
        check()
        yield tools


def swept(result: SweepResult, pipeline: str) -> Sweep:
    """Returns the contents of a sweep's report."""
    pairs = [[value.partition("=")[::2] for value in point.values] for point in result.points]
    keys = tuple(redacted(key) for key, _ in pairs[0]) if pairs else ()
    points = tuple(
        SweptPoint(p.result.run_id, p.result.status, p.metric, tuple(redacted(value) for _, value in values))
        for p, values in zip(result.points, pairs, strict=True)
    )
    return Sweep(result.run_id, pipeline, result.metric, keys, points)


@contextlib.contextmanager
def _opened_sweep(tracker: Tracker) -> Iterator[str]:
    """Yields the sweep's run, which gets a terminal status whatever happens."""
    run_id = tracker.open_sweep()
    try:
        yield run_id
    except BaseException as error:
        with last_words():
            tracker.close(run_id, "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise


class _OnePoint(Reporter):
    """Waits for the end of one run."""

    def __init__(self, values: tuple[str, ...], note: Callable[[tuple[str, ...], RunResult], None]) -> None:
        self._values = values
        self._note = note

    def ended(self, result: RunResult) -> None:
        self._note(self._values, result)


def _sorted(run_id: str, metric: str, points: Iterable[Point], *, minimize: bool) -> SweepResult:
    sign = 1 if minimize else -1

    def rank(point: Point) -> tuple[bool, bool, float]:
        is_number = is_finite(point.metric)
        value = sign * (point.metric or 0.0) if is_number else 0.0
        return point.result.status != "FINISHED", not is_number, value

    return SweepResult(run_id, metric, tuple(sorted(points, key=rank)))


def _record(tracker: Tracker, result: SweepResult, prepared: Prepared) -> None:
    """Logs the table, the report and the best run to the sweep's run."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["run_id", "status", result.metric, *(v.partition("=")[0] for v in result.points[0].values)]
    )
    for point in result.points:
        value = "" if point.metric is None else point.metric
        values = [v.partition("=")[2] for v in point.values]
        table.writerow([point.result.run_id, point.result.status, value, *values])
    tracker.log_text(result.run_id, text.getvalue(), "sweep.csv")
    if prepared.pipeline.report:
        page = sweep_page(swept(result, prepared.pipeline.name))
        tracker.log_contents(result.run_id, {PAGE: page.encode()})
    if result.best and result.best.metric is not None:
        tags = {
            "waypost.best": result.best.result.run_id,
            "waypost.best.values": " ".join(result.best.values),
        }
        tracker.tag(result.run_id, tags, {f"best/{result.metric}": result.best.metric})
