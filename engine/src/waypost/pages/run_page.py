"""The page of a run."""

from __future__ import annotations

from waypost.pages import sources, steps, work
from waypost.pages.facts import Run
from waypost.pages.figure import Room, figures_of
from waypost.pages.frame import frame
from waypost.pages.html import joined, tag
from waypost.pages.summary import head, summary

ROOM_FOR_PICTURES = 240_000


def run_page(run: Run) -> str:
    """Returns the page of a run as HTML. The same facts give the same bytes."""
    room, pictures = Room(), Room(ROOM_FOR_PICTURES)
    model = figures_of(run.steps, "model", room)
    parts = [
        ("summary", "In short", summary(run)),
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
    where = f"Run {run.run_id}" + (f" in {run.experiment}" if run.experiment else "")
    foot = joined(tag("p", f"{where}. This page needs nothing but itself.", class_="soft"))
    return frame(f"{run.pipeline}: {run.verdict}", head(run), parts, foot)
