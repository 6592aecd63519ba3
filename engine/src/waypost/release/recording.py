"""Recording a release's production run: finding the run, and proving that it is one of the release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts import provenance as contract
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE, parse_pipeline
from waypost.contracts.provenance import Provenance, parse_provenance
from waypost.errors import UsageError, redacted
from waypost.interfaces.record import FOLDER, RunRecord, next_run_record, record_text, run_record_of
from waypost.release.pipeline_repository import PipelineRepository, pipeline_of
from waypost.release.product import Product
from waypost.release.run_record import run_record_of_run
from waypost.runs import drafts
from waypost.sources import git
from waypost.sources.files import read_text
from waypost.texts.canonical_yaml import canonical_yaml
from waypost.texts.sealed import Variables
from waypost.tracking.connection import tracking_errors
from waypost.tracking.local import tracking_uri
from waypost.tracking.tracker import Tracker

_URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class RecordRequest:
    """The run of a version to record: `run_id`, else the newest with the release's own parameters, on the
    tracking server `uri`, else where it ran; `supersede` is the reason to replace an earlier record.
    """

    version: str
    run_id: str = ""
    uri: str = ""
    supersede: str = ""


def write_run_record(product: Product, request: RecordRequest) -> Path:
    """Writes the results of a release's production run to `releases`, for the user to commit.

    Raises UsageError if the run is not a complete one of the release's tag, or if there is a record and no
    reason to supersede it.
    """
    names = product.record_names()
    earlier = run_record_of(request.version, names)
    if earlier and not request.supersede:
        hint = 'a wrong one is superseded by another: --supersede "why it is wrong"'
        raise UsageError(
            f"{product.folder / FOLDER / earlier} already exists: records never change", hint=hint
        )
    if request.supersede and not earlier:
        raise UsageError(f"{request.version} has no run record that could be superseded")
    pipeline = pipeline_of(product)
    commit = git.object_at(product.top, f"refs/tags/{product.tag(request.version)}^{{commit}}") or ""
    for uri in _places(request, commit):
        os.environ[_URI] = uri
        with tracking_errors():
            record = _record(pipeline, request, commit)
        if record:
            content = {**record.model_dump(), "supersedes": earlier or "", "reason": request.supersede}
            file = product.folder / FOLDER / next_run_record(request.version, names)
            file.write_text(record_text(RunRecord.model_validate(content)), encoding="utf-8")
            return file
    release = redacted(f"{git.origin_of(product.top)}@{request.version}")
    message = f"no finished run of {pipeline.name} {request.version} with its own parameters"
    hint = f"run it: waypost run {release}; or name a run: --run ID, and where it was made: --tracking-uri"
    raise UsageError(message, hint=hint)


def _places(request: RecordRequest, commit: str) -> Iterator[str]:
    """Yields the tracking stores to search, in order; searching creates no file."""
    if request.uri or os.environ.get(_URI):
        yield request.uri or os.environ[_URI]
        return
    draft = drafts.find(request.version, commit)
    if draft and request.run_id in ("", draft.run_id) and draft.is_there:
        yield draft.tracking_uri
    elif (Path.cwd() / "mlflow.db").is_file() or request.run_id:
        yield tracking_uri()


def _record(pipeline: PipelineRepository, request: RecordRequest, commit: str) -> RunRecord | None:
    """Returns the record of the requested run, None if this server has none."""
    tracker = Tracker(pipeline.name)
    if request.run_id:
        return _checked(pipeline, tracker, request.run_id, request.version, commit)
    for run_id in tracker.finished_runs("waypost.release", request.version):
        tags = tracker.tags_of(run_id)
        is_other = contract.OVERRIDES_TAG in tags or "waypost.dev" in tags
        if is_other or (commit and tags.get("waypost.commit") != commit):
            continue
        facts = _facts(tracker, run_id)
        if facts is None or facts.is_default:
            return _checked(pipeline, tracker, run_id, request.version, commit)
    return None


def _checked(
    pipeline: PipelineRepository, tracker: Tracker, run_id: str, version: str, commit: str
) -> RunRecord:
    """Returns the record of a complete run of the release. Raises UsageError for other runs."""
    tags, tag = tracker.tags_of(run_id), pipeline.tag(version)
    at = tags.get("waypost.commit", "")
    if tags.get("waypost.release") != version or (commit and at != commit):
        raise UsageError(f"run {run_id} is not one of the tag {tag}")
    if not tracker.is_finished(run_id):
        raise UsageError(f"run {run_id} did not finish: it is not a production run")
    if "waypost.dev" in tags or contract.DIRTY_TAG in tags:
        raise UsageError(f"run {run_id} had other files than the release: it is not a production run")
    record = run_record_of_run(tracker, run_id, version, at)
    facts = _facts(tracker, run_id)
    missing = _steps_of(pipeline, at).difference(tracker.steps_of(run_id))
    if missing or (facts and facts.steps is not None):
        lacking = ", ".join(sorted(missing)) or "some steps"
        raise UsageError(f"run {run_id} does not cover the whole pipeline: it lacks {lacking}")
    if facts is None:
        _require_defaults(pipeline, tracker, run_id, at)
        return record
    files = tuple(file for file in facts.files if file.name != PARAMETERS_FILE)
    return record.model_copy(update={"files": files, "overrides": facts.overrides})


def _facts(tracker: Tracker, run_id: str) -> Provenance | None:
    """Returns the provenance of a run, None for runs of engines before 1.1."""
    folder = tracker.output(run_id, contract.FOLDER)
    file = folder / contract.FILE if folder else None
    return parse_provenance(read_text(file)) if file and file.is_file() else None


def _require_defaults(pipeline: PipelineRepository, tracker: Tracker, run_id: str, commit: str) -> None:
    """Raises UsageError if a run without provenance had other parameters than the release."""
    file = tracker.output(run_id, PARAMETERS_FILE)
    base, text = (_text_at(pipeline, commit, name) for name in (PARAMETERS_FILE, FILE))
    if text is None:
        raise UsageError(f"run {run_id} is of commit {commit}, which is not here", hint="git fetch --tags")
    variables = Variables(frozenset(parse_pipeline(text).variables))
    texts = [(PARAMETERS_FILE, base)] if base is not None else []
    expected = redacted(canonical_yaml(merged(texts, (), variables).plain()))
    if file is None or read_text(file) != expected:
        problem = f"run {run_id} had other parameters than the release, and its engine did not keep which"
        raise UsageError(problem, hint="run it again with this engine")


def _steps_of(pipeline: PipelineRepository, commit: str) -> set[str]:
    text = _text_at(pipeline, commit, FILE)
    return set(parse_pipeline(text).steps) if text else set()


def _text_at(pipeline: PipelineRepository, commit: str, name: str) -> str | None:
    """Returns the text of a file in the pipeline's folder at a commit, None if it is missing."""
    path = (pipeline.place / name).relative_to(pipeline.top).as_posix()
    if not commit or git.object_at(pipeline.top, f"{commit}:{path}") is None:
        return None
    return git.git(pipeline.top, "show", f"{commit}:{path}")
