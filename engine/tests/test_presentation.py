"""MLflow's own page of a pipeline run: description, images, models, whatever a server refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE

from waypost.tracking.presentation import DESCRIPTION_TAG, present
from waypost.tracking.run_reading import ReadRun, read_run
from waypost.tracking.tracker import Tracker

IMAGES = {"plots/0-graph.svg": b"<svg/>"}
TEXTS = ["long " * 100, "short"]


class Server(MlflowClient):
    """A tracking server that refuses: texts above a length, outputs of runs; or that does not answer."""

    longest, code, asked = 250, INVALID_PARAMETER_VALUE, 0

    def log_batch(self, run_id: str, *args: Any, tags: Sequence[RunTag] = (), **more: Any) -> Any:
        self.asked += 1
        if any(len(tag.value) > self.longest for tag in tags):
            raise MlflowException("a value of\na tag is too long", self.code)
        more["tags"] = tags
        return super().log_batch(run_id, *args, **more)

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        self.asked += 1
        raise MlflowException("no such call", INVALID_PARAMETER_VALUE)


@pytest.fixture
def read(workplace: Path) -> ReadRun:
    """A pipeline run with two steps of one key: both have the run that logged a model."""
    tracker = Tracker("small")
    client = tracker._client
    run_id = tracker.open_pipeline({})
    step = tracker.open_step(run_id, "train", {}, "1 train")
    model = client.create_logged_model(tracker.experiment_id, "model", step)
    client.log_outputs(step, [LoggedModelOutput(model.model_id, 0)])
    tracker.tag(run_id, {"waypost.step.train": step, "waypost.step.same": step})
    tracker.close(run_id, "FINISHED")
    return read_run(client, run_id)


def uri(workplace: Path) -> str:
    return f"sqlite:///{workplace / 'mlflow.db'}"


def test_everything_is_shown(workplace: Path, read: ReadRun) -> None:
    """The run has the long description, the images, and the model of its step, which still belongs to the
    step; the runs of steps have names that sort.
    """
    client = MlflowClient(uri(workplace))
    assert present(client, read, IMAGES, TEXTS) == []
    run = client.get_run(read.parent.info.run_id)
    assert run.data.tags[DESCRIPTION_TAG] == TEXTS[0]
    assert [file.path for file in client.list_artifacts(run.info.run_id, "plots")] == list(IMAGES)
    assert repr(run.outputs) == repr(read.results["train"].outputs)
    assert present(client, read_run(client, run.info.run_id), IMAGES, TEXTS) == []  # again, as is
    assert read.results["train"].info.run_name == "1 train"


def test_what_is_refused_costs_nothing_else(workplace: Path, read: ReadRun) -> None:
    """A server that keeps short texts has the short description, and what it refused is told."""
    server = Server(uri(workplace))
    assert present(server, read, IMAGES, TEXTS) == ["models: no such call"]
    assert server.get_run(read.parent.info.run_id).data.tags[DESCRIPTION_TAG] == "short"
    server.longest = 0
    refused = ["description: a value of a tag is too long", "models: no such call"]
    assert present(server, read, IMAGES, TEXTS) == refused


def test_a_server_that_does_not_answer_is_asked_once(workplace: Path, read: ReadRun) -> None:
    """What follows the first request without an answer is not asked for: each would take minutes."""
    server = Server(uri(workplace))
    server.longest, server.code = 0, INTERNAL_ERROR
    assert present(server, read, {}, TEXTS) == ["description: a value of a tag is too long"]
    assert server.asked == 1
