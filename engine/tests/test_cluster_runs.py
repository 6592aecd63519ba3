"""Pipelines and sweeps on a Dask cluster: scheduler, workers with their own stores, an MLflow server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.clusters import Machines, fill, machines, options, small_disk, wait_for
from tests.conftest import Call
from tests.daemons import FAMILY, ids, left
from tests.forks import Forks, Process
from tests.pipelines import reference_as_locked, write_component, write_pipeline
from tests.team import TrackingServer, tracking_server
from tests.test_run import RUN, is_result
from tests.test_team import QUICK, recorded, write_slow_pipeline
from waypost.cluster.connection import connected
from waypost.tracking.tags import KEY_TAG

pytestmark = [
    pytest.mark.journey,
    pytest.mark.xdist_group("cluster"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        sys.platform != "linux", reason="what ends with a worker is the kernel's part on Linux"
    ),
]


WAYPOST = ("python", "-m", "waypost")
_MODEL = "waypost.output.model"
Start = Callable[..., Process]
# Leaves processes behind, says that it began, and ends when it is told to.
PATIENT = f"""
import os, pathlib, sys, tempfile, time, mlflow
{FAMILY}
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
place = pathlib.Path(given["--place"])
print("this is", given["--word"], flush=True)
with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
    mine = place / f"{{time.time():.3f}}"
    mine.mkdir(parents=True)
    leave_family(mine)
    while not (place / "go").exists():
        time.sleep(0.05)
    out = pathlib.Path(folder, "out.txt")
    out.write_text(given["--word"])
    mlflow.log_artifact(str(out))
"""


@pytest.fixture(scope="module")
def server(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """An MLflow server that all tests share."""
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(folder, f"sqlite:///{folder}/mlflow.db", forks=forks) as found:
        yield found


@pytest.fixture
def cluster(workplace: Path, server: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    """A scheduler and two workers of one core each, with TLS and certificates of clients."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    with machines(workplace / "cluster", tls=True) as found:
        for name in ("node1", "node2"):
            start_worker(found, name)
        with connected(found.address, found.tls) as there:
            wait_for(there, 2)
        yield found


def start_worker(cluster: Machines, name: str) -> None:
    """Starts a worker with a temporary folder of its own: what it leaves when it is killed, others sweep."""
    temp = cluster.folder / f"temp-{name}"
    temp.mkdir()
    cluster.start_worker(name, TMPDIR=str(temp))


def on(found: Machines) -> list[str]:
    """Returns the options for a run on a cluster."""
    return ["--on", found.address, *options(found.tls)]


def results(client: mlflow.MlflowClient, document: Any) -> dict[str, str | float]:
    """Returns digests and metrics of a run's steps."""
    found: dict[str, str | float] = {}
    for step in document["steps"]:
        data = client.get_run(step["run_id"]).data
        name = step["name"]
        # A model's folder names the run that logged it, and so do the keys of what is made of it.
        tags = {k: v for k, v in data.tags.items() if k.startswith("waypost.output") and k != _MODEL}
        found |= {f"{name}/{k}": v for k, v in tags.items()}
        found |= {f"{name}/{KEY_TAG}": data.tags[KEY_TAG]} if name != "evaluate" else {}
        found |= {f"{name}/{k}": v for k, v in data.metrics.items() if is_result(k)}
    return found


