"""What a run records about its outcome: outcome.json."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

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
