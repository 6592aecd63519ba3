"""Runs that are tracked by an MLflow server over HTTP, with artifacts that pass through it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from tests.conftest import Call
from tests.forks import Forks
from tests.pipelines import write_component, write_pipeline
from tests.team import tracking_server
from tests.test_run import RUN

pytestmark = pytest.mark.journey
LOGS = """
import pathlib, sys, mlflow
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with mlflow.start_run():
    source = pathlib.Path(given.get("--data", "nothing"))
    text = source.read_text() if source.is_file() else "begun "
    pathlib.Path("/tmp", given["--file"]).write_text(text + given["--word"])
    mlflow.log_artifact(str(pathlib.Path("/tmp", given["--file"])))
"""


@pytest.fixture
def server(workplace: Path, forks: Forks) -> Iterator[str]:
    """An MLflow server; its store is the test's mlflow.db."""
    store = f"sqlite:///{workplace}/mlflow.db"
    with tracking_server(workplace / "server", store, forks=forks) as running:
        yield running.url


def test_server_shares_finished_steps(server: str, workplace: Path, call: Call, tmp_path: Path) -> None:
    """Over HTTP: --json is one document, a second run has nothing to do, another machine computes
    nothing; an output that the server lost is computed again. `gc` tells the bytes of what nothing needs.
    """
    root = workplace / "small"
    code = LOGS.replace("/tmp", str(tmp_path))
    for name in ("first", "second"):
        given = {"data": {"type": "path"}} if name == "second" else {}
        write_component(root / "parts", name, code, **given, word={}, file={})
        project = root / "parts" / name / "MLproject"
        project.write_text(project.read_text() + f"    outputs: {{out: {{path: {name}.txt}}}}\n")
    write_pipeline(
        root,
        {
            "one": {"uses": "parts/first", "with": {"word": "one ", "file": "first.txt"}},
            "two": {
                "uses": "parts/second",
                "with": {"data": "${steps.one.outputs.out}", "word": "two", "file": "second.txt"},
            },
        },
    )

    def run(**more: str) -> tuple[dict[str, str], str]:
        result = call(*RUN, root, "--json", env={"MLFLOW_TRACKING_URI": server, **more})
        assert result.returncode == 0, result.stdout + result.stderr
        document = json.loads(result.stdout)
        return {step["name"]: step["state"] for step in document["steps"]}, document["run_id"]

    first, run_id = run()
    assert first == {"one": "done", "two": "done"}
    client = mlflow.MlflowClient(server)
    steps = client.get_run(run_id).data.tags
    output = client.download_artifacts(steps["waypost.step.two"], "second.txt")
    assert Path(output).read_text() == "begun one two"
    assert run() == ({"one": "reused", "two": "reused"}, run_id)
    other, other_id = run(WAYPOST_HOME=str(tmp_path / "cache2"))
    assert other == {"one": "reused", "two": "reused"}
    assert other_id != run_id
    # What another machine keeps of the outputs can be fetched again; what the server lost cannot.
    shutil.rmtree(tmp_path / "cache2" / "artifacts")
    assert run(WAYPOST_HOME=str(tmp_path / "cache2"))[0] == {"one": "reused", "two": "reused"}
    lost = next((workplace / "server").rglob("second.txt"))
    lost.unlink()
    again, _ = run(WAYPOST_HOME=str(tmp_path / "cache3"))
    assert again == {"one": "reused", "two": "done"}
    asked = ["python", "-m", "waypost", "gc", "--days", "0", "--json"]
    listed = call(*asked, env={"MLFLOW_TRACKING_URI": server})
    assert listed.returncode == 0, listed.stderr
    unneeded = {each["run_id"]: each["bytes"] for each in json.loads(listed.stdout)["unneeded"]}
    assert other_id in unneeded
    assert run_id not in unneeded
    for each, size in unneeded.items():
        files = (path for path in (workplace / "server").rglob(f"{each}/**/*") if path.is_file())
        assert size == sum(path.stat().st_size for path in files)
    assert not list((tmp_path / "temp").glob("tmp*"))
