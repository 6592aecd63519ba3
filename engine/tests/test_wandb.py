"""Runs on W&B, as its run files hold them: written offline by the real wandb, read by our own reader."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.conftest import Call
from tests.forks import Forks
from tests.pipelines import reference_as_locked, write_component, write_pipeline
from tests.repositories import (
    Repository,
    edit_contract,
    edit_pipeline,
    free_port,
    git_daemon,
    make_library,
    make_pipeline,
    parameters_of,
)
from tests.test_release import published, releasable
from tests.test_run import RUN, WAYPOST
from tests.wandb_files import OfflineRun, offline_runs
from tests.wandb_server import ENTITY, KEY, Wandb, wandb_server
from waypost.contracts.pipeline import parse_pipeline
from waypost.errors import FindingsError

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("wandb")]
QUICK = ["model.n_estimators=30", "train.permutation.repeats=0", "evaluate.min_auc=0.68"]
# Measures a loss again and again, then logs what W&B shows in different ways.
LEARNS = """
import json, pathlib, sys, tempfile, time, mlflow
import matplotlib.pyplot as plt
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
    for number in range(int(given["--rounds"])):
        mlflow.log_metric("loss", 1 / (number + 1), step=10 * number)
        time.sleep(float(given["--seconds"]))
    mlflow.log_param("found", "yes")
    if given["--rounds"] == "3":
        raise SystemExit("it does not converge")
    figure, axes = plt.subplots(figsize=(2, 2))
    axes.plot([1, 2])
    mlflow.log_figure(figure, "plots/curve.png")
    mlflow.log_text("<b>all is well</b>", "pages/report.html")
    mlflow.log_table({"word": ["a", "b"], "count": [1, 2]}, "tables/words.json")
    mlflow.log_text("x,y\\n1,2\\n3,\\n", "tables/points.csv")
    mlflow.log_text("{ this is no table", "tables/broken.json")
    file = pathlib.Path(folder, "out.txt")
    file.write_text("weights " + given["--rounds"])
    mlflow.log_artifact(str(file))
"""


def write_learner(
    root: Path, *, seconds: float = 0.0, tracking: tuple[str, ...] = ("mlflow", "wandb")
) -> None:
    """Writes a pipeline of a step that learns and one that uses what it gave and a file beside it."""
    given: dict[str, Any] = {"rounds": {}, "seconds": {}, "weights": {"type": "path", "default": os.devnull}}
    write_component(root / "parts", "learn", LEARNS, **given)
    project = root / "parts" / "learn" / "MLproject"
    project.write_text(
        project.read_text() + "    outputs: {out: {path: out.txt}}\n    metrics: {loss: the loss}\n"
    )
    (root / "start.csv").write_text("a,b\n1,2\n")
    first = {"rounds": "${rounds}", "seconds": str(seconds), "weights": "start.csv"}
    second = {"rounds": "2", "seconds": "0", "weights": "${steps.first.outputs.out}"}
    steps = {
        "first": {"uses": "parts/learn", "with": first},
        "second": {"uses": "parts/learn", "with": second},
    }
    write_pipeline(root, steps, {"rounds": 4, "url": "https://me:secret@example.org/x"})
    edit_pipeline(root, lambda content: content.update(tracking=list(tracking)))


def by_job(folder: Path) -> dict[str, OfflineRun]:
    return {run.job_type: run for run in offline_runs(folder)}


def names(artifacts: list[Any]) -> set[tuple[str, str]]:
    """Returns (name, type) of what the engine logged; tables have artifacts of W&B's own."""
    return {(each.name, each.type) for each in artifacts if not each.name.startswith("run-")}


