"""A team's cluster: PostgreSQL and object storage below the tracking server, workers of other users."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import mlflow
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from tests import models
from tests.clusters import Machines, machines, wait_for
from tests.conftest import Call
from tests.forks import Forks
from tests.pipelines import write_component, write_pipeline
from tests.team import BUCKET, TrackingServer, postgres, s3_storage, tracking_server
from tests.test_cluster_score import SCORE
from tests.test_model_environments import MAKE, OTHER, bridge, made_for
from tests.test_team import recorded
from waypost.cluster.connection import connected

pytestmark = [
    pytest.mark.journey,
    pytest.mark.long,
    pytest.mark.xdist_group("cluster"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        sys.platform != "linux" or os.getuid() != 0 or not shutil.which("setpriv"),
        reason="only root can start workers of other users",
    ),
]
USERS = {"anna": 65534, "berta": 65533}
# Another user, who may read what only root may (this repository), and writes where a user may.
AS_USER = ("setpriv", "--clear-groups", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
CODE = """
import os, pathlib, sys, tempfile, time, mlflow
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
    time.sleep(1)
    source = pathlib.Path(given["--data"])
    out = pathlib.Path(folder, "out.txt")
    out.write_text((source.read_text() if source.is_file() else "") + given["--word"])
    mlflow.log_metric("uid", os.getuid())
    mlflow.log_artifact(str(out))
"""


@pytest.fixture(scope="module")
def storage() -> Iterator[dict[str, str]]:
    with s3_storage() as found:
        yield {**found, "AWS_ENDPOINT_URL_S3": found["MLFLOW_S3_ENDPOINT_URL"]}


@pytest.fixture(scope="module")
def server(
    forks: Forks, storage: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingServer]:
    """An MLflow server on PostgreSQL, with artifacts in object storage."""
    folder = tmp_path_factory.mktemp("server")
    artifacts = f"s3://{BUCKET}/proxied"
    with (
        postgres() as store,
        tracking_server(folder, store, artifacts, forks=forks, env=storage) as found,
    ):
        yield found


@pytest.fixture
def cluster(
    workplace: Path, server: TrackingServer, storage: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machines]:
    """A scheduler and two workers, each of another user with a home and a store of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir="/tmp"))  # pytest's own is root's alone
    folder.chmod(0o755)
    try:
        with machines(folder / "cluster") as found:
            for name, user in USERS.items():
                own = folder / name
                own.mkdir()
                shutil.chown(own, user, user)
                places = {"HOME": own, "TMPDIR": own, "WAYPOST_HOME": own / "store"}
                variables = {key: str(place) for key, place in places.items()} | storage | {"LOGNAME": name}
                found.start_worker(name, before=[*AS_USER, f"--reuid={user}", f"--regid={user}"], **variables)
            with connected(found.address) as there:
                wait_for(there, 2)
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("place", ["proxied", "straight"])
def test_steps_of_other_users(
    cluster: Machines,
    server: TrackingServer,
    workplace: Path,
    call: Call,
    storage: dict[str, str],
    place: str,
) -> None:
    """Outputs go from one user's worker to the other's through the tracking server, or straight through
    object storage: all points of a sweep are finished, each key once, and both workers had some.
    """
    client = mlflow.MlflowClient(server.url)
    location = f"s3://{BUCKET}/straight" if place == "straight" else None
    experiment = client.create_experiment(place, artifact_location=location)
    data = {"type": "path", "default": os.devnull}
    write_component(workplace / "small" / "parts", "part", CODE, data=data, word={})
    project = workplace / "small" / "parts" / "part" / "MLproject"
    project.write_text(
        project.read_text() + "    outputs: {out: {path: out.txt}}\n    metrics: {uid: whose}\n"
    )
    one = {"uses": "parts/part", "with": {"word": "${one}"}}
    two = {"uses": "parts/part", "with": {"word": "${two}", "data": "${steps.one.outputs.out}"}}
    write_pipeline(workplace / "small", {"one": one, "two": two}, {"one": "a", "two": "b"})
    env = {"MLFLOW_EXPERIMENT_NAME": place, **(storage if location else {})}
    options = ["--env", "local", "--json", "--on", cluster.address]
    result = call("python", "-m", "waypost", "sweep", "small", "one=a,b,c", *options, env=env)
    assert result.returncode == 0, result.stdout + result.stderr
    points = json.loads(result.stdout)["points"]
    assert [point["result"]["status"] for point in points] == ["FINISHED"] * 3
    keys, states = recorded(server.url, place)
    assert (len(keys), set(keys.values()), states["RUNNING"]) == (6, {1}, 0)
    steps = client.search_runs([experiment], "tags.`waypost.step` != ''")
    users = {run.data.tags["waypost.worker"].split()[0]: run.data.metrics["uid"] for run in steps}
    assert users == USERS


