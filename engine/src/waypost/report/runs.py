"""How a run is shown: a live table in a terminal, plain lines elsewhere, JSON for machines."""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Sequence

from rich.live import Live
from rich.table import Table

from waypost.contracts.plan import Plan, PlannedStep
from waypost.report.closing import closing_lines, show_current
from waypost.report.common import counted, line, notifier, warn
from waypost.report.console import Console, escape
from waypost.report.figures import figure
from waypost.runs.events import INTEGRITY, Reporter, RunResult, StepResult

_FAILED = ("failed", "killed")
_STATES = {
    "waiting": "[dim]· waiting[/]",
    "running": "[cyan]▶ running[/]",
    "done": "[green]✓ done[/]",
    "reused": "[green]= reused[/]",
    "failed": "[bold red]✗ failed[/]",
    "killed": "[yellow]✗ killed[/]",
    "skipped": "[dim]- skipped[/]",
}
_REFRESH_SECONDS = 0.2
_MOST_ROWS = 60  # of a table; a pipeline of more steps shows those that matter now


def reporter_for(console: Console, *, explain: bool = False) -> Reporter:
    """Returns the live table where there is a terminal, else plain lines; `explain` adds why a step runs."""
    kind = TableReporter if console.is_terminal else PlainReporter
    return kind(console, explain=explain)


class PlainReporter(Reporter):
    """One line per event, made for logs."""

    def __init__(self, console: Console, *, explain: bool = False) -> None:
        self._console = console
        self._explain = explain
        self._width = 0

    def say(self, message: str) -> None:
        line(self._console, escape(message))

    def warn(self, message: str) -> None:
        warn(self._console, message)

    def starting(self, plan: Plan, run_id: str) -> None:
        self._width = max(len(step.name) for step in plan.steps)
        line(self._console, f"{escape(plan.name)}: {counted(len(plan.steps), 'step')}, run {run_id}")

    def step_starting(self, name: str, because: str) -> None:
        why = f": {because}" if self._explain else ""
        line(self._console, escape(f"  {name:{self._width}}  started{why}"))

    def step_held(self, name: str, cause: str) -> None:
        line(self._console, escape(f"  {name:{self._width}}  waits: {cause}"))

    def step_ended(self, result: StepResult) -> None:
        notes = _notes(result, most=2)
        time_taken = f"{result.seconds:7.1f} s" if result.seconds else " " * 9
        why = f"  ({result.because})" if self._explain and result.state == "reused" else ""
        text = f"  {result.name:{self._width}}  {result.state:8}{time_taken}  {notes}{why}"
        line(self._console, escape(text.rstrip()))

    def ended(self, result: RunResult) -> None:
        show_end(self._console, result)


