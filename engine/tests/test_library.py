"""The component library keeps one shape, and runs under stock MLflow with no Waypost in sight."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

from tests.conftest import BIN, COMPONENTS, LIBRARY, ROOT, Call
from waypost.contracts.component import Component, command_line, parse_component

FILES = ["MLproject", "README.md", "python_env.yaml", "requirements.txt", "run.py", "test_run.py"]


@pytest.fixture(params=COMPONENTS)
def folder(request: pytest.FixtureRequest) -> Path:
    return LIBRARY / str(request.param)


def contract(folder: Path) -> Component:
    return parse_component((folder / "MLproject").read_text(), folder.name)


def test_six_components_are_there() -> None:
    """The library has the steps of a whole pipeline."""
    assert [
        *("check_data", "download", "evaluate", "preprocess", "segregate", "train_random_forest")
    ] == COMPONENTS


def test_uniform_shape(folder: Path) -> None:
    """Each has the same files, a plain name, and a contract with a description for everything."""
    assert [name for name in FILES if not (folder / name).is_file()] == []
    assert re.fullmatch(r"[a-z][a-z0-9_]*", folder.name)
    component = contract(folder)
    assert component.name == folder.name
    assert all((LIBRARY / name).is_dir() for name in component.shared)
    entry_point = component.entry_points["main"]
    for name, item in {**entry_point.parameters, **entry_point.outputs}.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert item.description, name
    assert entry_point.metrics
    assert all(len(file.read_text().splitlines()) <= 250 for file in folder.glob("*.py"))


def test_command_passes_every_parameter(folder: Path) -> None:
    """The command names each parameter of the contract exactly once."""
    entry_point = contract(folder).entry_points["main"]
    line = command_line(entry_point, dict.fromkeys(entry_point.parameters, "v"))
    assert re.findall(r"--(\w+) v", line) == list(entry_point.parameters)
    assert line.startswith("PYTHONPATH=.. python run.py ")


def test_shared_folders_are_declared(folder: Path) -> None:
    """What the code imports from the repository is what `shared` says, and nothing of Waypost."""
    local = {path.name for path in LIBRARY.iterdir() if path.is_dir()}
    text = "\n".join(p.read_text() for p in folder.glob("*.py") if p.name != "test_run.py")
    imported = set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    assert "waypost" not in imported
    assert (imported & local) - {folder.name} == set(contract(folder).shared)


def test_requirements_are_pinned_and_hashed(folder: Path) -> None:
    """Every requirement has one version and hashes; python_env.yaml uses that file alone."""
    environment = yaml.safe_load((folder / "python_env.yaml").read_text())
    assert environment["dependencies"] == ["-r requirements.txt"]
    text = (folder / "requirements.txt").read_text()
    pinned = re.findall(
        r"^[a-z0-9][\w.\-]*(?:\[[\w,-]+\])?==[^ ]+.* \\\n    --hash=sha256:", text, re.MULTILINE
    )
    assert len(pinned) == len(re.findall(r"^[a-zA-Z0-9]", text, re.MULTILINE))
    assert "://" not in text


def test_readme_tells_the_contract(folder: Path) -> None:
    """The README's tables are those of the contract: `make docs` was run."""
    tables = runpy.run_path(str(ROOT / "docs" / "component_tables.py"))
    readme = (folder / "README.md").read_text()
    assert "<!-- contract -->" in readme
    assert tables["updated"](readme, contract(folder)) == readme


