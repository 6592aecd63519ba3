"""The order of a sweep's points, and which is the best."""

from __future__ import annotations

import math
import sys

import pytest

from waypost.pages.sweep_page import Sweep, SweptPoint
from waypost.report.console import Console
from waypost.report.sweep import show_sweep
from waypost.runs.events import RunResult, StepResult
from waypost.runs.sweep import Point, SweepResult, _sorted


def point(value: str, metric: float | None, *states: str) -> Point:
    steps = tuple(
        StepResult(f"s{n}", "a/b", state, cause="bad" if state == "failed" else "")
        for n, state in enumerate(states)
    )
    status = "FAILED" if "failed" in states else "FINISHED"
    return Point((f"x={value}",), RunResult("p", f"run{value}", status, 1.0, "u", steps), metric)


def shown(result: SweepResult, capsys: pytest.CaptureFixture[str]) -> str:
    show_sweep(Console(), result, ["x"])
    return capsys.readouterr().out


POINTS = [
    point("1", math.nan, "done", "done"),
    point("2", 0.9, "done", "failed", "skipped"),
    point("3", 0.5, "reused", "done"),
    point("4", None, "failed", "skipped"),
    point("5", 0.7, "done", "done"),
]


def test_order_and_best() -> None:
    """Runs that ended well come first, NaN after numbers; a failed one is never the best."""
    for minimize, order in ((False, "53124"), (True, "35124")):
        result = _sorted("", "s0/m", POINTS, minimize=minimize)
        assert "".join(p.values[0][-1] for p in result.points) == order
        assert result.best is not None
        assert result.best.values == (f"x={order[0]}",)
    assert _sorted("", "s0/m", POINTS[:2], minimize=False).best is None


@pytest.mark.parametrize("minimize", [True, False])
@pytest.mark.parametrize("value", [math.inf, -math.inf, sys.float_info.max, -sys.float_info.max, math.nan])
def test_what_is_not_finite_is_never_the_best(value: float, minimize: bool) -> None:
    """A run whose metric is infinite, which MLflow's databases keep as the largest number, comes last."""
    odd = point("1", value, "done")
    assert _sorted("", "s0/m", [odd], minimize=minimize).best is None
    ranked = _sorted("", "s0/m", [odd, point("2", 0.5, "done")], minimize=minimize)
    assert [p.values for p in ranked.points] == [("x=2",), ("x=1",)]
    page = Sweep("", "p", "s0/m", ("x",), (SweptPoint("r", "FINISHED", value, ("1",)),))
    assert page.best is None


def test_what_was_measured_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """What a run measured before it failed is shown; failed and skipped steps are counted."""
    text = shown(_sorted("", "s0/m", POINTS, minimize=False), capsys)
    (line,) = [line for line in text.splitlines() if "run2" in line]
    assert "0.9000  failed" in line
    assert "2 of 3" in line
    assert (
        "8 of 11 steps executed, 2 not started, because another one failed, the others were reused or shared"
        in text
    )
    one = shown(_sorted("", "s0/m", [point("1", 0.5, "done")], minimize=False), capsys)
    assert "1 of 1 step executed\n" in one
