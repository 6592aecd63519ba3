"""The components run under stock MLflow: from a folder, and from a git server at a tag."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from mlflow.entities import Run
from sklearn.datasets import load_wine

from tests import warm
from tests.conftest import LIBRARY, Call


def forked(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs `mlflow …` in the current folder, as a fork."""
    return warm.mlflow(*map(str, arguments), cwd=Path.cwd(), env={**os.environ, **variables})


def stock(command: Call, uri: str | Path, *options: str, **parameters: object) -> str:
    """Runs `mlflow run`, where `command` runs `mlflow`, and returns the id of its run."""
    flags = [part for name, value in parameters.items() for part in ("-P", f"{name}={value}")]
    result = command("run", uri, "--env-manager", "local", *options, *flags)
    assert result.returncode == 0, result.stdout + result.stderr
    found: list[str] = re.findall(r"Run \(ID '(\w+)'\) succeeded", result.stdout + result.stderr)
    return found[0]


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlflow.db'}")


def artifacts(run_id: str) -> set[str]:
    return {item.path for item in client().list_artifacts(run_id)}


def contexts(run: Run) -> list[str]:
    """Returns what the datasets of a run were to it."""
    datasets = run.inputs.dataset_inputs if run.inputs else []
    return [tag.value for dataset in datasets for tag in dataset.tags]


def test_seven_components(workplace: Path) -> None:
    """From a file to an evaluated model by `mlflow run` alone, each input the URI of an output."""
    table = load_wine(as_frame=True).frame
    table["target"] = "class_" + table["target"].astype("str")
    table.to_csv("wine.csv.gz", index=False)
    features = [name for name in table if name != "target"]
    Path("model.yaml").write_text(
        yaml.safe_dump({"features": {"numeric": features}, "forest": {"n_estimators": 20}})
    )
    Path("checks.yaml").write_text("rows: {minimum: 100}\ncolumns: [{name: target, missing: 0}]\n")
    data = stock(forked, LIBRARY / "download", url=workplace / "wine.csv.gz")
    assert artifacts(data) == {"data"}
    clean = stock(forked, LIBRARY / "preprocess", data=f"runs:/{data}/data")
    assert artifacts(clean) == {"clean.parquet", "figures.json"}
    cleaned = f"runs:/{clean}/clean.parquet"
    checked = stock(forked, LIBRARY / "check_data", data=cleaned, checks=workplace / "checks.yaml")
    assert artifacts(checked) == {"checks.html", "checks.json", "figures.json"}
    split = stock(forked, LIBRARY / "segregate", data=cleaned, strategy="stratified", column="target")
    assert artifacts(split) == {"train.parquet", "test.parquet", "split.html", "figures.json"}
    train = {"data": f"runs:/{split}/train.parquet", "target": "target"}
    model = stock(forked, LIBRARY / "train_random_forest", model=workplace / "model.yaml", **train)
    assert artifacts(model) >= {"importances.csv", "plots"}
    judged = stock(
        forked, LIBRARY / "evaluate", model=f"runs:/{model}/model", data=f"runs:/{split}/test.parquet"
    )
    assert artifacts(judged) == {"metrics.json", "plots", "predictions.parquet", "figures.json"}
    run = client().get_run(judged)
    assert run.data.metrics["roc_auc"] > 0.95
    for name in ("roc_auc", "accuracy", "f1_macro", "log_loss"):
        low, high = (run.data.metrics[f"{name}/{end}"] for end in ("low", "high"))
        assert low <= run.data.metrics[name] <= high
    assert run.data.tags["output.predictions.sha256"]
    assert contexts(run)[0] == "data"

    # The same answers without labels, beside an id.
    given = {"model": f"runs:/{model}/model", "data": f"runs:/{split}/test.parquet", "keep": "alcohol"}
    answered = stock(forked, LIBRARY / "predict", **given)
    answers, evaluated = (
        pd.read_parquet(client().download_artifacts(run_id, "predictions.parquet"))
        for run_id in (answered, judged)
    )
    assert list(answers)[:2] == ["alcohol", "prediction"]
    assert answers.drop(columns="alcohol").equals(evaluated.drop(columns="label"))

    # The model answers under stock MLflow, with missing and unknown values too.
    odd = table[features].head(3).astype(float)
    odd.iloc[0, 0] = None
    odd.to_csv("odd.csv", index=False)
    scored = forked(
        *("models", "predict", "-m", f"runs:/{model}/model", "-i", "odd.csv"),
        *("-t", "csv", "--env-manager", "local"),
        MLFLOW_TRACKING_URI=f"sqlite:///{workplace / 'mlflow.db'}",
    )
    assert scored.returncode == 0, scored.stdout
    assert "class_" in scored.stdout


