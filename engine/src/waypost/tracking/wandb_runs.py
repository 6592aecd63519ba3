"""Pipeline runs on W&B: made from the events of a run, and from what its steps log to MLflow.

A pipeline run is a group on W&B: a run for itself, and one for each executed step, with the step as its job
type. Any error of W&B or MLflow here becomes one message at the end.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost.contracts.mlmodel import FILE as MODEL_FILE
from waypost.errors import redacted
from waypost.sources.web import answers
from waypost.tracking import names
from waypost.tracking.wandb_inputs import split
from waypost.tracking.wandb_media import SHOWN, log_artifact, media_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from wandb import Run

LOOK_SECONDS = 2.0  # polling interval for the metrics of running steps
_SERVER_SECONDS = 10  # for W&B's first answer
_INIT_SECONDS = 30  # for its first answer about a run
_MOST_MISSED = 5  # attempts to reach a server that went away
_MOST_BYTES = 50_000_000  # of a plot, page or table
_STEP_AXIS = "mlflow_step"
_EXIT_CODES = {"FINISHED": 0, "done": 0}


@dataclass
class _Step:
    """A running step: its W&B run, and the number of points that W&B has of each metric."""

    run: Run
    run_id: str
    alias: str
    sent: dict[str, int] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)


class Wandb:
    """The runs of this process on W&B; `problem` is the first thing that went wrong."""

    def __init__(self) -> None:
        self.problem = ""
        self.url = ""
        self.folders: list[str] = []
        asked = os.environ.get("WANDB_MODE", "")
        self._mode = {"dryrun": "offline", "run": "online"}.get(asked, asked)
        self._pipelines: dict[str, tuple[Run, dict[str, Any]]] = {}
        self._steps: dict[str, _Step] = {}
        self._client: MlflowClient | None = None
        self._last_second = 0

    def handle(self, document: dict[str, Any]) -> None:
        """Handles an event; errors are kept for the end."""
        event = document.pop("event")
        with self._noting():
            getattr(self, f"_on_{event}")(**document)

    def look(self) -> None:
        """Sends new metrics of the running steps."""
        for step in self._steps.values():
            with self._noting():
                self._send_metrics(step)

    @property
    def is_busy(self) -> bool:
        """Whether a step runs."""
        return bool(self._steps)

    def finish(self) -> None:
        """Ends the runs that are still open: their pipeline is gone."""
        for run_id in list(self._steps):
            self.handle({"event": "step_ended", "run_id": run_id, "state": "killed", "outputs": []})
        for run_id in list(self._pipelines):
            self.handle({"event": "ended", "run_id": run_id, "status": "KILLED", "metrics": {}})

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """Keeps errors for the end: W&B's and MLflow's have no common base class."""
        try:
            yield
        except Exception as error:
            self.problem = self.problem or _first_line(error)

    def _on_opened(self, run_id: str, name: str, config: dict[str, Any], tags: list[str], alias: str) -> None:
        project = names.project(name)
        about = {"group": f"{project[:100]}-{run_id[:8]}", "project": project, "tags": tags, "alias": alias}
        self._pipelines[run_id] = (self._open(run_id, name, "pipeline", config, about), about)

    def _on_step_started(
        self, parent: str, run_id: str, name: str, config: dict[str, Any], used: list[dict[str, str]]
    ) -> None:
        about = self._pipelines[parent][1]
        run = self._open(run_id, name, name, config, about)
        run.define_metric("*", step_metric=_STEP_AXIS)
        self._steps[run_id] = _Step(run, run_id, about["alias"])
        for each in used:
            with self._noting():
                if not each["uri"]:
                    log_artifact(run, each, [], used=True)
                elif not run.offline:
                    run.use_artifact(split(each["uri"])[0])

    def _on_step_ended(self, run_id: str, state: str, outputs: list[dict[str, str]]) -> None:
        step = self._steps.pop(run_id)
        with self._noting():
            self._send_metrics(step, last=True)
        with self._noting():
            self._send_media(step)
        for each in outputs:
            with self._noting():
                log_artifact(step.run, each, _aliases(step.alias))
        self._finish(step.run, state)

    def _on_step_reused(self, parent: str, outputs: list[dict[str, str]]) -> None:
        run, about = self._pipelines[parent]
        for each in outputs:
            with self._noting():
                log_artifact(run, each, _aliases(about["alias"]), used=True)

    def _on_ended(self, run_id: str, status: str, metrics: dict[str, float]) -> None:
        run, _ = self._pipelines.pop(run_id)
        if metrics:
            run.log(metrics)
        self._finish(run, status)

    def _finish(self, run: Run, state: str) -> None:
        """Ends a run, and waits until W&B has it, while there is a server that accepts it.

        What is left then is in the run's file, for `wandb sync`.
        """
        code = _EXIT_CODES.get(state, 1)
        if run.offline:
            run.finish(exit_code=code)
            return
        sending = threading.Thread(target=run.finish, kwargs={"exit_code": code}, daemon=True)
        sending.start()
        missed = 0
        while sending.is_alive() and missed < (1 if self._mode == "offline" else _MOST_MISSED):
            sending.join(LOOK_SECONDS)
            if sending.is_alive():
                missed = 0 if answers(_server()) else missed + 1
        if sending.is_alive():
            self._lose_server("it no longer answers")

    def _lose_server(self, why: str) -> None:
        self.problem = self.problem or f"{_server()}: {why}"
        self._mode = "offline"

    def _open(self, run_id: str, name: str, job: str, config: dict[str, Any], about: dict[str, Any]) -> Run:
        """Begins a run, offline from the first one that the server does not accept."""
        self._mode = self._mode or self._found_mode()
        given = {"id": run_id, "name": name, "job_type": job, "config": config}
        given |= {"group": about["group"], "tags": about["tags"]}
        given["project"] = os.environ.get("WANDB_PROJECT") or about["project"]
        try:
            run = self._begin(given)
        except Exception as error:
            if self._mode == "offline":
                raise
            self._lose_server(_first_line(error))
            run = self._begin(given)
        self.folders.append(str(Path(run.dir).parent))
        if not run.offline and not self.url:
            self.url = f"{run.project_url}/groups/{about['group']}"
        return run

    def _begin(self, given: dict[str, Any]) -> Run:
        import wandb

        if self._mode == "offline":
            self._wait_for_the_next_second()
        settings = wandb.Settings(
            mode=self._mode,  # type: ignore[arg-type]
            init_timeout=_INIT_SECONDS,
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_stats=True,
        )
        return wandb.init(**given, reinit="create_new", settings=settings)

    def _wait_for_the_next_second(self) -> None:
        """Lets run folders sort by start time: their names have seconds, then the run's id.

        They are sent in this order, so that the run that made an artifact arrives before those that used it.
        """
        while int(time.time()) == self._last_second:
            time.sleep(0.02)
        self._last_second = int(time.time())

    def _found_mode(self) -> str:
        """Returns online if there is a key and a server that accepts it, else offline."""
        import wandb

        try:
            _ = wandb.Api(timeout=_SERVER_SECONDS).viewer
        except wandb.errors.UsageError:  # without a key, offline is what the user wants
            return "offline"
        except Exception:  # network errors
            self._lose_server("it does not answer, or does not accept the key")
            return "offline"
        return "online"

    def _mlflow(self) -> MlflowClient:
        if self._client is None:
            from waypost.tracking.connection import client
            from waypost.tracking.local import tracking_uri

            self._client = client(tracking_uri())
        return self._client

    def _send_metrics(self, step: _Step, *, last: bool = False) -> None:
        client = self._mlflow()
        data = client.get_run(step.run_id).data
        rows: dict[tuple[int, int], dict[str, float]] = {}
        for name, value in data.metrics.items():
            if last or step.latest.get(name) != value:
                history = client.get_metric_history(step.run_id, name)
                for point in history[step.sent.get(name, 0) :]:
                    rows.setdefault((point.timestamp, point.step), {})[name] = point.value
                step.sent[name] = len(history)
        step.latest = dict(data.metrics)
        for (timestamp, number), values in sorted(rows.items()):
            step.run.log({**values, _STEP_AXIS: number, "_timestamp": timestamp / 1000})
        if last and data.params:
            step.run.config.update({"parameters": data.params}, allow_val_change=True)  # type: ignore[no-untyped-call]

    def _send_media(self, step: _Step) -> None:
        """Sends the plots, pages and tables that a step logged."""
        from mlflow.artifacts import download_artifacts

        with tempfile.TemporaryDirectory(prefix="waypost-") as folder:
            for artifact in self._files(step.run_id, ""):
                uri = f"runs:/{step.run_id}/{artifact}"
                media = media_of(Path(download_artifacts(uri, dst_path=folder)))
                if media is not None:
                    step.run.log({artifact.rpartition(".")[0]: media})

    def _files(self, run_id: str, folder: str) -> Iterator[str]:
        """Yields the artifacts of a run that can be shown; files in a model's folder belong to the model."""
        entries = self._mlflow().list_artifacts(run_id, folder or None)
        if any(Path(entry.path).name == MODEL_FILE for entry in entries):
            return
        for entry in entries:
            if entry.is_dir:
                yield from self._files(run_id, entry.path)
            elif Path(entry.path).suffix.lower() in SHOWN and (entry.file_size or 0) <= _MOST_BYTES:
                yield entry.path


def _server() -> str:
    import wandb

    return redacted(str(wandb.setup().settings.base_url))


def _first_line(error: Exception) -> str:
    return redacted((str(error).strip() or type(error).__name__).splitlines()[0])


def _aliases(release: str) -> list[str]:
    return ["latest", *([release] if release else [])]
