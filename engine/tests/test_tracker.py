"""Runs on a tracking store: names that MLflow's language cannot quote, and what the store refuses."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from waypost.errors import WaypostError
from waypost.tracking import tracker as module
from waypost.tracking.connection import tracking_errors
from waypost.tracking.tags import PIPELINE_TAG
from waypost.tracking.tracker import Tracker

NAMES = ["Anna's grades", "both ' and \"", "Anna_s grades", "back\\slash", "grades/2026"]


def test_pipelines_of_any_name(workplace: Path) -> None:
    """Each finds its own runs, and no other's; an abandoned one is closed."""
    trackers = {name: Tracker(name) for name in NAMES}
    made = {name: tracker.open_pipeline({"waypost.release": name}) for name, tracker in trackers.items()}
    assert not trackers[NAMES[0]].close_abandoned()
    for name, tracker in trackers.items():
        tracker.close(made[name], "FINISHED")
        assert tracker.finished_runs("waypost.release", name) == [made[name]]
        assert tracker.finished_runs(PIPELINE_TAG, name) == [made[name]]
        assert tracker.finished_runs("waypost.release", "it's another") == []


def test_all_steps_of_a_run_are_closed(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and however long ago they were opened; those that ended keep their status."""
    monkeypatch.setattr(module, "_PAGE", 2)
    tracker = Tracker("small")
    parent = tracker.open_pipeline({})
    steps = [tracker.open_step(parent, f"s{number}", {}) for number in range(7)]
    tracker.close(steps[3], "FINISHED")
    tracker.close_steps(parent)
    status = [tracker._client.get_run(step).info.status for step in steps]
    assert status == ["KILLED"] * 3 + ["FINISHED"] + ["KILLED"] * 3


def test_parameters_of_any_name(workplace: Path) -> None:
    """A run keeps every parameter, by a name that MLflow takes."""
    tracker = Tracker("small")
    run_id = tracker.open_pipeline({})
    tracker.log_parameters(
        run_id, {"m.Ticket (USD)": "a", "m.Ticket [USD]": "b", "k" * 300: "c", "plain": "d"}
    )
    assert sorted(tracker._client.get_run(run_id).data.params.values()) == ["a", "b", "c", "d"]
    tracker.close(run_id, "FINISHED")


def test_deleted_experiment(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with the command that brings it back, by its name and by its id."""
    tracker = Tracker("small")
    tracker._client.delete_experiment(tracker.experiment_id)
    said = f"mlflow experiments restore --experiment-id {tracker.experiment_id}"
    with pytest.raises(WaypostError, match="'small' was deleted") as by_name:
        Tracker("small")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", tracker.experiment_id)
    with pytest.raises(WaypostError, match="'small' was deleted") as by_id:
        Tracker("other")
    assert said in by_name.value.hint == by_id.value.hint
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "77")
    with pytest.raises(WaypostError, match="no experiment 77") as unknown:
        Tracker("other")
    assert unknown.value.hint == "its id comes from MLFLOW_EXPERIMENT_ID"


def test_folders_are_no_tracking_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow refuses its own first kind of store; what to do is said in one line."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    with pytest.raises(WaypostError, match="does not write to folders any more") as caught:
        Tracker("small")
    assert "sqlite:///mlflow.db" in caught.value.hint
    assert "MLFLOW_ALLOW_FILE_STORE=true" in caught.value.hint


def test_a_refusal_is_no_silence(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a server that does not answer may be down; one that refuses something is up."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(WaypostError) as refused, tracking_errors():
        mlflow.MlflowClient("sqlite:///mlflow.db").search_runs(["0"], "tags.x = 'a' 'b'")
    assert "it answers, but refuses this request" in refused.value.hint
    with pytest.raises(WaypostError, match="no answer") as silent, tracking_errors():
        mlflow.MlflowClient("http://127.0.0.1:9").get_run("0" * 32)
    assert "is the server up" in silent.value.hint
