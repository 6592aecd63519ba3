"""Runs on an MLflow tracking server: one for the pipeline, a child for each step."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import filelock

from waypost.compat.mlflow import user_tag
from waypost.contracts.keys import FinishedStep
from waypost.contracts.mlmodel import FILE as MODEL_FILE
from waypost.contracts.mlmodel import signature_in
from waypost.errors import WaypostError, redacted
from waypost.sources.files import mlmodel_text
from waypost.system.liveness import process_name
from waypost.system.places import home
from waypost.texts.digests import digest_of
from waypost.tracking import names
from waypost.tracking.connection import client, set_defaults, tracking_errors
from waypost.tracking.leases import OWNER_TAG, Leases, is_alive_here
from waypost.tracking.local import project_run, tracking_uri
from waypost.tracking.runs import COMPLETE_TAG, Runs, outputs_in
from waypost.tracking.tags import KEY_TAG, PARENT_TAG, PIPELINE_TAG, STEP_TAG, SWEEP_TAG

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run

_RUNNING = "attributes.status = 'RUNNING'"
_PAGE = 100  # runs per page of a search


@contextlib.contextmanager
def _tables(uri: str) -> Iterator[None]:
    """Lets only one process at a time create the tables of a SQLite file; MLflow does not lock it."""
    if not uri.startswith("sqlite:"):
        yield
        return
    folder = home() / "locks"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a read-only cache is no reason to stop
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(folder / f"{digest_of(uri)}.lock"))
        yield


class Tracker(Runs):
    """The runs of one pipeline. Raises WaypostError if the server cannot be reached."""

    def __init__(self, pipeline: str) -> None:
        set_defaults()
        import mlflow

        self.uri = tracking_uri()
        self._pipeline = pipeline
        mlflow.set_tracking_uri(self.uri)
        with tracking_errors():
            with _tables(self.uri):
                super().__init__(client(self.uri))
            self.experiment_id = self._experiment(pipeline)
        self.leases = Leases(self._client, self.experiment_id)

    def _experiment(self, name: str) -> str:
        if experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return _active(self._named(experiment_id))
        from mlflow.exceptions import MlflowException

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", name)
        if found := self._client.get_experiment_by_name(name):
            return _active(found)
        try:
            return str(self._client.create_experiment(name))
        except MlflowException:  # another run created it in the meantime
            if found := self._client.get_experiment_by_name(name):
                return _active(found)
            raise

    @property
    def experiment(self) -> tuple[str, int | None]:
        """Name and time of creation (milliseconds) of the experiment: together, they tell servers apart."""
        found = self._client.get_experiment(self.experiment_id)
        return str(found.name), found.creation_time

    def _named(self, experiment_id: str) -> Experiment:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_experiment(experiment_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            message = f"no experiment {experiment_id} on {redacted(self.uri)}"
            raise WaypostError(message, hint="its id comes from MLFLOW_EXPERIMENT_ID") from error

    def open_pipeline(self, tags: Mapping[str, str], *, parent: str = "", name: str = "") -> str:
        """Opens the parent run and returns its id; under `mlflow run` that is the project's run.

        In a sweep it has its own `name`, and the sweep's run as its `parent`.
        """
        all_tags = {**tags, PIPELINE_TAG: self._pipeline, OWNER_TAG: process_name()}
        if parent:
            all_tags[PARENT_TAG] = parent
        elif run_id := project_run():
            self.tag(run_id, all_tags)
            return run_id
        return self._create(name or self._pipeline, {**all_tags, "mlflow.source.name": self._pipeline})

    def open_sweep(self) -> str:
        """Opens the parent run of a sweep and returns its id."""
        return self._create(f"{self._pipeline} sweep", {SWEEP_TAG: self._pipeline, OWNER_TAG: process_name()})

    def open_work(self, name: str, tags: Mapping[str, str]) -> str:
        """Opens a run that belongs to no pipeline and returns its id."""
        return self._create(name, {**tags, "mlflow.source.name": "waypost"})

    def open_step(self, parent: str, name: str, tags: Mapping[str, str], shown: str = "") -> str:
        """Opens a step's run below the pipeline's and returns its id; `shown` is the run's name, where it is
        not that of the step.
        """
        return self._create(shown or name, {**tags, PARENT_TAG: parent, STEP_TAG: name})

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        shown = {k: redacted(v) for k, v in {**user_tag(), **tags}.items()}
        run = self._client.create_run(self.experiment_id, run_name=redacted(name), tags=shown)
        return str(run.info.run_id)

    def steps_of(self, run_id: str) -> dict[str, FinishedStep]:
        """Returns the finished steps of a pipeline run by name."""
        tags = self._client.get_run(run_id).data.tags
        ids = {k.removeprefix(f"{STEP_TAG}."): v for k, v in tags.items() if k.startswith(f"{STEP_TAG}.")}
        return {name: _finished(self._client.get_run(step)) for name, step in sorted(ids.items())}

    def finished_runs(self, tag: str, value: str) -> list[str]:
        """Returns the finished runs of this pipeline with a tag, newest first."""
        condition = f"{names.tag_is(tag, value)} AND attributes.status = 'FINISHED'"
        found = [run for run in self._pipeline_runs(condition) if run.data.tags.get(tag) == value]
        return [str(run.info.run_id) for run in found]

    def signature(self, run_id: str, artifact: str) -> dict[str, Any]:
        """Returns the signature (columns of inputs and outputs) of a model artifact, {} for others."""
        folder = self.output(run_id, artifact)
        if folder is None or not (folder / MODEL_FILE).is_file():
            return {}
        return signature_in(mlmodel_text(folder), str(folder / MODEL_FILE))

    def finished_step(self, key: str) -> FinishedStep | None:
        """Returns a finished step with a key, of any pipeline; the newest if there are several."""
        ended_well = f"tags.`{COMPLETE_TAG}` = 'true' AND attributes.status = 'FINISHED'"
        found = next(self._search(f"tags.`{KEY_TAG}` = '{key}' AND {ended_well}", page=1), None)
        return _finished(found) if found else None

    def is_finished(self, run_id: str) -> bool:
        """Returns whether a run exists and ended well."""
        from mlflow.exceptions import MlflowException

        try:
            info = self._client.get_run(run_id).info
        except MlflowException:
            return False
        return info.status == "FINISHED" and info.lifecycle_stage == "active"

    def steps_to_resume(self) -> dict[str, FinishedStep] | None:
        """Returns the finished steps, by key, of this pipeline's newest run that failed or was killed; None
        if there is no such run.
        """
        for run in self._pipeline_runs():
            if run.info.status in ("FAILED", "KILLED"):
                return self._finished_steps(run)
        return None

    def _finished_steps(self, parent: Run) -> dict[str, FinishedStep]:
        """Returns the steps that a pipeline run finished or reused, by key."""
        ids = [v for k, v in parent.data.tags.items() if k.startswith(f"{STEP_TAG}.")]
        steps = [self._client.get_run(run_id) for run_id in ids]
        return {
            key: _finished(run)
            for run in steps
            if run.info.status == "FINISHED" and (key := run.data.tags.get(KEY_TAG))
        }

    def close_abandoned(self) -> list[str]:
        """Marks runs as KILLED if their process on this machine is gone; returns their ids."""
        closed = []
        sweeps = self._tagged(SWEEP_TAG, self._pipeline, _RUNNING)
        for run in [*self._pipeline_runs(_RUNNING), *sweeps]:
            if is_alive_here(run) is False:
                self.close_steps(run.info.run_id)
                self.close(run.info.run_id, "KILLED")
                closed.append(str(run.info.run_id))
        return closed

    def close_steps(self, parent: str) -> None:
        """Marks the running steps below a run as KILLED."""
        for child in list(self._tagged(PARENT_TAG, parent, _RUNNING)):
            if OWNER_TAG not in child.data.tags:
                self.close(child.info.run_id, "KILLED")

    def _pipeline_runs(self, condition: str = "") -> Iterator[Run]:
        return self._tagged(PIPELINE_TAG, self._pipeline, condition)

    def _tagged(self, tag: str, value: str, condition: str = "") -> Iterator[Run]:
        query = " AND ".join(filter(None, (names.tag_is(tag, value), condition)))
        return (run for run in self._search(query) if run.data.tags.get(tag) == value)

    def _search(self, query: str, page: int = 0) -> Iterator[Run]:
        """Yields matching runs, newest first; `page` per request, requested as they are consumed."""
        token: str | None = None
        while True:
            found: Any = self._client.search_runs(
                [self.experiment_id],
                query,
                order_by=["attributes.start_time DESC"],
                max_results=page or _PAGE,
                page_token=token,
            )
            yield from found
            token = found.token
            if not token:
                return


def _active(experiment: Experiment) -> str:
    """Returns the id of an experiment. Raises WaypostError if it was deleted."""
    if experiment.lifecycle_stage == "active":
        return str(experiment.experiment_id)
    message = f"the experiment {experiment.name!r} was deleted on {redacted(tracking_uri())}"
    restore = f"mlflow experiments restore --experiment-id {experiment.experiment_id}"
    raise WaypostError(message, hint=f"restore it: {restore}; or set another: MLFLOW_EXPERIMENT_NAME")


def step_variables(tracker: Tracker, run_id: str) -> dict[str, str]:
    """Returns the environment variables that connect a step's process to its run."""
    return {
        "MLFLOW_TRACKING_URI": tracker.uri,
        "MLFLOW_EXPERIMENT_ID": tracker.experiment_id,
        "MLFLOW_RUN_ID": run_id,
    }


def _finished(run: Run) -> FinishedStep:
    digests = outputs_in(run.data.tags)
    seconds = ((run.info.end_time or 0) - run.info.start_time) / 1000
    return FinishedStep(
        str(run.info.run_id),
        digests,
        metrics=dict(run.data.metrics),
        seconds=seconds,
        user=run.data.tags.get("mlflow.user", ""),
    )