def test_reference_offline(workplace: Path, call: Call) -> None:
    """The reference pipeline, offline: one group, a job type for each step, configuration with versions
    and trees, the metrics that MLflow has, plots, tables, data and model with what each step used.
    """
    result = call(*RUN, reference_as_locked(workplace), "--wandb", "--json", *QUICK)
    assert result.returncode == 0, result.stdout + result.stderr
    warnings = [line for line in result.stderr.splitlines() if "warning" in line]
    assert all("train: classes with fewer than 10 rows" in line for line in warnings), warnings
    assert re.search(
        r"W&B: offline; stored locally; upload it:"
        r" for run in wandb/offline-run-\d+_\*; do wandb sync .* done",
        result.stderr,
    )
    document = json.loads(result.stdout)
    runs = by_job(workplace)
    steps = [step["name"] for step in document["steps"]]
    assert set(runs) == {"pipeline", *steps}
    assert {run.group for run in runs.values()} == {f"loan-grades-{document['run_id'][:8]}"}
    assert {run.project for run in runs.values()} == {"loan-grades"}
    assert {run.exit_code for run in runs.values()} == {0}
    client = mlflow.MlflowClient(f"sqlite:///{workplace}/mlflow.db")
    for step in document["steps"]:
        run, data = runs[step["name"]], client.get_run(step["run_id"]).data
        assert run.folder.name.endswith(step["run_id"])  # one id in both places
        assert run.config["pipeline"]["run_id"] == document["run_id"]
        assert run.config["pipeline"]["lock"] == data_of(client, document["run_id"])["waypost.lock"]
        assert run.config["component"]["version"] == data.tags["waypost.component.version"]
        assert run.config["component"]["step_key"] == data.tags["waypost.step_key"]
        trees = {k.removeprefix("waypost.tree."): v for k, v in data.tags.items() if "waypost.tree" in k}
        assert run.config["component"]["trees"] == trees
        assert run.config["parameters"] == data.params
        assert {name: run.summary[name] for name in data.metrics} == pytest.approx(data.metrics)
    whole = runs["pipeline"]
    assert whole.config["parameters"]["model"]["n_estimators"] == 30
    assert whole.config["components"]["train"]["uses"] == "core/train_random_forest"
    assert whole.summary["evaluate/roc_auc"] == runs["evaluate"].summary["roc_auc"]

    assert {"plots/roc", "plots/confusion_matrix"} <= runs["evaluate"].media.keys()
    assert {"plots/importances", "importances"} <= runs["train"].media.keys()
    assert "checks" in runs["check_data"].media
    for run in runs.values():
        assert all(file.stat().st_size > 0 for file in run.media.values())
    table = json.loads(runs["train"].media["importances"].read_text())
    assert table["columns"][0] == "feature"
    assert len(table["data"]) > 20

    made_by_train = {("train-model", "model"), ("train-importances", "dataset"), ("train-figures", "result")}
    assert names(runs["train"].logged) == made_by_train
    assert names(runs["train"].used) == {("segregate-train", "dataset")}
    assert names(runs["evaluate"].used) == {("train-model", "model"), ("segregate-test", "dataset")}
    # What one logs and another uses is the same content, so that W&B sees one version of it.
    made = {each.name: each for run in runs.values() for each in run.logged}
    for run in runs.values():
        for each in run.used:
            if not each.name.endswith("-input"):
                assert files(each) == files(made[each.name])
    (model,) = [each for each in runs["train"].logged if each.type == "model"]
    assert {"MLmodel", "model.skops"} <= {path for path, _ in files(model)}
    assert json.loads(model.metadata)["mlflow_run_id"] == document["steps"][4]["run_id"]


def data_of(client: mlflow.MlflowClient, run_id: str) -> dict[str, str]:
    return dict(client.get_run(run_id).data.tags)


def files(artifact: Any) -> list[tuple[str, str]]:
    """Returns (path, digest) of an artifact's files; each has to be there for `wandb sync`."""
    assert all(Path(entry.local_path).is_file() for entry in artifact.manifest.contents)
    return [(entry.path, entry.digest) for entry in artifact.manifest.contents]


