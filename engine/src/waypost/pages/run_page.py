"""The page of a run."""

from __future__ import annotations

from dataclasses import replace

from waypost.pages import sources, steps, work
from waypost.pages.facts import Run
from waypost.pages.figure import Room, figures_of
from waypost.pages.frame import frame
from waypost.pages.html import joined, tag
from waypost.pages.numbers import counted
from waypost.pages.summary import head, summary

ROOM_FOR_PICTURES = 240_000
MOST_STEPS = 200
_RANKS = {"failed": 0, "killed": 0, "done": 1}


def run_page(run: Run) -> str:
    """Returns the page of a run as HTML. The same facts give the same bytes."""
    whole, run = run, _with_few(run)
    room, pictures = Room(), Room(ROOM_FOR_PICTURES)
    model = figures_of(run.steps, "model", room)
    parts = [
        ("summary", "Summary", summary(run)),
        ("graph", "Graph", work.graph(run)),
        ("timeline", "Timeline and resources", work.timeline(run)),
        ("data", "Data", sources.data(run, room)),
        ("model", "Model", model),
        ("parameters", "Parameters", sources.parameters(run)),
        ("components", "Components", sources.components(run)),
        ("environment", "Environment", sources.environment(run)),
        ("warnings", "Warnings", sources.warnings(run)),
        ("steps", "Steps", steps.steps(run, pictures)),
    ]
    where = f"Run {run.run_id}" + (f" in experiment {run.experiment}" if run.experiment else "")
    foot = joined(tag("p", f"{where}. This page needs nothing but itself.", class_="soft"))
    left_out = len(whole.steps) - len(run.steps)
    told = tag("p", f"{counted(left_out, 'step')} more are on MLflow's pages only.") if left_out else None
    return frame(f"{run.pipeline}: {run.verdict}", joined(head(whole), told), parts, foot)


def _with_few(run: Run) -> Run:
    """Returns a run with as many steps as a page can show: those that failed or were executed come first."""
    if len(run.steps) <= MOST_STEPS:
        return run
    order = sorted(range(len(run.steps)), key=lambda at: _RANKS.get(run.steps[at].state, 2))
    return replace(run, steps=tuple(run.steps[at] for at in sorted(order[:MOST_STEPS])))
