"""How a sweep is shown: a line for each run that ends, then the table, best first."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from waypost.report.common import columns, counted, line, notifier, warn
from waypost.report.console import Console, escape
from waypost.report.figures import figure
from waypost.runs.events import Reporter
from waypost.runs.sweep import Point, SweepResult


class SweepReporter(Reporter):
    """A line for each point; in a terminal a bar below them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._metric = ""
        self._keys: Sequence[str] = ()
        self._total = self._ended = 0
        parts = (TextColumn("  "), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*parts, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, message: str) -> None:
        notifier(self._console)(message)

    def warn(self, message: str) -> None:
        warn(self._console, message)

    def begin(self, total: int, metric: str, keys: Sequence[str], *, smallest: bool) -> None:
        """All runs are checked; `total` of them start."""
        self._total, self._metric, self._keys = total, metric, keys
        self._bar.update(self._task, total=total)
        side = "smallest" if smallest else "largest"
        line(self._console, f"sweep: {counted(total, 'run')}, compared by the {side} {escape(metric)}")

    def ended_point(self, point: Point) -> None:
        self._ended += 1
        self._bar.update(self._task, completed=self._ended)
        values = _swept(point, self._keys)
        shown = _shown(point, f"{escape(self._metric)} ")
        line(
            self._console,
            f"  {self._ended}/{self._total}  {escape(values)}  {shown}  [dim]{_work(point)}[/]",
        )


def show_sweep(console: Console, result: SweepResult, keys: Sequence[str]) -> None:
    """Prints the table, the best run, and why the failed ones failed."""
    rows = [[f"[dim]{escape(name)}[/]" for name in (*keys, result.metric, "steps run", "run")]]
    for point in result.points:
        values = dict(value.removeprefix("+").split("=", 1) for value in point.values)
        count = f"{point.executed} of {len(point.result.steps)}"
        rows.append([*(escape(values[key]) for key in keys), _shown(point), count, point.result.run_id])
    columns(console, rows)
    for point in result.points:
        if failed := point.result.failed:
            where = escape(_swept(point, keys))
            line(console, f"[bold red]error:[/] {where}: {failed.name}: {escape(failed.cause)}")
    executed = sum(point.executed for point in result.points)
    skipped = sum(point.skipped for point in result.points)
    total = sum(len(point.result.steps) for point in result.points)
    parts = [f"{executed} of {counted(total, 'step')} executed"]
    if skipped:
        parts.append(f"{skipped} not started, because another one failed")
    if executed + skipped < total:
        parts.append(
            "the others were reused or shared" if executed + skipped else "all were reused or shared"
        )
    line(console, ", ".join(parts))
    if best := result.best:
        line(console, f"best: [bold green]{escape(_swept(best, keys))}[/], run {best.result.run_id}")


def _swept(point: Point, keys: Sequence[str]) -> str:
    return " ".join(v for v in point.values if v.partition("=")[0].removeprefix("+") in keys)


def _shown(point: Point, name: str = "") -> str:
    """Returns a point's metric as markup, and that its run failed where it did."""
    metric = "" if point.metric is None else f"{name}[bold]{figure(point.metric)}[/]"
    failed = "" if point.result.status == "FINISHED" else "[bold red]failed[/]"
    return "  ".join(filter(None, (metric, failed))) or "[dim]no metric[/]"


def _work(point: Point) -> str:
    if point.result.current:
        return "current"
    return f"{point.executed} of {counted(len(point.result.steps), 'step')}, {point.result.seconds:.1f} s"
