"""Reproducing a release or a run: executing it in a clean folder and comparing with its record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.target import Target
from waypost.errors import UsageError
from waypost.interfaces.compare import Comparison, compare
from waypost.interfaces.record import RunRecord
from waypost.pins.attestation import run_record
from waypost.pins.workspace import workspace_of_release
from waypost.release.fetched import fetch_release
from waypost.release.rerun import kept_by, require_content, workspace_of_run
from waypost.release.run_record import run_record_of_run
from waypost.runs import runner
from waypost.runs.events import Reporter, RunResult
from waypost.runs.preflight import Options
from waypost.runs.prepare import Prepared, prepare
from waypost.sources.files import write_text
from waypost.sources.store import Store
from waypost.system.places import home
from waypost.tracking.connection import tracking_errors
from waypost.tracking.tracker import Tracker


@dataclass(frozen=True)
class Reproduction:
    """Result of reproducing `what`, a release or a run: the new run, and its comparisons with the record."""

    what: str
    run: RunResult
    comparisons: tuple[Comparison, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Tells whether the run finished without differences."""
        return self.run.status == "FINISHED" and all(c.state != "different" for c in self.comparisons)


def reproduce(
    target: Target, place: Path, reporter: Reporter, *, record: RunRecord | None, env: str
) -> Reproduction:
    """Executes a release in a separate folder without cached results, and compares.

    Args: `record` is compared with; None: the one on the repository's default branch.
    Raises UsageError if there is no record, IntegrityError, RemoteError.
    """
    memory = Store(home(), reporter.say).mirror(target.url, target.folder)
    _work_in(place)
    store = Store(place / "cache", reporter.say)
    release = fetch_release(store, target, memory=memory)
    recorded = record or run_record(store.mirror(target.url, target.folder), release.version)
    if recorded is None:
        raise _unrecorded(target, release.version)
    workspace = workspace_of_release(release, store, reporter.say, on_warning=reporter.warn)
    prepared = prepare(workspace, _written(recorded, place), recorded.overrides)
    what = f"{release.tag or release.commit[:12]} ({release.commit[:12]})"
    return _compared(what, prepared, Options(env=env, cache=False), recorded, reporter)


def reproduce_run(run_id: str, place: Path, reporter: Reporter, *, env: str | None) -> Reproduction:
    """Executes an earlier run, with its versions, files and parameters, in a separate folder, and compares.

    Args: `env` is the run's own if None. Raises UsageError if the run did not finish, or logged too little;
    IntegrityError if content has changed; RemoteError.
    """
    kept = kept_by(run_id)
    with tracking_errors():
        tracker = Tracker(kept.facts.pipeline)
        if not tracker.is_finished(run_id):
            hint = f"run it again: waypost run --like runs:/{run_id}"
            raise UsageError(f"run {run_id} did not finish: there is nothing to compare with", hint=hint)
        recorded = run_record_of_run(tracker, run_id, "", kept.facts.place.commit)
    store = Store(place / "cache", reporter.say)
    workspace = workspace_of_run(kept, store, place, reporter.say, reporter.warn)
    _work_in(place)
    prepared = prepare(workspace, [], [], dev=kept.facts.dev)
    require_content(prepared, kept)
    steps = frozenset(kept.facts.steps) if kept.facts.steps is not None else None
    if steps is not None:  # those around them, whose results were taken over, are as little here
        steps = prepared.plan.needed_for(steps)
    options = Options(env=env or kept.facts.env, cache=False, steps=steps)
    return _compared(f"run {run_id}", prepared, options, recorded, reporter)


def _unrecorded(target: Target, version: str) -> UsageError:
    """Returns the error for a release without a record of its production run."""
    number = version or "VERSION"  # a commit has none
    hint = (
        f"the default branch of the remote (its HEAD) lacks releases/{number}.run.json: "
        f"`waypost release record {number}` writes it, then commit and push it; or give one: --against FILE"
    )
    return UsageError(f"{target}: there is no record of a run to compare with", hint=hint)


def _compared(
    what: str, prepared: Prepared, options: Options, recorded: RunRecord, reporter: Reporter
) -> Reproduction:
    result = runner.run(prepared, options, reporter)
    if result.status != "FINISHED":
        return Reproduction(what, result)
    tracker = Tracker(prepared.pipeline.name)
    found = run_record_of_run(tracker, result.run_id, recorded.version, recorded.commit)
    return Reproduction(what, result, compare(recorded, found))


def _written(recorded: RunRecord, place: Path) -> list[Path]:
    """Writes the parameter files of the recorded run; returns their paths."""
    files = []
    for number, file in enumerate(recorded.files, 1):
        files.append(place / f"parameters-{number}.yaml")
        write_text(files[-1], file.text)
    return files


def _work_in(place: Path) -> None:
    """Redirects all output of this process to a folder: cache, environments, runs."""
    os.environ["WAYPOST_HOME"] = str(place / "cache")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place / 'mlflow.db'}"
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)
    os.chdir(place)