def test_what_a_step_logs(workplace: Path, call: Call) -> None:
    """`tracking` in pipeline.yaml is enough: each point of a metric with its step and time, parameters that
    the component logs, plots, pages and tables; files that are no tables are left out, secrets too.
    """
    write_learner(workplace / "small")
    result = call(*RUN, workplace / "small")
    assert result.returncode == 0, result.stdout
    runs = by_job(workplace)
    first = runs["first"]
    points = [(row["mlflow_step"], row["loss"]) for row in first.history if "loss" in row]
    assert points == [(0, 1.0), (10, 0.5), (20, pytest.approx(1 / 3)), (30, 0.25)]
    times = [row["_timestamp"] for row in first.history if "loss" in row]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 120
    assert first.config["parameters"]["found"] == "yes"
    assert set(first.media) == {"plots/curve", "pages/report", "tables/words", "tables/points"}
    assert json.loads(first.media["tables/words"].read_text())["data"] == [["a", 1], ["b", 2]]
    assert first.media["plots/curve"].read_bytes()[:4] == b"\x89PNG"
    assert names(first.used) == {("first-weights-input", "dataset")}
    assert names(runs["second"].used) == {("first-out", "result")}
    text = "".join(json.dumps(run.config) for run in runs.values())
    assert "https://example.org/x" in text
    assert "secret" not in text
    # Nothing to do: nothing new there. Without it, and with it again, the steps are taken over.
    assert "nothing to do" in call(*RUN, workplace / "small").stdout
    assert len(offline_runs(workplace)) == 3
    again = call(*RUN, workplace / "small", "rounds=4", "--force", "second")
    assert again.returncode == 0, again.stdout
    newest = max(offline_runs(workplace), key=lambda run: (run.job_type == "pipeline", run.folder.name))
    assert names(newest.used) == {("first-out", "result")}


@pytest.mark.long
def test_metrics_while_they_are_logged(workplace: Path, call: Call, forks: Forks) -> None:
    """A loss is on W&B while the step that measures it still runs; a run that is killed ends there, too."""
    write_learner(workplace / "small", seconds=0.5)
    process = forks.start([*RUN, "small", "rounds=600"], workplace, dict(os.environ))
    seen = 0
    for _ in range(600):
        runs = by_job(workplace)
        seen = sum("loss" in row for row in runs["first"].history) if "first" in runs else 0
        if seen > 2:
            break
        time.sleep(0.2)
    assert seen > 2
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(100):
        runs = by_job(workplace)
        if all(run.exit_code is not None for run in runs.values()):
            break
        time.sleep(0.2)
    assert {run.exit_code for run in runs.values()} == {1}
    assert call(*RUN, "small", "rounds=2", "--no-wandb").returncode == 0  # and sweeps


@pytest.mark.long
def test_sweep_with_a_point_that_fails(workplace: Path, call: Call) -> None:
    """Each point of a sweep is a group of its own; a step that two have in common is in one of them. A step
    that fails, and its pipeline, failed there too; what it measured before is kept.
    """
    write_learner(workplace / "small", tracking=("mlflow",))
    file = workplace / "small" / "pipeline.yaml"
    file.write_text(file.read_text().replace("rounds: '2'", "rounds: ${more}"))
    (workplace / "small" / "params.yaml").write_text("rounds: 1\nmore: 1\n")
    result = call(*WAYPOST, "sweep", workplace / "small", "more=1,3", "--env", "local", "--wandb")
    assert result.returncode == 1, result.stdout + result.stderr
    groups: dict[str, dict[str, OfflineRun]] = {}
    for run in offline_runs(workplace):
        groups.setdefault(run.group, {})[run.job_type] = run
    jobs = sorted(sorted(group) for group in groups.values())
    assert jobs == [["first", "pipeline", "second"], ["pipeline", "second"]]
    good, bad = sorted(groups.values(), key=lambda group: group["second"].exit_code or 0)
    assert {good[name].exit_code for name in ("pipeline", "second")} == {0}
    assert {bad[name].exit_code for name in ("pipeline", "second")} == {1}
    assert bad["second"].summary["loss"] == pytest.approx(1 / 3)


