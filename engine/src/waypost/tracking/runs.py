"""Runs by id: logging to them, reading their tags and metrics, finding their artifacts."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from waypost.contracts.trees import path_problem
from waypost.errors import WaypostError, redacted
from waypost.system.places import home
from waypost.system.scratch import scratch
from waypost.tracking import names

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

COMPLETE_TAG = "waypost.complete"
WARNINGS_TAG = "warnings"
"""Set by a component: warnings about its result, one per line (docs/contracts.md)."""
OUTPUT_TAG = "waypost.output"
ATTEMPT_TAG = "waypost.attempt"
WORKER_TAG = "waypost.worker"
"""On a step's run on a cluster: the worker that began it."""
GIVEN_UP_TAG = "waypost.given_up"
"""On a step's run on a cluster: the engine opened another run in its place."""
_MOST_PARAMETER = 6000  # length limit of MLflow's parameters
_MOST_PARAMETERS = 100  # batch limit of MLflow's parameters


class Runs:
    """The runs of a tracking server, through MLflow's client."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def log_parameters(self, run_id: str, parameters: Mapping[str, str]) -> None:
        """Logs parameters; names that MLflow does not accept are replaced, and values over its limit are
        truncated: the artifact has all of it.
        """
        from mlflow.entities import Param

        entries = [Param(k, redacted(v)[:_MOST_PARAMETER]) for k, v in names.parameters(parameters).items()]
        for start in range(0, len(entries), _MOST_PARAMETERS):
            self._client.log_batch(run_id, params=entries[start : start + _MOST_PARAMETERS])

    def tag(self, run_id: str, tags: Mapping[str, str], metrics: Mapping[str, float] | None = None) -> None:
        """Sets tags, and logs metrics, in one request."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        entries = [Metric(name, value, now, 0) for name, value in (metrics or {}).items()]
        self._client.log_batch(
            run_id, metrics=entries, tags=[RunTag(k, redacted(v)) for k, v in tags.items()]
        )

    def log_text(self, run_id: str, text: str, artifact: str) -> None:
        self._client.log_text(run_id, redacted(text), artifact)

    def log_text_once(self, run_id: str, text: str, artifact: str) -> None:
        """Logs a text unless the run has an artifact of that name."""
        there = self._client.list_artifacts(run_id, artifact.rpartition("/")[0] or None)
        if all(each.path != artifact for each in there):
            self.log_text(run_id, text, artifact)

    def log_contents(self, run_id: str, contents: Mapping[str, bytes]) -> None:
        """Logs artifacts with these contents, by path; they hold no secrets."""
        with scratch() as temp:
            for name, content in contents.items():
                file = temp / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            self._client.log_artifacts(run_id, str(temp))

    def log_file(self, run_id: str, file: Path, folder: str) -> None:
        self._client.log_artifact(run_id, str(file), folder)

    def complete(
        self, run_id: str, digests: Mapping[str, str], metrics: Mapping[str, float] | None = None
    ) -> None:
        """Marks a step's run as complete: all outputs are there, and its result may be reused."""
        outputs = {f"{OUTPUT_TAG}.{name}": digest for name, digest in digests.items()}
        self.tag(run_id, {**outputs, COMPLETE_TAG: "true"}, metrics)

    def close(self, run_id: str, status: str) -> None:
        """Sets a run's terminal status: FINISHED, FAILED or KILLED."""
        self._client.set_terminated(run_id, status=status)

    def metrics(self, run_id: str) -> dict[str, float]:
        return self.outcome(run_id)[0]

    def warnings(self, run_id: str) -> tuple[str, ...]:
        """Returns the warnings that a component set as a tag of its run."""
        return self.outcome(run_id)[1]

    def outcome(self, run_id: str) -> tuple[dict[str, float], tuple[str, ...]]:
        """Returns the metrics and warnings of a step's run, in one request."""
        data = self._client.get_run(run_id).data
        return dict(data.metrics), tuple(filter(None, data.tags.get(WARNINGS_TAG, "").splitlines()))

    def artifact_location(self, run_id: str, artifact: str) -> str:
        """Returns the location of an artifact: a path if it is local, else a URI."""
        return _location(self._client.get_run(run_id), artifact)

    def output(self, run_id: str, artifact: str) -> Path | None:
        """Returns a local path to an artifact (a model too), None if the run did not log it.

        An artifact on another machine is downloaded once, into the cache; it may be removed at any time.
        """
        return output_of(self._client, run_id, artifact)

    def logged(self, run_id: str) -> list[str]:
        """Returns the top-level names of a run's artifacts, except the logs."""
        return [each.path for each in self._client.list_artifacts(run_id) if each.path != "logs"]

    def state_of(self, run_id: str) -> tuple[str, dict[str, str]]:
        """Returns a run's status and its tags."""
        run = self._client.get_run(run_id)
        return str(run.info.status), dict(run.data.tags)

    def tags_of(self, run_id: str) -> dict[str, str]:
        return dict(self._client.get_run(run_id).data.tags)


