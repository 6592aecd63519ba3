"""What a run records for people: its report, and a description on MLflow's own page of the run."""

from __future__ import annotations

from typing import NamedTuple

from waypost.pages.description import description, shortest
from waypost.pages.plots import plots
from waypost.pages.run_page import run_page
from waypost.runs.outcomes import PAGE
from waypost.tracking.connection import client
from waypost.tracking.presentation import present
from waypost.tracking.report_facts import report_from
from waypost.tracking.run_reading import read_run
from waypost.tracking.tracker import Tracker

_SHORT = 250  # characters that any server keeps of a tag


class Kept(NamedTuple):
    """Where the report of a run is, and what the server refused to have on MLflow's own page of the run."""

    place: str
    lacking: tuple[str, ...]


def keep_page(tracker: Tracker, run_id: str) -> Kept:
    """Renders the report of a run that has ended and logs it; MLflow's own page of the run gets a
    description, key plots, and the datasets and models of its steps.
    """
    reached = client(tracker.uri)
    read = read_run(reached, run_id)
    facts = report_from(reached, read)
    tracker.log_contents(run_id, {PAGE: run_page(facts).encode()})
    images = plots(facts)
    texts = [description(facts, PAGE, list(images)), shortest(facts, PAGE)[:_SHORT]]
    return Kept(tracker.artifact_location(run_id, PAGE), tuple(present(reached, read, images, texts)))