def scored(call: Call, model: Path, source: str, name: str, *options: str) -> dict[str, bytes]:
    """Returns the files of a result in object storage, by their names in it."""
    result = call(*SCORE, model, source, f"s3://{BUCKET}/{name}", "--no-track", *options)
    assert result.returncode == 0, result.stderr
    bucket = fsspec.filesystem("s3")
    bucket.invalidate_cache()
    files = bucket.find(f"{BUCKET}/{name}")
    return {file.partition(name)[2]: bucket.cat_file(file) for file in files}


@pytest.fixture
def _on_storage(storage: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in storage.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_on_storage")
def test_tables_in_object_storage(cluster: Machines, workplace: Path, call: Call) -> None:
    """Parquet and CSV in object storage, scored by workers that read and write there themselves: the files
    are those of one machine.
    """
    learned = models.frame(2000)
    model = models.full_pipeline(forest=RandomForestClassifier(5, random_state=0))
    saved = models.save(model.fit(learned, models.labels(learned)), learned, cluster.folder / "grades")
    models.frame(5000, 3).to_parquet(f"s3://{BUCKET}/in/t.parquet", row_group_size=700)
    models.frame(5000, 3).to_csv(f"s3://{BUCKET}/in/t.csv", index=False)
    for name in ("t.parquet", "t.csv"):
        source, options = f"s3://{BUCKET}/in/{name}", ("--part-rows", "500")
        here = scored(call, saved, source, f"here-{name}", *options)
        there = scored(call, saved, source, f"there-{name}", *options, "--on", cluster.address)
        assert there == here
        assert len(here) > 10


@pytest.mark.usefixtures("_on_storage")
def test_models_in_their_own_environment(cluster: Machines, workplace: Path, call: Call) -> None:
    """`--env model`: each worker builds the environment that a model asks for, and answers as MLflow does
    there, with the files of one machine.
    """
    wanted = [f"cloudpickle=={OTHER}", str(bridge(workplace))]
    (workplace / "make.py").write_text(MAKE)
    command = [str(made_for(wanted, workplace)), "make.py", *wanted]
    plain = {**os.environ, "PYTHONPATH": ""}
    subprocess.run(command, cwd=workplace, env=plain, check=True, capture_output=True)
    for file in (workplace / "asked").iterdir():  # MLflow's own lines ask for all of MLflow
        shutil.copy(file, workplace / "model")
    rows = pd.DataFrame({"a": [number / 7 for number in range(900)], "t": ["x", "y", None] * 300})
    rows.to_parquet(f"s3://{BUCKET}/in/rows.parquet", row_group_size=100)
    given = (workplace / "model", f"s3://{BUCKET}/in/rows.parquet")
    options = ("--env", "model", "--trust", "--part-rows", "100")
    here = scored(call, *given, "own-here", *options)
    assert scored(call, *given, "own-there", *options, "--on", cluster.address) == here
    first = pd.read_parquet(io.BytesIO(here["/part-00000.parquet"]))
    assert set(first["made_with"]) == {OTHER}