def outputs_in(tags: Mapping[str, str]) -> dict[str, str]:
    """Returns the digests of a step's outputs, from the tags of its run."""
    return named_in(tags, OUTPUT_TAG)


def named_in(tags: Mapping[str, str], tag: str) -> dict[str, str]:
    """Returns the values of tags of the form TAG.NAME, by name."""
    prefix = f"{tag}."
    return {k.removeprefix(prefix): v for k, v in tags.items() if k.startswith(prefix)}


def output_of(client: MlflowClient, run_id: str, artifact: str) -> Path | None:
    """Returns a local path to an artifact (a model too), None if the run did not log it.

    An artifact on another machine is downloaded once, into the cache; it may be removed at any time.
    """
    # Names also come from tags, which anybody may have written.
    return None if path_problem(artifact) else output_in(client, client.get_run(run_id), artifact)


def output_in(client: MlflowClient, run: Run, artifact: str) -> Path | None:
    """Returns the same for a run that was read already."""
    from mlflow.exceptions import MlflowException

    if path_problem(artifact):
        return None
    run_id = str(run.info.run_id)
    uri = _location(run, artifact)  # MLflow resolves runs:/ to the same, with three more requests
    local = Path(uri)
    if local.exists():
        return local
    # A model is not below its run: in MLflow 3 it is a separate entity.
    for model in run.outputs.model_outputs if run.outputs else ():
        logged = client.get_logged_model(model.model_id)
        if logged.name == artifact:
            uri = str(logged.artifact_location)
            local = Path(uri.removeprefix("file://"))
            if local.exists():
                return local
    for each in (uri, f"runs:/{run_id}/{artifact}"):
        with contextlib.suppress(MlflowException, OSError):
            return downloaded(each, _downloads(run_id) / artifact, client.tracking_uri)
    return None


class TooLargeError(WaypostError):
    """An artifact has more bytes than anybody reads."""


def bounded_output_in(client: MlflowClient, run: Run, artifact: str, most: int) -> Path | None:
    """Returns the same of a file with at most `most` bytes, and downloads no other: the server is asked for
    the size of what is not on this machine. Raises TooLargeError where there are more bytes, or where the
    server does not state how many.
    """
    if path_problem(artifact):
        return None
    places = (Path(_location(run, artifact)), _downloads(str(run.info.run_id)) / artifact)
    here = next((place for place in places if place.exists()), None)
    if here is None:
        listed = client.list_artifacts(str(run.info.run_id), artifact.rpartition("/")[0] or None)
        found = next((each for each in listed if each.path == artifact and not each.is_dir), None)
        if found is None:
            return None
        if found.file_size is None or found.file_size > most:
            raise TooLargeError(f"{artifact}: more than {most:,} bytes")
        here = output_in(client, run, artifact)
    if here is None or not here.is_file():
        return None
    if here.stat().st_size > most:
        raise TooLargeError(f"{artifact}: more than {most:,} bytes")
    return here


def _downloads(run_id: str) -> Path:
    """Returns the folder of the cache with what was downloaded of a run."""
    return home() / "artifacts" / run_id


def _location(run: Run, artifact: str) -> str:
    return f"{str(run.info.artifact_uri).removeprefix('file://')}/{artifact}"


def downloaded(uri: str, place: Path, store: str | None = None) -> Path:
    """Returns `place` with a complete download of a remote artifact; `store` is the URI of its tracking
    server, by default that of this process.
    """
    from mlflow.artifacts import download_artifacts

    def download(folder: Path) -> Path:
        return Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=store))

    return made_once(place, download)


def made_once(place: Path, make: Callable[[Path], Path]) -> Path:
    """Returns `place`, complete, with the content that `make` wrote to the folder it got, if not there
    yet.
    """
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as folder:
            found = make(Path(folder))
            with contextlib.suppress(OSError):  # another process was faster
                found.rename(place)
    return place
