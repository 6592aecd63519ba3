"""Runs of a team: an MLflow server on PostgreSQL that many machines share, and that may go away."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.conftest import ROOT, Call
from tests.forks import Forks, Process
from tests.pipelines import write_component, write_pipeline
from tests.team import BUCKET, TrackingServer, postgres, s3_storage, tracking_server
from tests.test_run import RUN, is_result

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("team")]
QUICK = ["model.n_estimators=30", "train.permutation.repeats=0", "evaluate.min_auc=0.68"]
# Writes what it was given and what its input was, after a while.
SLOW = """
import pathlib, sys, tempfile, time, mlflow
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
    time.sleep(float(given["--seconds"]))
    source = pathlib.Path(given["--data"])
    text = source.read_text() if source.is_file() else ""
    out = pathlib.Path(folder, "out.txt")
    out.write_text(text + given["--word"] + "\\n")
    mlflow.log_metric("letters", len(text) + 1)
    mlflow.log_artifact(str(out))
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A PostgreSQL database."""
    with postgres() as url:
        yield url


@pytest.fixture(scope="module")
def team(database: str, forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """A server of two processes on that database, which tests share: each has an experiment of its own."""
    with tracking_server(tmp_path_factory.mktemp("server"), database, forks=forks, workers=2) as server:
        yield server


def write_slow_pipeline(root: Path, seconds: float, words: Mapping[str, str]) -> None:
    """Writes a pipeline of three steps, each on top of the one before."""
    given: dict[str, Any] = {"data": {"type": "path", "default": os.devnull}, "word": {}, "seconds": {}}
    write_component(root / "parts", "part", SLOW, **given)
    project = root / "parts" / "part" / "MLproject"
    project.write_text(
        project.read_text() + "    outputs: {out: {path: out.txt}}\n    metrics: {letters: how many}\n"
    )
    steps: dict[str, Any] = {}
    for name, before in (("one", ""), ("two", "one"), ("three", "two")):
        steps[name] = {"uses": "parts/part", "with": {"word": f"${{{name}}}", "seconds": str(seconds)}}
        if before:
            steps[name]["with"]["data"] = f"${{steps.{before}.outputs.out}}"
    write_pipeline(root, steps, dict(words))


def machine(folder: Path, user: str, url: str) -> dict[str, str]:
    """Returns the variables of another machine, as far as Waypost sees one."""
    return {"WAYPOST_HOME": str(folder / f"home-{user}"), "LOGNAME": user, "MLFLOW_TRACKING_URI": url}


def recorded(url: str, experiment: str = "small") -> tuple[Counter[str], Counter[str]]:
    """Returns how often each key is recorded as finished, and how many runs have each status."""
    client = mlflow.MlflowClient(url)
    found = client.get_experiment_by_name(experiment)
    assert found
    runs: list[Any] = []
    page: Any = None
    while page is None or page.token:
        page = client.search_runs([found.experiment_id], page_token=page.token if page else None)
        runs += page
    finished = [run.data.tags for run in runs if run.data.tags.get("waypost.complete")]
    return Counter(tags["waypost.step_key"] for tags in finished), Counter(run.info.status for run in runs)


def test_reference_over_http_and_postgres(
    team: TrackingServer, workplace: Path, call: Call, tmp_path: Path
) -> None:
    """The reference pipeline on a team's server gives what it gives here, to the digest; a colleague with
    another machine, folder and name computes nothing of it again, and is told whose results these are.
    """

    def run(folder: Path, env: Mapping[str, str], how: str = "--json") -> Any:
        result = call(*RUN, folder, "--dev", how, *QUICK, env=env)
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(result.stdout) if how == "--json" else result.stdout

    def results(url: str, document: Any) -> dict[str, str | float]:
        client = mlflow.MlflowClient(url)
        found: dict[str, str | float] = {}
        for step in document["steps"]:
            data = client.get_run(step["run_id"]).data
            found |= {k: v for k, v in data.tags.items() if k.endswith("sha256")}
            found |= {f"{step['name']}/{k}": v for k, v in data.metrics.items() if is_result(k)}
        return found

    not_in_a_clone = shutil.ignore_patterns("__pycache__", "mlflow.db", "mlruns", "wandb", ".*")
    for name in ("components-repo", "pipeline"):
        shutil.copytree(ROOT / name, workplace / name, ignore=not_in_a_clone)
    mine, hers = workplace / "pipeline", tmp_path / "hers" / "pipeline"
    here = f"sqlite:///{workplace}/mlflow.db"
    local = run(mine, {"MLFLOW_TRACKING_URI": here})
    first = run(mine, machine(tmp_path, "anna", team.url))
    assert {step["state"] for step in first["steps"]} == {"done"}
    assert len(results(here, local)) > 60
    assert results(team.url, first) == results(here, local)
    shutil.copytree(workplace / "components-repo", tmp_path / "hers" / "components-repo")
    shutil.copytree(mine, hers)
    second = run(hers, machine(tmp_path, "berta", team.url))
    assert [step["state"] for step in second["steps"]] == ["reused"] * 6
    assert {step["user"] for step in second["steps"]} == {"anna"}
    assert "unchanged; computed by anna" in {step["because"] for step in second["steps"]}
    # A third one, shown to a person.
    said = run(hers, machine(tmp_path, "cecile", team.url), "--explain")
    assert said.count("by anna") >= 6
    assert re.search(rf"look at it: {team.url}/#/experiments/\d+/runs/\w+", said)
    # Berta herself has nothing to do then, and still sees whose it is.
    again = run(hers, machine(tmp_path, "berta", team.url))
    assert again["current"]
    assert {step["user"] for step in again["steps"]} == {"anna"}


Start = Callable[..., Process]


@pytest.fixture
def start(workplace: Path, forks: Forks) -> Start:
    """Starts runs of the pipeline in `small`."""

    def started(env: Mapping[str, str], *options: str) -> Process:
        return forks.start(
            [*RUN, "small", *options],
            workplace,
            {**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    return started


def twenty(
    start: Start, tmp_path: Path, url: str, experiment: str
) -> list[tuple[Process, list[str], dict[str, str]]]:
    """Starts twenty runs of twenty machines, five each with the same last word.

    In each, a worker would import MLflow for steps of which most are computed elsewhere.
    """
    started = []
    for number in range(20):
        words = [f"three=word-{number % 4}", "--worker", "process"]
        env = machine(tmp_path, f"user{number}", url) | {"MLFLOW_EXPERIMENT_NAME": experiment}
        started.append((start(env, *words), words, env))
    return started


@pytest.mark.timeout(600)
def test_twenty_runs_at_once(team: TrackingServer, workplace: Path, start: Start, tmp_path: Path) -> None:
    """Twenty machines run at once against one server: all succeed, and no key is computed twice, whoever
    is first; the others wait and take it over.
    """
    write_slow_pipeline(workplace / "small", 1.0, {"one": "a", "two": "b", "three": "c"})
    started = twenty(start, tmp_path, team.url, "at-once")
    said = [(process.communicate()[0], process.returncode) for process, _, _ in started]
    assert [code for _, code in said] == [0] * 20, "\n".join(text for text, code in said if code)
    keys, states = recorded(team.url, "at-once")
    assert len(keys) == 2 + 4
    assert set(keys.values()) == {1}
    assert states == {"FINISHED": 20 + 6}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_twenty_runs_survive_a_killed_server(
    team: TrackingServer, workplace: Path, start: Start, tmp_path: Path
) -> None:
    """The server is killed with -9 under twenty runs and started again: they go on, or fail and are
    finished by the same command; nothing is recorded twice, and no run is left running.
    """
    write_slow_pipeline(workplace / "small", 2.0, {"one": "d", "two": "e", "three": "f"})
    started = twenty(start, tmp_path, team.url, "killed")
    for _ in range(600):
        if _has_begun(team.url):
            break
        time.sleep(0.2)
    team.stop(signal.SIGKILL)
    team.start()  # takes some seconds
    again = []
    for process, words, env in started:
        text, _ = process.communicate()
        if process.returncode:
            assert "tracking server" in text or "failed" in text
            again.append(start(env, *words))
    for process in again:
        text, _ = process.communicate()
        assert process.returncode == 0, text
    keys, states = recorded(team.url, "killed")
    assert len(keys) == 2 + 4
    assert set(keys.values()) == {1}
    assert states["RUNNING"] == 0
    print(f"{len(again)} of 20 had to be started again; {dict(states)}")


def _has_begun(url: str) -> bool:
    client = mlflow.MlflowClient(url)
    found = client.get_experiment_by_name("killed")
    return bool(found and client.search_runs([found.experiment_id], "tags.`waypost.complete` = 'true'"))


def test_server_that_stays_away(
    database: str, workplace: Path, start: Start, call: Call, forks: Forks
) -> None:
    """The server goes away in the middle of a run and stays away: one line says that it is asked again,
    then the run fails and says how to go on; once the server is back, --resume does not repeat what was
    finished, and closes what was left open.
    """
    write_slow_pipeline(workplace / "small", 1.0, {"one": "g", "two": "h", "three": "i"})
    with tracking_server(workplace / "server", database, forks=forks) as server:
        env = {
            "MLFLOW_TRACKING_URI": server.url,
            "MLFLOW_EXPERIMENT_NAME": "away",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        }
        process = start(env)
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "one" in line and "done" in line:
                break
        server.stop(signal.SIGKILL)
        rest, _ = process.communicate()
        text = "".join(lines) + rest
        assert process.returncode == 1, text
        assert text.count("does not answer; retrying") == 1
        assert f"error: tracking server {server.url}: no answer (" in text
        assert "run the same command to continue" in text
        assert "Traceback" not in text
        server.start()
        result = call(*RUN, workplace / "small", "--resume", "--json", env=env)
        assert result.returncode == 0, result.stderr
        states = {step["name"]: step["state"] for step in json.loads(result.stdout)["steps"]}
        assert states == {"one": "reused", "two": "done", "three": "done"}
        assert "marked KILLED" in result.stderr
        keys, counted = recorded(server.url, "away")
        assert set(keys.values()) == {1}
        assert counted["RUNNING"] == 0


def test_half_recorded_step_is_not_taken_over(team: TrackingServer, workplace: Path, call: Call) -> None:
    """Of a step whose outputs are there, but whose record was cut off, nothing is taken over."""
    write_slow_pipeline(workplace / "small", 0.0, {"one": "j", "two": "k", "three": "l"})
    env = {"MLFLOW_TRACKING_URI": team.url, "MLFLOW_EXPERIMENT_NAME": "half"}

    def run(**more: str) -> tuple[dict[str, str], str]:
        result = call(*RUN, workplace / "small", "--json", env={**env, **more})
        assert result.returncode == 0, result.stderr
        document = json.loads(result.stdout)
        return {step["name"]: step["state"] for step in document["steps"]}, document["steps"][1]["run_id"]

    _, two = run()
    client = mlflow.MlflowClient(team.url)
    # Recorded, but the run never got its status.
    client.update_run(two, status="RUNNING")
    first, _ = run(WAYPOST_HOME=str(workplace / "home2"))
    assert first == {"one": "reused", "two": "done", "three": "reused"}
    client.update_run(two, status="FINISHED")
    (newest,) = client.search_runs(
        [client.get_run(two).info.experiment_id],
        f"tags.`waypost.step_key` = '{client.get_run(two).data.tags['waypost.step_key']}'"
        f" AND attributes.run_id != '{two}'",
    )
    # The tags that name the outputs are missing.
    for run_id in (two, newest.info.run_id):
        for tag in client.get_run(run_id).data.tags:
            if tag.startswith("waypost.output"):
                client.delete_tag(run_id, tag)
    second, _ = run(WAYPOST_HOME=str(workplace / "home3"))
    assert second == {"one": "reused", "two": "done", "three": "reused"}


def test_basic_auth(database: str, workplace: Path, call: Call, forks: Forks, tmp_path: Path) -> None:
    """On a server with MLflow's basic-auth app: nobody without a password gets in and is told what is
    wanted; a colleague who may only read is told so; one with the permission takes over what is there.
    """
    write_slow_pipeline(workplace / "small", 0.0, {"one": "m", "two": "n", "three": "o"})
    settings = tmp_path / "auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\nadmin_password = admin-password-1\n"
        f"database_uri = sqlite:///{tmp_path}/auth.db\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        "auth_cache_ttl_seconds = 60\n"
    )
    secret = {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "for-this-test"}
    with tracking_server(
        workplace / "server", database, "", "--app-name", "basic-auth", forks=forks, env=secret
    ) as server:
        from mlflow.server.auth.client import AuthServiceClient

        def run(user: str, password: str) -> subprocess.CompletedProcess[str]:
            who = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password} if user else {}
            home = {**machine(tmp_path, user or "nobody", server.url), "MLFLOW_EXPERIMENT_NAME": "guarded"}
            return call(*RUN, workplace / "small", env={**home, **who})

        nobody = run("", "")
        assert nobody.returncode == 1
        assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in nobody.stdout + nobody.stderr
        assert "Traceback" not in nobody.stdout + nobody.stderr
        wrong = run("admin", "not-the-password")
        assert "MLFLOW_TRACKING_USERNAME" in wrong.stdout + wrong.stderr
        assert "not-the-password" not in wrong.stdout + wrong.stderr
        first = run("admin", "admin-password-1")
        assert first.returncode == 0, first.stdout + first.stderr

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
            patch.setenv("MLFLOW_TRACKING_PASSWORD", "admin-password-1")
            experiment = mlflow.MlflowClient(server.url).get_experiment_by_name("guarded")
            assert experiment
            clerk = AuthServiceClient(server.url)
            clerk.create_user("berta", "berta-password-1")
            reader = run("berta", "berta-password-1")
            assert reader.returncode == 1
            assert "can grant EDIT" in reader.stdout + reader.stderr
            clerk.grant_user_permission("berta", "experiment", experiment.experiment_id, "EDIT")
            editor = run("berta", "berta-password-1")
        assert editor.returncode == 0, editor.stdout + editor.stderr
        assert editor.stdout.count("reused") == 3
        assert "by admin" in editor.stdout


@pytest.mark.long
def test_artifacts_on_s3(workplace: Path, call: Call, forks: Forks, tmp_path: Path) -> None:
    """Artifacts on an S3-compatible storage, through the server and straight from the steps: outputs get
    there, go from step to step, and to another machine.
    """
    write_slow_pipeline(workplace / "small", 0.0, {"one": "p", "two": "q", "three": "r"})
    straight, proxied = f"s3://{BUCKET}/straight", f"s3://{BUCKET}/proxied"
    store = f"sqlite:///{workplace}/mlflow.db"
    with (
        s3_storage() as variables,
        tracking_server(workplace / "server", store, proxied, forks=forks, env=variables) as server,
    ):
        client = mlflow.MlflowClient(server.url)
        client.create_experiment("straight", artifact_location=straight)
        for name, place in (("proxied", "mlflow-artifacts:/"), ("straight", straight)):
            # Where the server stands between, nobody else needs to know of the storage.
            known = variables if name == "straight" else {}
            for user, state in ((f"anna-{name}", "done"), (f"berta-{name}", "reused")):
                env = {**machine(tmp_path, user, server.url), "MLFLOW_EXPERIMENT_NAME": name, **known}
                result = call(*RUN, workplace / "small", "--json", env=env)
                assert result.returncode == 0, result.stdout + result.stderr
                steps = json.loads(result.stdout)["steps"]
                assert {step["state"] for step in steps} == {state}
            (three,) = (tmp_path / f"home-berta-{name}").rglob(f"{steps[2]['run_id']}/out.txt")
            assert three.read_text() == "p\nq\nr\n"
            assert client.get_run(steps[2]["run_id"]).info.artifact_uri.startswith(place)
