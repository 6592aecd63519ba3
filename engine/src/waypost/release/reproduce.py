"""The proof that a release is real: executed from its tag in a clean place, compared with its record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.compare import Comparison, compare
from waypost.contracts.record import RunRecord
from waypost.contracts.target import Target
from waypost.errors import UsageError
from waypost.pins.attesting import run_record
from waypost.pins.released import Release, fetch_release
from waypost.pins.workspace import workspace_of_release
from waypost.release.evidence import evidence
from waypost.runs import runner
from waypost.runs.events import Reporter, RunResult
from waypost.runs.prepare import prepare
from waypost.runs.survey import Options
from waypost.sources.places import home
from waypost.sources.store import Store
from waypost.tracking.store import Tracker


@dataclass(frozen=True)
class Reproduction:
    """How a release was reproduced: the run, and each comparison with the record."""

    release: Release
    run: RunResult
    comparisons: tuple[Comparison, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Tells whether the run finished and nothing that can be compared is different."""
        return self.run.status == "FINISHED" and all(c.state != "different" for c in self.comparisons)


def reproduce(
    target: Target, place: Path, reporter: Reporter, *, record: RunRecord | None, env: str
) -> Reproduction:
    """Executes a release in a place of its own, where nothing is cached, and compares.

    Args: `record` is what to compare with; None: what the repository's default branch has.
    Raises UsageError where there is no record, IntegrityError, RemoteError.
    """
    memory = Store(home(), reporter.say).mirror(target.url)
    # Everything in this process goes there: cache, environments, runs.
    os.environ["WAYPOST_HOME"] = str(place / "cache")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place / 'mlflow.db'}"
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)
    os.chdir(place)
    store = Store(place / "cache", reporter.say)
    release = fetch_release(store, target, memory=memory)
    recorded = record or run_record(store.mirror(target.url), release.version)
    if recorded is None:
        hint = "its production run is recorded by `waypost release record`; or give one: --against FILE"
        raise UsageError(f"{target}: there is no record of a run to compare with", hint=hint)
    workspace = workspace_of_release(release, store, reporter.say, loud=reporter.warn)
    prepared = prepare(workspace, [], [])
    result = runner.run(prepared, Options(env=env, cache=False), reporter)
    if result.status != "FINISHED":
        return Reproduction(release, result)
    found = evidence(Tracker(prepared.pipeline.name), result.run_id, release.version, release.commit)
    return Reproduction(release, result, compare(recorded, found))
