"""`waypost gc`: of a tracking server goes what nothing needs, and nothing else."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import mlflow.cli
import pytest
from mlflow.entities import LoggedModelOutput

from tests.conftest import Call
from waypost.contracts.keys import FinishedStep
from waypost.errors import UsageError
from waypost.runs.garbage import collect
from waypost.runs.index import Index
from waypost.system.places import home
from waypost.tracking.tracker import Tracker

WAYPOST = ("python", "-m", "waypost")


class Runs:
    """Pipeline runs as the engine leaves them, each with steps of its own and some that it took over."""

    def __init__(self, pipeline: str = "small") -> None:
        self.tracker = Tracker(pipeline)
        self.client = self.tracker._client

    def made(
        self, *steps: str, taken: tuple[str, ...] = (), status: str = "FINISHED", **tags: str
    ) -> list[str]:
        """Returns the ids of a pipeline run and of its own steps, which keep 1,000 bytes each."""
        run_id = self.tracker.open_pipeline({f"waypost.{name}": text for name, text in tags.items()})
        own = []
        for name in steps:
            own.append(self.tracker.open_step(run_id, name, {}))
            self.tracker.log_contents(own[-1], {"out.txt": b"x" * 1000})
            self.tracker.close(own[-1], "FINISHED")
        for name, step in [*zip(steps, own, strict=True), *((f"taken{n}", t) for n, t in enumerate(taken))]:
            self.tracker.tag(run_id, {f"waypost.step.{name}": step})
        if status != "RUNNING":
            self.tracker.close(run_id, status)
        return [run_id, *own]

    def with_model(self, run_id: str, size: int) -> str:
        """Lets a run log a model of so many bytes; returns the model's id."""
        model = self.client.create_logged_model(self.tracker.experiment_id, "model", run_id)
        self.name_model(run_id, model.model_id)
        place = Path(model.artifact_location.removeprefix("file://"))
        place.mkdir(parents=True)
        (place / "model.bin").write_bytes(b"x" * size)
        return str(model.model_id)

    def name_model(self, run_id: str, model_id: str) -> None:
        """Lets a run name a model as one of its outputs."""
        self.client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])

    def stage(self, run_id: str) -> str:
        return str(self.client.get_run(run_id).info.lifecycle_stage)


def test_what_nothing_needs(workplace: Path, call: Call) -> None:
    """Kept are runs of releases, of registered models, newest ones, what those took over, what this machine's
    index takes over next, what runs and what is marked. The rest is listed with its bytes, and deleted with
    --yes; the command that is shown frees the bytes. What Waypost did not make is not looked at.
    """
    runs = Runs()
    first, load = runs.made("load")
    registered, train = runs.made("train")
    model = runs.with_model(train, 500)
    runs.client.create_registered_model("grades")
    runs.client.create_model_version("grades", f"models:/{model}", run_id=train, model_id=model)
    indexed, step = runs.made("clean")
    Index(home(), runs.tracker.uri).add_step("key", "small", "clean", FinishedStep(step, {}))
    going = runs.made("load", "train")
    gone_model = runs.with_model(going[2], 3000)
    failed = runs.made("load", status="FAILED", release="1.0.0")
    kept = [first, load, registered, train, indexed, step]
    kept += runs.made("load", release="1.0.0")
    kept += runs.made("load", keep="yes")
    kept += runs.made("load", status="RUNNING")
    kept += runs.made(taken=(load,))
    foreign = runs.client.create_run(runs.tracker.experiment_id).info.run_id
    runs.tracker.close(foreign, "FINISHED")

    listed = collect(workplace, 0, delete=False)
    assert [(run.run_id, run.runs, run.bytes) for run in listed.unneeded] == [
        (going[0], 3, 5000),
        (failed[0], 2, 1000),
    ]
    assert listed.kept == {
        "a kept run reused a result": 1,
        "made a registered model": 1,
        "marked to be kept": 1,
        "newest of its pipeline": 1,
        "next to be reused here": 1,
        "run of a release": 1,
        "running": 1,
    }
    assert collect(workplace, 1, delete=True).unneeded == ()
    assert {runs.stage(run_id) for run_id in (*kept, *going, *failed, foreign)} == {"active"}

    said = call(*WAYPOST, "gc", "--days", "0")
    assert said.returncode == 0, said.stderr
    assert "2 runs that nothing needs, 0.0 MB; nothing was deleted: --yes does that" in said.stdout
    done = call(*WAYPOST, "gc", "--days", "0", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["deleted"], document["bytes"]) == (True, 6000)
    assert {runs.stage(run_id) for run_id in (*kept, foreign)} == {"active"}
    assert {runs.stage(run_id) for run_id in (*going, *failed)} == {"deleted"}
    command = shlex.split(document["freeing"])
    assert command[:2] == ["mlflow", "gc"]
    mlflow.cli.cli.main(command[1:], standalone_mode=False)
    [left] = workplace.rglob("model.bin")
    assert model in left.parts
    assert gone_model not in left.parts
    assert collect(workplace, 0, delete=False).unneeded == ()


def test_a_run_that_names_a_model_does_not_take_it_along(workplace: Path) -> None:
    """A pipeline run names the models of its steps. A model that it took over stays with the step that logged
    it when the run goes, and its bytes are counted there alone.
    """
    runs = Runs()
    kept, train = runs.made("train", keep="yes")
    model = runs.with_model(train, 500)
    going = runs.made(taken=(train,))
    runs.name_model(going[0], model)
    runs.made("load")
    done = collect(workplace, 0, delete=True)
    assert [(run.run_id, run.bytes) for run in done.unneeded] == [(going[0], 0)]
    assert runs.stage(kept) == "active"
    assert runs.client.get_logged_model(model).status


def test_steps_whose_run_is_gone(workplace: Path) -> None:
    """Whoever was killed while deleting leaves steps without a run above them: they go the next time."""
    runs = Runs()
    gone, step = runs.made("load")
    runs.made()
    runs.client.delete_run(gone)
    [left] = collect(workplace, 0, delete=True).unneeded
    assert (left.run_id, left.kind) == (step, "step")
    assert runs.stage(step) == "deleted"


def test_no_store_is_made_by_looking(workplace: Path) -> None:
    """Where there is no tracking store, that is said, and none is made."""
    (workplace / "mlflow.db").unlink()
    with pytest.raises(UsageError, match="no tracking store here"):
        collect(workplace, 30, delete=False)
    assert not (workplace / "mlflow.db").exists()
