"""What a run gave, as a record: digests of outputs, metrics, the model's signature."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from waypost.contracts.metrics import metrics_in
from waypost.contracts.record import FOLDER, RunRecord, record_text
from waypost.errors import UsageError, redacted
from waypost.release.kinds import PipelineRepository
from waypost.release.subject import Subject
from waypost.runs.environments import platform_tag
from waypost.sources.git import object_at, origin_of
from waypost.sources.versions import made_with
from waypost.tracking.connection import tracking_errors
from waypost.tracking.store import Tracker


def evidence(tracker: Tracker, run_id: str, version: str, commit: str) -> RunRecord:
    """Returns the record of a finished pipeline run, without what contracts declare as times.

    Raises UsageError.
    """
    steps = tracker.steps_of(run_id)
    if not steps:
        raise UsageError(f"run {run_id} is no pipeline run of Waypost")
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
            step: {n: value for n, value in sorted(found.items()) if kinds[step].get(n) != "time"}
            for step, found in metrics.items()
            if found
        },
        models=tuple(models),
        signature=signature,
        kinds={step: found for step, found in kinds.items() if found},
    )


def _kinds(tracker: Tracker, run_id: str) -> dict[str, str]:
    """Returns the kinds of a step's metrics, as far as its contract declares them."""
    return {name: facts.kind for name, facts in metrics_in(tracker.tags_of(run_id)).items() if facts.kind}


def write_run_record(subject: Subject, version: str, run_id: str | None) -> Path:
    """Writes what the production run of a release gave into `releases`; it is for the user to commit.

    Raises UsageError where the run is not one of the release's tag, or where it is recorded already.
    """
    file = subject.folder / FOLDER / f"{version}.run.json"
    if file.exists():
        raise UsageError(f"{file} is there already: records do not change")
    name = _pipeline(subject).name
    with tracking_errors():
        tracker = Tracker(name)
        found = run_id or tracker.newest_run("waypost.release", version)
        if found is None:
            hint = f"run it: waypost run {origin_of(subject.top)}@{version}"
            raise UsageError(f"{tracker.uri}: no finished run of {name} {version}", hint=redacted(hint))
        tags = tracker.tags_of(found)
        tag = subject.tag(version)
        commit = object_at(subject.top, f"refs/tags/{tag}^{{commit}}")
        if tags.get("waypost.release") != version or (commit and tags.get("waypost.commit") != commit):
            raise UsageError(f"run {found} is not one of the tag {tag}")
        record = evidence(tracker, found, version, tags["waypost.commit"])
    file.write_text(record_text(record), encoding="utf-8")
    return file


def signature_of_run(subject: Subject, run_id: str) -> dict[str, Any]:
    """Returns the signature of the model that a run of the pipeline made. Raises UsageError."""
    name = _pipeline(subject).name
    with tracking_errors():
        return evidence(Tracker(name), run_id, "", "").signature


def _pipeline(subject: Subject) -> PipelineRepository:
    if isinstance(subject, PipelineRepository):
        return subject
    raise UsageError(f"{subject.folder}: no pipeline, so it has no runs")