@pytest.mark.long
def test_server_that_is_not_there(workplace: Path, call: Call) -> None:
    """With a key, and nobody who listens: the run finishes with one warning, everything is kept for later."""
    write_learner(workplace / "small")
    env = {"WANDB_BASE_URL": f"http://127.0.0.1:{free_port()}", "WANDB_API_KEY": "a" * 40}
    result = call(*RUN, workplace / "small", "--json", env=env)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("warning") == 1
    (warning,) = json.loads(result.stdout)["warnings"]
    assert warning.startswith(f"W&B: {env['WANDB_BASE_URL']}: it does not answer, or does not accept the key")
    assert "upload it: for run in wandb/offline-run-" in warning
    assert "a" * 40 not in result.stderr + result.stdout
    runs = by_job(workplace)
    assert set(runs) == {"pipeline", "first", "second"}
    assert names(runs["first"].logged) == {("first-out", "result")}


def test_silent_when_off(workplace: Path, call: Call) -> None:
    """Switched off by an option, by WANDB_MODE, or never on: no word of it, no file."""
    root = workplace / "small"
    write_component(root / "parts", "say", "import sys\nprint(sys.argv)\n", word={})
    write_pipeline(root, {"one": {"uses": "parts/say", "with": {"word": "${word}"}}}, {"word": "a"})
    off = {"never": ([], {}), "option": (["--no-wandb"], {}), "mode": ([], {"WANDB_MODE": "disabled"})}
    for how, (options, env) in off.items():
        result = call(*RUN, root, *options, f"word={how}", env=env)
        assert result.returncode == 0, result.stdout
        assert "done" in result.stdout
        assert "W&B" not in result.stdout + result.stderr
        assert not (workplace / "wandb").exists()
        edit_pipeline(root, lambda content: content.update(tracking=["mlflow", "wandb"]))


def test_tracking_in_pipeline_yaml() -> None:
    """`tracking` knows mlflow and wandb; without mlflow there would be no results to hand over."""
    text = "name: a\ncomponents: {c: {path: p}}\nsteps: {s: {uses: c/d}}\n"
    assert parse_pipeline(text).tracking == ("mlflow",)
    assert parse_pipeline(text + "tracking: [mlflow, wandb]\n").tracking == ("mlflow", "wandb")
    for wrong, said in (("[wandb]", "it must include mlflow"), ("[mlflow, neptune]", "'mlflow' or 'wandb'")):
        with pytest.raises(FindingsError, match=re.escape(said)):
            parse_pipeline(f"{text}tracking: {wrong}\n")


def test_nothing_of_it_is_imported_when_off(workplace: Path) -> None:
    """A run without W&B does not pay for it: wandb is not imported, nor by MLflow, which knows our plugin."""
    code = "import sys, mlflow, waypost.runs.runner; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.long