def test_reference_on_two_workers(
    cluster: Machines, workplace: Path, server: TrackingServer, call: Call
) -> None:
    """The reference pipeline on two workers, its data handed over: keys, digests and metrics are those of a
    run here; run again, nothing is executed, here or there.
    """
    pipeline = reference_as_locked(workplace)
    here = f"sqlite:///{workplace}/mlflow.db"
    local = call(*RUN, pipeline, "--json", *QUICK, env={"MLFLOW_TRACKING_URI": here})
    assert local.returncode == 0, local.stdout + local.stderr
    there = call(*RUN, pipeline, "--json", *QUICK, *on(cluster), "--upload")
    assert there.returncode == 0, there.stdout + there.stderr
    mine, theirs = json.loads(local.stdout), json.loads(there.stdout)
    assert {step["state"] for step in theirs["steps"]} == {"done"}
    expected = results(mlflow.MlflowClient(here), mine)
    assert len(expected) > 20
    assert results(mlflow.MlflowClient(server.url), theirs) == expected
    workers = {
        mlflow.MlflowClient(server.url).get_run(step["run_id"]).data.tags["waypost.worker"].split()[0]
        for step in theirs["steps"]
    }
    assert workers <= {"node1", "node2"}
    again = json.loads(call(*RUN, pipeline, "--json", *QUICK, *on(cluster), "--upload").stdout)
    assert {step["state"] for step in again["steps"]} == {"reused"}


def write_patient_pipeline(root: Path, place: Path) -> None:
    """Writes a pipeline of one step that waits for a file in `place`, and leaves a family behind there."""
    write_component(root / "parts", "part", PATIENT, place={}, word={})
    project = root / "parts" / "part" / "MLproject"
    project.write_text(project.read_text() + "    outputs: {out: {path: out.txt}}\n")
    step = {"uses": "parts/part", "with": {"word": "${word}", "place": str(place)}}
    write_pipeline(root, {"train": step}, {"word": "a"})


def begun(process: Process, place: Path, count: int) -> list[dict[str, int]]:
    """Returns the processes of so many attempts, once they all have begun."""
    for _ in range(1200):
        assert process.poll() is None, process.communicate()[0]
        there = sorted(each for each in place.glob("*") if each.is_dir())
        if len(there) >= count:
            return [ids(each) for each in there]
        time.sleep(0.05)
    raise AssertionError(f"{count} attempts did not begin")


def tags_of(server: TrackingServer, run_id: str) -> dict[str, str]:
    return dict(mlflow.MlflowClient(server.url).get_run(run_id).data.tags)


def worker_of(server: TrackingServer, run_id: str) -> str:
    """Returns the name of the worker that began a step's run."""
    return tags_of(server, run_id)["waypost.worker"].split()[0]


def add_worker(cluster: Machines, name: str) -> None:
    """Starts another worker, and waits until it is there."""
    with connected(cluster.address, cluster.tls) as there:
        count = len(there.workers())
        start_worker(cluster, name)
        wait_for(there, count + 1)


def steps_of(server: TrackingServer, status: str = "") -> list[Any]:
    """Returns the runs of the step `train`, the newest first."""
    client = mlflow.MlflowClient(server.url)
    experiment = client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])
    assert experiment
    found = client.search_runs([experiment.experiment_id], "tags.`waypost.step` = 'train'")
    return [run for run in found if not status or run.info.status == status]