class TableReporter(Reporter):
    """A table of all steps that is drawn anew while they run."""

    def __init__(self, console: Console, *, explain: bool = False) -> None:
        self._console = console
        self._explain = explain
        self._live: Live | None = None
        self._plan: Plan | None = None
        self._ended: dict[str, StepResult] = {}
        self._running: dict[str, float] = {}
        self._held: dict[str, str] = {}
        self._because: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._drawn = 0.0

    def say(self, message: str) -> None:
        notifier(self._console)(message)

    def warn(self, message: str) -> None:
        warn(self._console, message)

    def starting(self, plan: Plan, run_id: str) -> None:
        self._plan = plan
        self._console.print(f"[bold]{escape(plan.name)}[/]  run {run_id}")
        self._live = Live(self._table(), console=self._console, auto_refresh=False)
        self._live.start()

    def step_starting(self, name: str, because: str) -> None:
        self._running[name] = time.monotonic()
        self._because[name] = because
        self._changed()

    def step_held(self, name: str, cause: str) -> None:
        self._held[name] = cause
        self._changed()

    def step_said(self, name: str, line: str) -> None:
        self._said[name] = line.strip() or self._said.get(name, "")

    def step_ended(self, result: StepResult) -> None:
        self._ended[result.name] = result
        self._because[result.name] = result.because
        self._changed()

    def tick(self) -> None:
        if time.monotonic() - self._drawn > _REFRESH_SECONDS:
            self._draw()

    def ended(self, result: RunResult) -> None:
        if self._live:
            self._draw()
            self._live.stop()
        show_end(self._console, result)

    def _changed(self) -> None:
        """Draws at once what a screen holds; of more, the next tick shows it."""
        if self._plan and len(self._plan.steps) <= _MOST_ROWS:
            self._draw()
        else:
            self.tick()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._live:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        """Returns the table of steps with their states, times and results."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        steps = self._plan.steps if self._plan else ()
        # Widths are given, so that a long result is cut instead of the columns before it.
        table.add_column("step", min_width=max((len(s.name) for s in steps), default=0))
        table.add_column("component", min_width=max((len(s.uses) for s in steps), default=0))
        table.add_column("state", min_width=9)
        table.add_column("time", justify="right", min_width=7)
        table.add_column("result", overflow="ellipsis", no_wrap=True)
        if self._explain:
            table.add_column("because")
        for step in self._shown():
            result = self._ended.get(step.name)
            since = self._running.get(step.name)
            state = result.state if result else "running" if since else "waiting"
            seconds = result.seconds if result else time.monotonic() - since if since else 0.0
            time_taken = f"{seconds:.1f} s" if seconds else ""
            before = self._said if since else self._held
            notes = escape(_notes(result, most=2) if result else before.get(step.name, ""))
            row = [step.name, escape(step.uses), _STATES[state], time_taken, notes]
            if self._explain:
                row.append(escape(self._because.get(step.name, "")))
            table.add_row(*row)
        if len(steps) > _MOST_ROWS:
            table.caption = f"{len(self._ended):,} of {len(steps):,} steps have ended"
        return table

    def _shown(self) -> Sequence[PlannedStep]:
        """Returns the steps of the table; of very many those that failed or run, and some of the rest."""
        steps = self._plan.steps if self._plan else ()
        if len(steps) <= _MOST_ROWS:
            return steps

        def rank(step: PlannedStep) -> int:
            if result := self._ended.get(step.name):
                return 0 if result.state in _FAILED else 3
            return 1 if step.name in self._running else 2

        chosen = set(heapq.nsmallest(_MOST_ROWS, range(len(steps)), key=lambda place: rank(steps[place])))
        return [step for place, step in enumerate(steps) if place in chosen]


def show_end(console: Console, result: RunResult) -> None:
    """Prints how the run ended, why, and what to do next."""
    if result.current:
        show_current(result, sys.stderr if console.stderr else sys.stdout)
        return
    for step in result.steps:
        if step.state in _FAILED:
            _show_failure(console, step)
    verdict = {"FINISHED": "[bold green]finished[/]", "FAILED": "[bold red]failed[/]"}
    word = verdict.get(result.status, "[yellow]killed[/]")
    line(console, f"{escape(result.name)} {word} in {result.seconds:.1f} s, run {result.run_id}")
    if result.status == "KILLED":
        line(console, "  run the same command to continue")
    elif failed := _to_go_on_at(result):
        line(console, f"  fix this, then run the same command to continue at {failed.name}")
    for text in closing_lines(result):
        line(console, escape(text))


def _to_go_on_at(result: RunResult) -> StepResult | None:
    """Returns the failed step at which the same command goes on; None where it would begin anew, or find the
    same wrong content.
    """
    failed = result.failed
    is_some_finished = any(step.state in ("done", "reused") for step in result.steps)
    return failed if failed and failed.exit_code != INTEGRITY and is_some_finished else None


def _show_failure(console: Console, failed: StepResult) -> None:
    if failed.tail:
        line(console, f"[dim]--- end of the log of {failed.name} ---[/]")
        for text in failed.tail.splitlines():
            line(console, escape(text))
        line(console, f"[dim]--- the whole log: {escape(failed.log)} ---[/]")
    if failed.cause:
        line(console, f"[bold red]error:[/] {failed.name}: {escape(failed.cause)}")


def _notes(result: StepResult, most: int) -> str:
    if result.state in _FAILED:
        return ""  # the end says why, once
    if result.cause:
        return result.cause
    figures = [f"{k} {figure(v, whole=True)}" for k, v in list(result.metrics.items())[:most]]
    return "  ".join([*([f"by {result.user}"] if result.user else []), *figures])