def test_release_is_an_alias(workplace: Path, call: Call) -> None:
    """A release's run: its version is an alias of what it made and a tag, configuration has its commit,
    and its components' versions and commits. What it wrote offline is sent by the command that it gave.
    """
    library = releasable(make_library(workplace.parent / "served" / "components"))
    code = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_text('x,y\\n1,2\\n', 'out.csv')\n"
    (library.path / "load" / "run.py").write_text(code)

    def outputs(contract: dict[str, Any]) -> None:
        contract["entry_points"]["main"]["outputs"] = {"out": {"path": "out.csv"}}

    edit_contract(library.path, "load", outputs)
    edit_contract(library.path, "clean", lambda c: parameters_of(c)["text"].update(type="path"))
    library.commit("output")
    published(library)
    with git_daemon(library.path.parent) as server:
        assert call("python", "-m", "waypost", "release", "--push", "-C", library.path).returncode == 0
        pipeline = releasable(make_pipeline(workplace.parent / "served" / "grades", "../components.git"))
        given = {"text": "${steps.load.outputs.out}"}
        edit_pipeline(pipeline.path, lambda content: content["steps"]["clean"].update({"with": given}))
        release_pipeline(pipeline, server, call)
        target = f"{server}/grades.git@1.0.0"
        result = call(*RUN, target, "--wandb")
        assert result.returncode == 0, result.stdout
        runs = by_job(workplace)
        (out,) = [each for each in runs["load"].logged if each.name == "load-out"]
        assert set(out.aliases) == {"latest", "1.0.0"}
        assert {tuple(run.tags) for run in runs.values()} == {("release 1.0.0",)}
        told = runs["pipeline"].config
        assert told["pipeline"]["release"] == "1.0.0"
        assert told["pipeline"]["commit"] == pipeline.git("rev-parse", "v1.0.0^{commit}")
        assert told["components"]["load"]["version"].startswith("1.0.0")
        assert told["components"]["load"]["commit"] == library.git("rev-parse", "v1.0.0^{commit}")
        # Where all steps are taken over, the pipeline's run carries the alias.
        before = {run.folder for run in offline_runs(workplace)}
        again = call(*RUN, target, "--wandb", "--force", "clean")
        assert again.returncode == 0, again.stdout
        (newest,) = [
            r for r in offline_runs(workplace) if r.folder not in before and r.job_type == "pipeline"
        ]
        (used,) = newest.used
        assert (used.name, set(used.aliases)) == ("load-out", {"latest", "1.0.0"})
        # Sent by the command that the run gave, with the same lineage, it comes back by W&B's own.
        send = re.search(r"for run in .*", result.stdout)
        assert send
        with wandb_server() as there:
            env = {"WANDB_BASE_URL": there.url, "WANDB_API_KEY": KEY}
            sent = call("bash", "-c", send[0], env=env)
            assert sent.returncode == 0, sent.stdout + sent.stderr
            assert not there.unknown
            assert {run.about["jobType"] for run in there.runs.values()} == {"pipeline", "load", "clean"}
            # The second run's pipeline used it, too: it took the step over.
            assert makers(there, "pinned")["load-out"] == ("load", {"clean", "pipeline"})
            name = f"{ENTITY}/pinned/load-out:1.0.0"
            got = call("wandb", "artifact", "get", name, "--root", workplace / "got", env=env)
            assert got.returncode == 0, got.stdout + got.stderr
            assert (workplace / "got" / "out.csv").read_text() == "x,y\n1,2\n"


def release_pipeline(pipeline: Repository, server: str, call: Call) -> None:
    published(pipeline)
    pipeline.git("remote", "set-url", "origin", f"{server}/grades.git")
    assert call("python", "-m", "waypost", "lock", pipeline.path).returncode == 0
    pipeline.commit("lock")
    released = call("python", "-m", "waypost", "release", "--push", "-C", pipeline.path)
    assert released.returncode == 0, released.stderr


@pytest.fixture
def online(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wandb]:
    """A server that speaks W&B's protocol, and the key for it."""
    with wandb_server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server


def makers(server: Wandb, project: str = "small") -> dict[str, tuple[str, set[str]]]:
    """Returns the job type that made each artifact, and those that used it."""
    jobs = {run_id: run.about["jobType"] for run_id, run in server.runs.items()}
    return {
        version.collection: (
            jobs.get(version.run, ""),
            {jobs[run_id] for run_id, run in server.runs.items() if version.id in run.used},
        )
        for version in server.versions.values()
        if version.project == project and not version.collection.startswith("run-")
    }