def test_help_is_quick(folder: Path) -> None:
    """`run.py --help` shows each parameter and imports nothing heavy on the way."""
    script = (
        "import runpy, sys; sys.argv = ['run.py', '--help']\n"
        "try: runpy.run_path('run.py', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'mlflow', 'pandas', 'sklearn', 'pydantic'} & set(sys.modules); assert not heavy, heavy"
    )
    env = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    result = subprocess.run(
        [BIN / "python", "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    for name, parameter in contract(folder).entry_points["main"].parameters.items():
        assert f"--{name}" in result.stdout
        assert parameter.description.split()[0] in result.stdout


def test_kit_stays_small() -> None:
    """What all components share fits on a few pages."""
    lines = [
        line for file in (LIBRARY / "componentkit").glob("*.py") for line in file.read_text().splitlines()
    ]
    assert len(lines) <= 300


@pytest.fixture
def without_waypost(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment in which the engine cannot be imported."""
    blocker = workplace.parent / "blocker" / "waypost"
    blocker.mkdir(parents=True)
    (blocker / "__init__.py").write_text("raise ImportError('a component imported the engine')\n")
    monkeypatch.setenv("PYTHONPATH", str(blocker.parent))
    return workplace


def stock(call: Call, uri: str | Path, *options: str, **parameters: object) -> str:
    """Runs `mlflow run` and returns the id of its run."""
    flags = [part for name, value in parameters.items() for part in ("-P", f"{name}={value}")]
    result = call("mlflow", "run", uri, "--env-manager", "local", *options, *flags)
    assert result.returncode == 0, result.stdout + result.stderr
    return re.findall(r"Run \(ID '(\w+)'\) succeeded", result.stdout + result.stderr)[0]


def artifacts(run_id: str) -> set[str]:
    client = mlflow.MlflowClient(f"sqlite:///{Path.cwd() / 'mlflow.db'}")
    return {item.path for item in client.list_artifacts(run_id)}


def test_six_components_by_stock_mlflow(without_waypost: Path, call: Call) -> None:
    """From a file to an evaluated model by `mlflow run` alone, each input the URI of an output."""
    table = pd.read_parquet(ROOT / "pipeline" / "examples" / "data" / "wine.parquet")
    table.to_csv("wine.csv.gz", index=False)
    features = [name for name in table if name != "target"]
    Path("model.yaml").write_text(
        yaml.safe_dump({"features": {"numeric": features}, "forest": {"n_estimators": 20}})
    )
    Path("checks.yaml").write_text("rows: {minimum: 100}\ncolumns: [{name: target, missing: 0}]\n")
    here = without_waypost
    data = stock(call, LIBRARY / "download", url=here / "wine.csv.gz")
    assert artifacts(data) == {"data"}
    clean = stock(call, LIBRARY / "preprocess", data=f"runs:/{data}/data")
    assert artifacts(clean) == {"clean.parquet"}
    checked = stock(
        call, LIBRARY / "check_data", data=f"runs:/{clean}/clean.parquet", checks=here / "checks.yaml"
    )
    assert artifacts(checked) == {"checks.html", "checks.json"}
    split = stock(
        call,
        LIBRARY / "segregate",
        data=f"runs:/{clean}/clean.parquet",
        strategy="stratified",
        column="target",
    )
    assert artifacts(split) == {"train.parquet", "test.parquet"}
    model = stock(
        call,
        LIBRARY / "train_random_forest",
        data=f"runs:/{split}/train.parquet",
        target="target",
        model=here / "model.yaml",
    )
    assert artifacts(model) >= {"importances.csv", "plots"}
    judged = stock(
        call, LIBRARY / "evaluate", model=f"runs:/{model}/model", data=f"runs:/{split}/test.parquet"
    )
    assert artifacts(judged) == {"metrics.json", "plots", "predictions.parquet"}
    client = mlflow.MlflowClient(f"sqlite:///{here / 'mlflow.db'}")
    run = client.get_run(judged)
    assert run.data.metrics["roc_auc"] > 0.95
    assert run.data.tags["output.predictions.sha256"]
    assert [tag.value for tag in run.inputs.dataset_inputs[0].tags] == ["data"]

    # The model answers under stock MLflow, with missing and unknown values too.
    odd = table[features].head(3).astype(float)
    odd.iloc[0, 0] = None
    odd.to_csv("odd.csv", index=False)
    scored = call(
        *("mlflow", "models", "predict", "-m", f"runs:/{model}/model", "-i", "odd.csv"),
        *("-t", "csv", "--env-manager", "local"),
        env={"MLFLOW_TRACKING_URI": f"sqlite:///{here / 'mlflow.db'}"},
    )
    assert scored.returncode == 0, scored.stderr
    assert "class_" in scored.stdout


@pytest.fixture
def git_server(workplace: Path) -> Iterator[str]:
    """The library as a git repository of its own, over `git daemon`; gives its URL."""
    served = workplace.parent / "served"
    shutil.copytree(LIBRARY, served / "library", ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-qm", "x"],
        ["tag", "v1.0.0"],
    ):
        subprocess.run([*git, *arguments], cwd=served / "library", check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    daemon = subprocess.Popen(
        [
            *("git", "daemon", "--export-all", f"--base-path={served}", "--listen=127.0.0.1"),
            *(f"--port={port}", "--reuseaddr"),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"git://127.0.0.1:{port}/library/.git"
    for _ in range(100):
        if subprocess.run(["git", "ls-remote", url], capture_output=True, check=False).returncode == 0:
            break
        time.sleep(0.05)
    yield url
    os.killpg(daemon.pid, 15)
    daemon.wait()


def test_component_of_a_git_repository(without_waypost: Path, call: Call, git_server: str) -> None:
    """`mlflow run URL#component -v TAG` works: shared folders come along with the checkout."""
    Path("a.csv").write_text("x,y\n1,a\n1,a\n2,b\n")
    run_id = stock(
        call, f"{git_server}#preprocess", "-v", "v1.0.0", data=without_waypost / "a.csv", filter="x > 1"
    )
    client = mlflow.MlflowClient(f"sqlite:///{without_waypost / 'mlflow.db'}")
    metrics = client.get_run(run_id).data.metrics
    assert (metrics["rows_before"], metrics["rows_duplicate"], metrics["rows_after"]) == (3, 1, 1)


def component(call: Call, name: str, *arguments: str) -> tuple[int, str]:
    """Runs a component's run.py directly; returns (exit code, all that it wrote)."""
    result = call(BIN / "python", "run.py", *arguments, cwd=LIBRARY / name, env={"PYTHONPATH": str(LIBRARY)})
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("preprocess", ["--data", "empty.csv"], "error: empty.csv: the file is empty"),
        ("preprocess", ["--data", "cut.parquet"], "error: cut.parquet: cannot be read as parquet: "),
        ("preprocess", ["--data", "nope.csv"], "nope.csv: no such file"),
        ("preprocess", ["--data", "a.xlsx"], "error: a.xlsx: format not known; use .csv, .csv.gz,"),
        ("preprocess", ["--data", "header.csv"], "error: header.csv: the table has no rows"),
        ("preprocess", ["--data", "good.csv", "--recipe", "bad.yaml"], "error: recipe: droop: Extra"),
        (
            "preprocess",
            ["--data", "good.csv", "--recipe", "drop.yaml"],
            "error: good.csv: drop: column 'gone'",
        ),
        (
            "preprocess",
            ["--data", "good.csv", "--recipe", "cast.yaml"],
            "error: good.csv: column 'kind' cannot be read as int: ",
        ),
        (
            "segregate",
            ["--data", "good.csv", "--strategy", "stratified", "--column", "kind"],
            "error: good.csv: stratified: column 'kind': too few rows to be on both sides: 'rare' (1 row)",
        ),
        (
            "check_data",
            ["--data", "good.csv", "--checks", "checks.yaml"],
            "error: good.csv: 2 of 4 checks failed: column 'gone': required: no such column …",
        ),
        (
            "train_random_forest",
            ["--data", "good.csv", "--target", "kind", "--model", "model.yaml"],
            "error: good.csv: column 'kind': the label is missing in 1 rows",
        ),
        (
            "segregate",
            ["--data", "good.csv", "--test_size", "2"],
            "argument --test_size: 2 is more than 0.99",
        ),
        (
            "segregate",
            ["--data", "good.csv", "--strategy", "odd"],
            "'odd' is not one of random, stratified",
        ),
    ],
)
def test_bad_data_is_one_line(
    workplace: Path, call: Call, name: str, arguments: list[str], message: str
) -> None:
    """Data or parameters that cannot work: one line with file, column and rule; no stack trace."""
    Path("empty.csv").touch()
    Path("header.csv").write_text("a,b\n")
    Path("a.xlsx").write_text("x")
    Path("bad.yaml").write_text("droop: [a]\n")
    Path("good.csv").write_text("n,kind\n1,a\n2,a\n3,rare\n" if name == "segregate" else "n,kind\n1,a\n2,\n")
    Path("drop.yaml").write_text("drop: [gone]\n")
    Path("cast.yaml").write_text("cast: {kind: int}\n")
    Path("model.yaml").write_text("features: {numeric: [n]}\n")
    Path("checks.yaml").write_text("columns: [{name: gone}, {name: n, type: string}]\n")
    pd.DataFrame({"a": range(1000)}).to_parquet("whole.parquet")
    Path("cut.parquet").write_bytes(Path("whole.parquet").read_bytes()[:500])
    files = [str(workplace / a) if Path(a).suffix or a == "nope.csv" else a for a in arguments]
    code, text = component(call, name, *files)
    assert code in (1, 2)
    assert message in text
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if "error: " in line]
    assert len(lines) == 1


def test_debug_shows_the_trace(workplace: Path, call: Call) -> None:
    """--debug keeps the stack trace for whoever mends the component."""
    Path("empty.csv").touch()
    code, text = component(call, "preprocess", "--data", str(workplace / "empty.csv"), "--debug")
    assert code == 1
    assert "Traceback" in text
