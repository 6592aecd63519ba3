"""What a run records about its outcome: outcome.json, a description for MLflow's pages, and the report for
people.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from waypost import __version__
from waypost.contracts import outcome as contract
from waypost.contracts import provenance
from waypost.contracts.keys import StepInputs
from waypost.contracts.outcome import Outcome, StepOutcome, outcome_text
from waypost.interfaces.interface import interface_of
from waypost.runs.events import StepResult
from waypost.runs.prepare import Prepared
from waypost.tracking.tracker import Tracker

PAGE = "report.html"
"""The artifact of a pipeline run that is its report."""
_SHORT = 250  # characters that any server keeps of a tag
_PACKAGES = ("mlflow-skinny", "uv")


def outcome_of(
    prepared: Prepared, results: Sequence[StepResult], inputs: Mapping[str, StepInputs], status: str
) -> Outcome:
    """Returns the outcome of a run; `inputs` are what the keys of its steps are made of, where known."""
    steps = {step.name: step for step in prepared.plan.steps}
    uses = {step.uses: prepared.checkout(step).component for step in prepared.plan.steps}
    return Outcome(
        status=status,
        description=prepared.pipeline.description,
        steps=tuple(
            StepOutcome(
                name=result.name,
                uses=result.uses,
                state=result.state,
                run_id=result.run_id,
                because=result.because,
                cause=result.cause,
                user=result.user,
                needs=steps[result.name].needs,
                environment=inputs[result.name].environment if result.name in inputs else "",
                platform=inputs[result.name].platform if result.name in inputs else "",
                **prepared.pipeline.steps[result.name].resources.model_dump(),
            )
            for result in results
        ),
        interfaces={name: interface_of(component) for name, component in uses.items()},
        packages={"waypost": __version__, "Python": platform.python_version(), **_versions()},
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def keep_outcome(tracker: Tracker, run_id: str, outcome: Outcome) -> None:
    """Logs the outcome of a run."""
    text = outcome_text(outcome)
    tracker.log_contents(run_id, {f"{provenance.FOLDER}/{contract.FILE}": text.encode()})


class Kept(NamedTuple):
    """Where the report of a run is, and what the server refused to have on MLflow's own page of the run."""

    place: str
    lacking: tuple[str, ...]


def keep_page(tracker: Tracker, run_id: str) -> Kept:
    """Renders the report of a run that has ended and logs it; MLflow's own page of the run gets a
    description, key plots, and the datasets and models of its steps.
    """
    from waypost.pages.description import description, shortest
    from waypost.pages.plots import plots
    from waypost.pages.run_page import run_page
    from waypost.tracking.connection import client
    from waypost.tracking.presentation import present
    from waypost.tracking.report_facts import report_from
    from waypost.tracking.run_reading import read_run

    reached = client(tracker.uri)
    read = read_run(reached, run_id)
    facts = report_from(reached, read)
    tracker.log_contents(run_id, {PAGE: run_page(facts).encode()})
    images = plots(facts)
    texts = [description(facts, PAGE, list(images)), shortest(facts, PAGE)[:_SHORT]]
    return Kept(tracker.artifact_location(run_id, PAGE), tuple(present(reached, read, images, texts)))