def test_online_and_as_input(online: Wandb, workplace: Path, call: Call) -> None:
    """With a key: group, job types, metrics, files and lineage arrive on the server while the run goes on,
    and the run says where to look.

    What is on W&B goes into a step by its alias: fetched once, part of the step's key, noted as used;
    a moved alias is other data. Stock MLflow resolves it too, and W&B's own command gives it back.
    """
    write_learner(workplace / "small")
    result = call(*RUN, workplace / "small", "--json")
    assert result.returncode == 0, result.stderr
    arrived(online, f"small-{json.loads(result.stdout)['run_id'][:8]}", result.stderr)
    uri = f"wandb://{ENTITY}/small/first-out:latest"
    shutil.copytree(workplace / "small", workplace / "next")
    file = workplace / "next" / "pipeline.yaml"
    file.write_text(file.read_text().replace("start.csv", uri).replace("name: small", "name: next"))

    def run(*options: str) -> dict[str, str]:
        result = call(*RUN, workplace / "next", "--json", *options)
        assert result.returncode == 0, result.stdout + result.stderr
        return {step["name"]: step["state"] for step in json.loads(result.stdout)["steps"]}

    assert run()["first"] == "done"
    (first,) = [
        run
        for run in online.runs.values()
        if run.about["project"] == "next" and run.about["jobType"] == "first"
    ]
    assert [online.versions[version].project for version in first.used] == ["small"]
    before = len(online.runs)
    assert "nothing to do" in call(*RUN, workplace / "next").stdout
    assert len(online.runs) == before
    # The alias moves to what another run made.
    assert call(*RUN, workplace / "small", "rounds=5").returncode == 0
    assert run("--steps", "first", "--no-wandb")["first"] == "done"

    code = "import sys, mlflow\nfor name in sys.argv[1:]:\n"
    code += "    print(open(mlflow.artifacts.download_artifacts(name)).read())\n"
    fetched = call(sys.executable, "-c", code, uri, f"{uri}/out.txt")
    assert fetched.stdout.splitlines() == ["weights 5"] * 2, fetched.stderr
    stock = call(
        *("mlflow", "run", workplace / "small" / "parts" / "learn", "--env-manager", "local"),
        *("-P", f"weights={uri}", "-P", "rounds=1", "-P", "seconds=0"),
    )
    assert stock.returncode == 0, stock.stderr
    got = call("wandb", "artifact", "get", f"{ENTITY}/small/first-out:v0", "--root", workplace / "got")
    assert got.returncode == 0, got.stdout + got.stderr
    assert (workplace / "got" / "out.txt").read_text() == "weights 4"
    assert not online.unknown


def arrived(server: Wandb, group: str, said: str) -> None:
    """Asserts that one run of the learner is on the server, as a whole."""
    assert not server.unknown
    assert f"W&B: {server.url}/{ENTITY}/small/groups/{group}" in said
    assert "warning" not in said
    by_type = {run.about["jobType"]: run for run in server.runs.values()}
    assert set(by_type) == {"pipeline", "first", "second"}
    assert {run.about["groupName"] for run in server.runs.values()} == {group}
    losses = [row["loss"] for row in by_type["first"].history if "loss" in row]
    assert losses == [1, 0.5, pytest.approx(1 / 3), 0.25]
    assert {run.exit_code for run in server.runs.values()} == {0}
    assert makers(server) == {
        "first-weights-input": ("", {"first"}),
        "first-out": ("first", {"second"}),
        "second-out": ("second", set()),
    }
    assert any(path.endswith(".png") for path in server.files)


def test_artifact_that_is_not_there(online: Wandb, workplace: Path, call: Call) -> None:
    """An artifact that W&B does not have, or a name that is none, is told before any step starts."""
    write_learner(workplace / "small", tracking=("mlflow",))
    file = workplace / "small" / "pipeline.yaml"
    text = file.read_text()
    cases = {
        f"wandb://{ENTITY}/small/nothing:latest": (3, "nothing:latest"),
        "wandb://small/nothing": (2, "not of the form wandb://ENTITY/PROJECT/NAME:VERSION[/PATH]"),
    }
    for uri, (code, said) in cases.items():
        file.write_text(text.replace("start.csv", uri))
        result = call(*RUN, workplace / "small")
        assert result.returncode == code, result.stdout
        assert said in result.stdout + result.stderr
        assert "Traceback" not in result.stdout + result.stderr
        assert "started" not in result.stdout


def test_server_that_goes_away(workplace: Path, forks: Forks) -> None:
    """W&B goes away in the middle of a run: the run finishes, and one warning says how to send the rest."""
    write_learner(workplace / "small", seconds=1.0)
    with wandb_server() as server:
        env = {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        command = [*RUN, "small", "rounds=5"]
        process = forks.start(command, workplace, env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(300):
            if len(server.runs) == 2:
                break
            time.sleep(0.1)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert said.count("warning") == 1
    assert "wandb sync" in said
