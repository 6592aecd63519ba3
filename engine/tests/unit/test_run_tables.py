"""The table of a run in a terminal, of a few steps and of very many."""

from __future__ import annotations

import io

import pytest

from waypost.contracts.component import EntryPoint
from waypost.contracts.plan import Plan, PlannedStep
from waypost.report.console import Console
from waypost.report.runs import TableReporter
from waypost.runs.events import StepResult


def reporter_of(count: int) -> tuple[TableReporter, io.StringIO]:
    """Returns a reporter that was told of a plan, and the terminal that it draws on."""
    screen = io.StringIO()
    entry_point = EntryPoint(command="true")
    steps = [PlannedStep(f"s{number}", "core/part", entry_point, {}, ()) for number in range(count)]
    reporter = TableReporter(Console(file=screen, force_terminal=True, width=100))
    reporter.starting(Plan("many", tuple(steps)), "run")
    return reporter, screen


@pytest.mark.parametrize(("count", "rows"), [(3, 3), (60, 60), (61, 60), (10_000, 60)])
def test_no_more_rows_than_can_be_read(count: int, rows: int) -> None:
    """All steps, and of very many those that failed or run now, with a line that says how far it is."""
    reporter, _ = reporter_of(count)
    reporter.step_ended(StepResult("s0", "core/part", "done"))
    reporter.step_starting("s1", "")
    reporter.step_ended(StepResult("s2", "core/part", "failed"))
    table = reporter._table()
    assert table.row_count == rows
    names = list(table.columns[0].cells)
    assert {"s1", "s2"} <= set(names)
    assert (table.caption is not None) == (count > 60)


def test_ten_thousand_steps_are_not_drawn_ten_thousand_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a plan that no screen holds, what happens within the same moment is drawn once."""
    monkeypatch.setattr("waypost.report.runs.time.monotonic", lambda: 100.0)
    reporter, screen = reporter_of(10_000)
    reporter.step_starting("s0", "")
    size = len(screen.getvalue())
    for number in range(1, 500):
        reporter.step_starting(f"s{number}", "")
        reporter.step_ended(StepResult(f"s{number}", "core/part", "done"))
    assert len(screen.getvalue()) == size
    monkeypatch.setattr("waypost.report.runs.time.monotonic", lambda: 101.0)
    reporter.tick()
    assert len(screen.getvalue()) > size