@pytest.fixture
def start(workplace: Path, forks: Forks, cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts runs of the pipeline in `small` on the cluster."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", workplace.parent.name)
    write_patient_pipeline(workplace / "small", workplace / "place")

    def started(*more: str) -> Process:
        return forks.start(
            [*RUN, "small", "--env", "local", *on(cluster), *more],
            workplace,
            dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    return started


def test_deaths(cluster: Machines, workplace: Path, server: TrackingServer, start: Start) -> None:
    """A worker that is killed with -9 in the middle of a step costs one other attempt, and leaves nothing
    behind but the lines of its log that came before; a client that is killed, or interrupted, leaves no step
    behind, and the same command goes on. A step that ended is not executed again, though its worker dies
    before anybody heard of it.
    """
    place = workplace / "place"
    process = start()
    [first] = begun(process, place, 1)
    first_run = steps_of(server)[0].info.run_id
    name = worker_of(server, first_run)
    time.sleep(2)  # lines are sent once a second
    cluster.kill(name)
    assert left(first) == []
    other = "node2" if name == "node1" else "node1"
    _, second = begun(process, place, 2)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert left(second) == []
    assert time.monotonic() - began < 10
    said, _ = process.communicate()
    assert process.returncode == 130, said
    assert f"train: its worker {name} is gone; it runs again on {other}" in said, said
    assert {run.info.status for run in steps_of(server)} == {"KILLED"}
    log = mlflow.MlflowClient(server.url).download_artifacts(first_run, "logs/train.log")
    said, end = Path(log).read_text().splitlines()
    assert (said, end.partition(";")[0]) == ("this is a", f"waypost: worker {name} is gone")

    killed = start()
    third = begun(killed, place, 3)[-1]
    killed.kill()
    assert left(third) == []

    add_worker(cluster, "node3")
    last = start()
    begun(last, place, 4)
    [running] = steps_of(server, "RUNNING")
    last.send_signal(signal.SIGSTOP)  # it holds the task, and does not hear of its end
    (place / "go").touch()
    while "waypost.complete" not in tags_of(server, running.info.run_id):
        time.sleep(0.05)
    cluster.kill(worker_of(server, running.info.run_id))
    last.send_signal(signal.SIGCONT)
    said, _ = last.communicate()
    assert last.returncode == 0, said
    [done] = steps_of(server, "FINISHED")
    assert (done.info.run_id, done.data.tags["waypost.attempt"]) == (running.info.run_id, "1")
    assert len([each for each in place.iterdir() if each.is_dir()]) == 4


def test_a_scheduler_that_goes(cluster: Machines, workplace: Path, start: Start) -> None:
    """A scheduler that is killed is told in one line, with exit code 3; its workers end their steps."""
    process = start()
    [family] = begun(process, workplace / "place", 1)
    cluster.kill("scheduler")
    said, _ = process.communicate()
    assert process.returncode == 3, said
    assert "the scheduler is gone\n  finished work is kept; run the same command to continue" in said
    assert "Traceback" not in said
    assert left(family) == []


@pytest.mark.long
def test_a_sweep_whose_workers_die(
    cluster: Machines, workplace: Path, server: TrackingServer, call: Call, forks: Forks
) -> None:
    """A sweep of six points, in which both workers are killed one after the other and others come: all points
    are finished, and no key is computed twice.
    """
    write_slow_pipeline(workplace / "small", 0.5, {"one": "a", "two": "b", "three": "c"})
    words = ",".join("abcdef")
    env = {**os.environ, "MLFLOW_EXPERIMENT_NAME": "sweep"}
    command = [*WAYPOST, "sweep", "small", f"three={words}", "--env", "local", "--json", *on(cluster)]
    process = forks.start(command, workplace, env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for number, name in enumerate(("node1", "node2")):
        for _ in range(600):
            with contextlib.suppress(AssertionError):
                if len(recorded(server.url, "sweep")[0]) > 1 + 2 * number:
                    break
            time.sleep(0.1)
        start_worker(cluster, f"other{number}")
        cluster.kill(name)
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    assert {point["result"]["status"] for point in json.loads(said)["points"]} == {"FINISHED"}
    keys, states = recorded(server.url, "sweep")
    assert len(keys) == 2 + 6
    assert set(keys.values()) == {1}
    assert not states["RUNNING"]


def kill_one_by_one(cluster: Machines, names: list[str], process: Process) -> int:
    """Kills the older of two workers ten seconds after both are there, and starts another, until a process
    has ended; returns how many were killed.
    """
    killed = 0
    with connected(cluster.address, cluster.tls) as there:
        while process.poll() is None:
            wait_for(there, 2)
            until = time.monotonic() + 10
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.2)
            if process.poll() is None:
                cluster.kill(names.pop(0))
                killed += 1
                names.append(f"other{killed}")
                start_worker(cluster, names[-1])
                time.sleep(1)  # the scheduler notices the dead one
    return killed


@pytest.mark.long
def test_a_worker_is_killed_every_ten_seconds(
    cluster: Machines, workplace: Path, server: TrackingServer, forks: Forks
) -> None:
    """A sweep of twenty points on two workers, of which the older one is killed ten seconds after both are
    there, again and again: all points are finished, no key is computed twice, and no run is left open.
    """
    write_slow_pipeline(workplace / "small", 3.0, {"one": "a", "two": "b", "three": "c"})
    words = ",".join("abcdefghijklmnopqrst")
    env = {**os.environ, "MLFLOW_EXPERIMENT_NAME": "killed"}
    command = [*WAYPOST, "sweep", "small", f"three={words}", "--env", "local", "--json", *on(cluster)]
    with (workplace / "said").open("w") as said, (workplace / "errors").open("w") as errors:
        process = forks.start(command, workplace, env, stdout=said, stderr=errors)
        killed = kill_one_by_one(cluster, ["node1", "node2"], process)
    told = (workplace / "errors").read_text()
    assert process.returncode == 0, told
    points = json.loads((workplace / "said").read_text())["points"]
    assert [point["result"]["status"] for point in points] == ["FINISHED"] * 20
    keys, states = recorded(server.url, "killed")
    print(f"{killed} workers killed, {states}, {told.count('it runs again on')} steps ran again")
    assert killed >= 2
    assert len(keys) == 2 + 20
    assert set(keys.values()) == {1}
    assert not states["RUNNING"]


@pytest.fixture
def disk(workplace: Path) -> Iterator[Path]:
    """A folder on a small disk of its own."""
    with small_disk(workplace / "disk") as folder:
        yield folder


@pytest.mark.long
def test_a_worker_with_a_full_disk(
    cluster: Machines, workplace: Path, server: TrackingServer, disk: Path, call: Call
) -> None:
    """One message says that it gets no more steps of this run, and the step runs on another worker. If there
    is no other worker, the step fails with a hint.
    """
    cluster.kill("node1")
    cluster.start_worker("small", WAYPOST_HOME=str(disk))
    with connected(cluster.address, cluster.tls) as there:
        while [worker.name for worker in there.workers()] != ["node2", "small"]:
            time.sleep(0.1)
    fill(disk)
    write_component(workplace / "small" / "parts", "part", "import time; time.sleep(1)", word={})
    steps = {name: {"uses": "parts/part", "with": {"word": name}} for name in "abcdef"}
    write_pipeline(workplace / "small", steps)
    result = call(*RUN, "small", "--env", "local", "--json", *on(cluster))
    assert result.returncode == 0, result.stderr
    assert {step["state"] for step in json.loads(result.stdout)["steps"]} == {"done"}
    told = result.stderr
    assert told.count("worker small has no disk space left: [Errno 28]") == 2
    assert told.count("it gets no more steps of this run") == 1
    assert told.count("it runs again on node2") == 1
    cluster.kill("node2")
    alone = call(*RUN, "small", "--no-cache", "--env", "local", *on(cluster), "--wait", "1")
    assert alone.returncode == 1
    assert "no worker with disk space is left (small): [Errno 28]" in alone.stdout + alone.stderr


def test_findings_before_anything_runs(cluster: Machines, workplace: Path, call: Call) -> None:
    """What keeps workers from executing is told at once, each with what mends it; nothing has run."""
    write_patient_pipeline(workplace / "small", workplace / "place")
    file = workplace / "small" / "pipeline.yaml"
    asked = file.read_text().replace("uses: parts/part", "uses: parts/part\n    resources: {gpus: 1}")
    file.write_text(f"{asked}variables: [HIDDEN]\n")
    result = call(*RUN, "small", "--env", "local", *on(cluster), env={"HIDDEN": "x"})
    told = result.stdout + result.stderr
    assert result.returncode == 1, told
    assert "no worker has 1 core, 1 GPU: it would wait forever" in told
    assert "the variable HIDDEN is not set on all 2 workers" in told
    assert "2 problems found, nothing was run" in told
    assert not (workplace / "place").exists()
