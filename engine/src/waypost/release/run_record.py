"""Results of a run as a record: digests of outputs, metrics, the model's signature."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from waypost.contracts.metrics import SYSTEM, metrics_in
from waypost.errors import UsageError
from waypost.interfaces.record import RunRecord
from waypost.release.pipeline_repository import pipeline_of
from waypost.release.product import Product
from waypost.runs.environments import platform_tag
from waypost.system.versions import made_with
from waypost.tracking.connection import tracking_errors
from waypost.tracking.tracker import Tracker


def run_record_of_run(tracker: Tracker, run_id: str, version: str, commit: str) -> RunRecord:
    """Returns the record of a finished pipeline run, without metrics declared as times.

    Raises UsageError.
    """
    steps = tracker.steps_of(run_id)
    if not steps:
        raise UsageError(f"run {run_id} is not a pipeline run of Waypost")
    outputs = {name: dict(step.digests) for name, step in steps.items() if step.digests}
    metrics = {name: tracker.metrics(step.run_id) for name, step in steps.items()}
    kinds = {name: _kinds(tracker, step.run_id) for name, step in steps.items()}
    models, signature = [], {}
    for name, step in steps.items():
        for output in step.digests:
            if found := tracker.signature(step.run_id, output):
                models.append(f"{name}.{output}")
                signature = found
    return RunRecord(
        version=version,
        commit=commit,
        date=datetime.now(UTC).date().isoformat(),
        run_id=run_id,
        platform=platform_tag(),
        made_with=made_with(),
        outputs=outputs,
        metrics={
            step: {n: value for n, value in sorted(found.items()) if is_result(n, kinds[step])}
            for step, found in metrics.items()
            if found
        },
        models=tuple(models),
        signature=signature,
        kinds={step: found for step, found in kinds.items() if found},
    )


def is_result(name: str, kinds: Mapping[str, str]) -> bool:
    """Tells whether a metric describes results: neither times nor, by MLflow's names, the machine."""
    return kinds.get(name) != "time" and not name.startswith(SYSTEM)


def _kinds(tracker: Tracker, run_id: str) -> dict[str, str]:
    """Returns the kinds of a step's metrics that its contract declares."""
    return {name: facts.kind for name, facts in metrics_in(tracker.tags_of(run_id)).items() if facts.kind}


def signature_of_run(product: Product, run_id: str) -> dict[str, Any]:
    """Returns the signature of the model from a run of the pipeline. Raises UsageError."""
    name = pipeline_of(product).name
    with tracking_errors():
        return run_record_of_run(Tracker(name), run_id, "", "").signature
