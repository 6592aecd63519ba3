"""Pipeline runs in CI: of a release before publication, of a pipeline before and after an update."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waypost.errors import WaypostError
from waypost.interfaces.record import RunRecord
from waypost.pins.workspace import FetchedRelease, Workspace, workspace_of_release
from waypost.release.run_record import run_record_of_run
from waypost.runs import runner
from waypost.runs.events import Reporter
from waypost.runs.preflight import Options
from waypost.runs.prepare import prepare
from waypost.sources.store import Store
from waypost.tracking.connection import tracking_errors
from waypost.tracking.tracker import Tracker

_URI = "MLFLOW_TRACKING_URI"


@contextmanager
def tracked(temp: Path) -> Iterator[None]:
    """Tracks runs at MLFLOW_TRACKING_URI, else below `temp`, which is the current folder meanwhile: MLflow
    writes artifacts there, which do not belong in a work tree.
    """
    if os.environ.get(_URI):
        yield
        return
    here = Path.cwd()
    os.environ[_URI] = f"sqlite:///{temp / 'mlflow.db'}"
    os.chdir(temp)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.pop(_URI, None)


def production_run(release: FetchedRelease, store: Store, reporter: Reporter, *, env: str) -> RunRecord:
    """Executes a release with its own parameters; returns the record of its results. Raises WaypostError."""
    workspace = workspace_of_release(release, store, reporter.say, on_warning=reporter.warn)
    return executed(workspace, reporter, env=env, version=release.version, commit=release.commit)


def executed(
    workspace: Workspace, reporter: Reporter, *, env: str, version: str = "", commit: str = ""
) -> RunRecord:
    """Executes a pipeline; returns the record of its results. Raises WaypostError if it does not finish."""
    prepared = prepare(workspace, [], [])
    result = runner.run(prepared, Options(env=env), reporter)
    if result.status != "FINISHED":
        step = result.failed
        raise WaypostError(
            f"{result.name}: {step.name if step else 'the run'} failed: {step.cause if step else ''}"
        )
    with tracking_errors():
        return run_record_of_run(Tracker(prepared.pipeline.name), result.run_id, version, commit)
