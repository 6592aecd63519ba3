"""The MLflow Model Registry, and the origins of its models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost.errors import UsageError, redacted
from waypost.tracking.baselines import plain_first
from waypost.tracking.connection import client
from waypost.tracking.local import tracking_uri
from waypost.tracking.names import tag_is
from waypost.tracking.origins import ModelOrigin, RecordedRun, StepRun
from waypost.tracking.runs import output_of, outputs_in
from waypost.tracking.tags import PIPELINE_TAG, STEP_TAG, SWEEP_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run

_RUN = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"v?\d+\.\d+\.\d+\S*")


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model."""

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = field(default=())


class Registry:
    """Registered models, their versions and aliases. Call it within `tracking_errors`."""

    def __init__(self) -> None:
        import mlflow

        mlflow.set_tracking_uri(tracking_uri())
        self.uri = tracking_uri()
        self._client = client(self.uri)

    def run_of(self, text: str) -> str:
        """Returns the id of a run, or of the newest finished run of a release (`1.4.13`, `URL@1.4.13`): one
        with the parameters of the release, if there is one. Raises UsageError if there is no run.
        """
        if _RUN.fullmatch(text):
            return text
        url, _, version = text.rpartition("@")
        if not _VERSION.fullmatch(version):
            forms = "the id of a run (32 hexadecimal digits), a version such as 1.4.13, or URL@VERSION"
            raise UsageError(f"{text}: not a run or release", hint=f"expected {forms}")
        tags = {"waypost.release": version.removeprefix("v")}
        if url:
            tags["waypost.release.url"] = redacted(url)
        query = " AND ".join(["status = 'FINISHED'", *(tag_is(*each) for each in tags.items())])
        experiments = [e.experiment_id for e in self._client.search_experiments()]
        found: Any = self._client.search_runs(
            experiments, query, order_by=["start_time DESC"], max_results=50
        )
        runs = [
            run for run in found if PIPELINE_TAG in run.data.tags and tags.items() <= run.data.tags.items()
        ]
        newest = plain_first(runs)
        if newest is None:
            hint = "run it first: waypost run URL@VERSION; or give the id of a run (32 hexadecimal digits)"
            raise UsageError(f"{text}: no finished run of this release on {redacted(self.uri)}", hint=hint)
        return str(newest.info.run_id)

    def newest_pipeline_run(self) -> str:
        """Returns the id of the newest run of a pipeline. Raises UsageError if there is none."""
        experiments = [e.experiment_id for e in self._client.search_experiments()]
        query = f"tags.`{PIPELINE_TAG}` != ''"
        found: Any = self._client.search_runs(experiments, query, order_by=["start_time DESC"], max_results=1)
        if not found:
            raise UsageError(f"no run of a pipeline on {redacted(self.uri)}", hint="run one: waypost run")
        return str(found[0].info.run_id)

    def origin(self, run_id: str, step: str = "") -> ModelOrigin:
        """Returns the origin of a run's model. Raises UsageError unless there is exactly one model."""
        run = self._client.get_run(run_id)
        if run.info.status != "FINISHED":
            raise UsageError(f"run {run_id} is {run.info.status}: only a finished one has a model to promote")
        steps = {found.name: found for found in self._steps(run)}
        chosen = {
            (name, artifact): model
            for name, found in steps.items()
            for artifact, model in found.models.items()
            if not step or name == step
        }
        if len(chosen) != 1:
            names = ", ".join(name for name, _ in chosen)
            hint = f"name the step: --step, one of {names}" if chosen else "log one with mlflow"
            count = f"{len(chosen)} models" if chosen else "no model"
            raise UsageError(f"run {run_id}: {count}", hint=hint)
        ((name, artifact), model_id), *_ = chosen.items()
        return ModelOrigin(run_id, dict(run.data.tags), steps, name, artifact, model_id)

    def _steps(self, run: Run) -> list[StepRun]:
        prefix = f"{STEP_TAG}."
        ids = {k.removeprefix(prefix): v for k, v in run.data.tags.items() if k.startswith(prefix)}
        if not ids:
            return [self._step("", run)]
        return [self._step(name, self._client.get_run(step)) for name, step in ids.items()]

    def _step(self, name: str, run: Run) -> StepRun:
        models = {}
        for output in run.outputs.model_outputs if run.outputs else ():
            model = self._client.get_logged_model(output.model_id)
            models[str(model.name)] = str(output.model_id)
        data = run.data
        return StepRun(
            name, str(run.info.run_id), dict(data.tags), dict(data.metrics), dict(data.params), models
        )

    def pipeline_run(self, run_id: str) -> RecordedRun:
        """Returns a pipeline run with its steps. Raises UsageError for a run of another kind."""
        self.tags_of_pipeline_run(run_id)
        run = self._client.get_run(run_id)
        name = str(run.data.tags[PIPELINE_TAG])
        return RecordedRun(run_id, name, dict(run.data.params), tuple(self._steps(run)))

    def tags_of_pipeline_run(self, run_id: str) -> dict[str, str]:
        """Returns the tags of a pipeline run. Raises UsageError for a run of another kind."""
        tags = dict(self._client.get_run(run_id).data.tags)
        if PIPELINE_TAG in tags:
            return tags
        above = tags.get("mlflow.parentRunId", "") if STEP_TAG in tags else ""
        hint = f"it is a step of runs:/{above}" if above else ""
        raise UsageError(f"run {run_id} is not a pipeline run of Waypost", hint=hint)

    def is_sweep(self, run_id: str) -> bool:
        """Returns whether a run is the parent of a sweep's points."""
        return SWEEP_TAG in self._client.get_run(run_id).data.tags

    def pipeline_of(self, run_id: str) -> str:
        """Returns the pipeline run that a step's run belongs to, else the run itself."""
        return str(self._client.get_run(run_id).data.tags.get("mlflow.parentRunId", run_id))

    def digest(self, run_id: str, path: str) -> str:
        """Returns the digest of an output of a step by its path, empty if unknown."""
        digests = outputs_in(self._client.get_run(run_id).data.tags)
        own = digests.get(path.partition(".")[0])  # an output's name may differ from its file's
        found = own or (next(iter(digests.values())) if len(digests) == 1 else "")
        return f"sha256:{found}" if found else ""

    def file(self, run_id: str, artifact: str) -> Path | None:
        """Returns the local path of a run's artifact, None if there is none."""
        return output_of(self._client, run_id, artifact)

    def register(self, name: str, run_id: str, model_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Registers a model as the next version; creates the registered model if it does not exist."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self._client.create_model_version(
            name, f"models:/{model_id}", run_id=run_id, tags=dict(tags), model_id=model_id
        )
        return ModelVersion(name, str(version.version), run_id, dict(tags))

    def describe(self, version: ModelVersion, text: str) -> None:
        """Sets a version's description (Markdown)."""
        self._client.update_model_version(version.name, version.version, text)

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """Returns the version that an alias names, None if there is none."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_model_version_by_alias(name, alias)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return self._version(found)

    def by_number(self, name: str, number: str) -> ModelVersion:
        """Returns a version by its number."""
        return self._version(self._client.get_model_version(name, number))

    def _version(self, found: Any) -> ModelVersion:
        aliases = tuple(sorted(map(str, found.aliases)))
        return ModelVersion(
            str(found.name), str(found.version), str(found.run_id or ""), dict(found.tags), aliases
        )

    def move(self, name: str, alias: str, version: str) -> None:
        """Moves an alias to a version."""
        self._client.set_registered_model_alias(name, alias, version)

    def keep(self, run_id: str, text: str, artifact: str) -> None:
        """Logs a text as an artifact of a run."""
        self._client.log_text(run_id, text, artifact)