@contextmanager
def served(library: Path) -> Iterator[str]:
    """Makes a folder a git repository with the tag v1.0.0, on a git server; gives its URL."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-qm", "x"],
        ["tag", "v1.0.0"],
    ):
        subprocess.run([*git, *arguments], cwd=library, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    daemon = subprocess.Popen(
        [
            *("git", "daemon", "--export-all", f"--base-path={library.parent}", "--listen=127.0.0.1"),
            *(f"--port={port}", "--reuseaddr"),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"git://127.0.0.1:{port}/{library.name}/.git"
    try:
        for _ in range(100):
            if subprocess.run(["git", "ls-remote", url], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.05)
        yield url
    finally:
        os.killpg(daemon.pid, 15)
        daemon.wait()


def test_component_of_a_git_repository(workplace: Path, call: Call) -> None:
    """`mlflow run URL#component -v TAG` works: shared folders come along with the checkout."""
    library = workplace / "library"
    ignored = shutil.ignore_patterns("__pycache__", ".venv", ".git")
    shutil.copytree(LIBRARY, library, ignore=ignored, symlinks=True)
    Path("a.csv").write_text("x,y\n1,a\n1,a\n2,b\n")
    given = {"data": workplace / "a.csv", "filter": "x > 1"}
    with served(library) as url:
        run_id = stock(partial(call, "mlflow"), f"{url}#preprocess", "-v", "v1.0.0", **given)
    metrics = client().get_run(run_id).data.metrics
    assert (metrics["rows_before"], metrics["rows_duplicate"], metrics["rows_after"]) == (3, 1, 1)


@pytest.fixture
def small_library(workplace: Path) -> Path:
    """A library of this form whose one environment is quick to install: a single package."""
    library = workplace / "small"
    (library / "environment").mkdir(parents=True)
    text = (LIBRARY / "environment" / "requirements.txt").read_text()
    lines = re.search(r"^packaging==.*?(?=^[a-zA-Z0-9])", text, re.MULTILINE | re.DOTALL)
    assert lines
    (library / "environment" / "requirements.txt").write_text(lines[0])
    component = library / "hello"
    component.mkdir()
    for name in ("requirements.txt", "python_env.yaml"):
        shutil.copyfile(LIBRARY / "preprocess" / name, component / name, follow_symlinks=False)
    contract = {
        "name": "hello",
        "python_env": "python_env.yaml",
        "shared": ["environment"],
        "entry_points": {"main": {"command": "python run.py"}},
    }
    (component / "MLproject").write_text(yaml.safe_dump(contract))
    (component / "run.py").write_text("import sys, packaging\nprint('prefix', sys.prefix)\n")
    return library


@pytest.mark.journey
@pytest.mark.parametrize("manager", ["uv", "virtualenv"])
def test_environment_by_stock_mlflow(small_library: Path, call: Call, manager: str) -> None:
    """`mlflow run` installs the one lock through a component's link, from a folder and from a git server at a
    tag, and refuses a package whose hash is another one.
    """
    home = str(Path(os.environ["HOME"], ".mlflow", "envs"))
    with served(small_library) as url:
        for project in ([small_library / "hello"], [f"{url}#hello", "-v", "v1.0.0"]):
            shutil.rmtree(home, ignore_errors=True)
            result = call("mlflow", "run", *project, "--env-manager", manager)
            assert result.returncode == 0, result.stdout + result.stderr
            assert f"prefix {home}/mlflow-" in result.stdout
    lock = small_library / "environment" / "requirements.txt"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", lock.read_text()))
    refused = call("mlflow", "run", small_library / "hello", "--env-manager", manager)
    assert refused.returncode != 0
    assert "hash" in (refused.stdout + refused.stderr).lower()
