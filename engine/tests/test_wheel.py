"""The built wheel without extras, in an empty environment: what it does, and what it names as missing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Call
from tests.pipelines import write_component, write_pipeline
from tests.repositories import Repository, edit_pipeline, git_daemon, make_library, make_pipeline
from tests.wheels import installed
from waypost.commands.verbs import VERBS

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("wheel")]
LOCK = ROOT / "pipeline" / "requirements.txt"
NOT_OURS = {
    *(
        "dask",
        "distributed",
        "fsspec",
        "httptools",
        "mlflow",
        "numpy",
        "onnx",
        "onnxruntime",
        "orjson",
        "pandas",
        "pillow",
    ),
    *("prometheus-client", "pyarrow", "scikit-learn", "skops", "uvloop", "wandb"),
}
MOST_BYTES = 320_000_000  # of the environment; with everything it is over a gigabyte


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `waypost` of an environment with the wheel and the core's lock, byte for byte, and nothing else."""
    return installed(tmp_path_factory.mktemp("wheel"), LOCK)


@pytest.fixture
def pipeline(workplace: Path) -> Iterator[Repository]:
    """A pipeline whose components lie on a git server."""
    make_library(workplace.parent / "served" / "components")
    with git_daemon(workplace.parent / "served") as url:
        yield make_pipeline(workplace / "pipe", f"{url}/components/.git")


def test_what_is_installed(core: Path) -> None:
    """No package of an extra is there, all that the core asks for is, and it is a fifth of everything."""
    script = (
        "import json; from importlib.metadata import distributions; from waypost import extras;"
        "names = [d.metadata['Name'].lower().replace('_', '-') for d in distributions()];"
        "print(json.dumps([names, [str(l) for l in extras.lacks()]]))"
    )
    python = core.with_name("python")
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    names, lacks = json.loads(done.stdout)
    assert not NOT_OURS & set(names)
    assert lacks == []
    files = [path for path in core.parents[1].rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES


def test_what_a_ci_job_asks(core: Path, pipeline: Repository, call: Call) -> None:
    """lock, lock --check, verify, outdated, components list, a run by plan: all without an extra."""
    for command in (
        ("lock",),
        ("lock", "--check"),
        ("verify",),
        ("outdated",),
        ("components", "list"),
        ("run", "--env", "local", "--dry-run"),
    ):
        result = call(core, *command, pipeline.path)
        assert result.returncode == 0, (command, result.stdout, result.stderr)
    assert "core/load" in result.stdout


def test_a_run(core: Path, workplace: Path, call: Call) -> None:
    """A pipeline runs and is tracked in a SQLite file; again, it is current. MLflow's pages need MLflow."""
    root = workplace / "small"
    write_component(
        root / "parts", "part", "import mlflow\nwith mlflow.start_run(): mlflow.log_metric('m', 2)\n"
    )
    write_pipeline(root, {"one": {"uses": "parts/part"}})
    (workplace / "mlflow.db").unlink()
    first = call(core, "run", "--env", "local", root)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "its pages need the whole of MLflow: pip install mlflow" in first.stdout
    again = call(core, "run", "--env", "local", root)
    assert "is current" in again.stdout


@pytest.mark.parametrize("verb", sorted(name for name, verb in VERBS.items() if verb.extra))
def test_a_verb_names_its_extra(core: Path, workplace: Path, call: Call, verb: str) -> None:
    """A verb that needs an extra says so in one line with the command, whatever else it is given."""
    result = call(core, verb, "models:/a@b")
    assert result.returncode == 1
    extra = VERBS[verb].extra
    expected = f"error: waypost {verb} needs waypost[{extra}]: pip install 'waypost[{extra}]'\n"
    assert (result.stdout, result.stderr) == ("", expected)


@pytest.mark.parametrize("verb", sorted(name for name, verb in VERBS.items() if not verb.extra))
def test_every_other_verb_is_there(core: Path, workplace: Path, call: Call, verb: str) -> None:
    """A verb of the core imports nothing of an extra."""
    result = call(core, verb, "--help")
    assert result.returncode == 0, result.stderr


def test_registered_models_need_no_extra(core: Path, workplace: Path, call: Call) -> None:
    """info and rollback ask the registry, with nothing but the core."""
    assert "Registered Model" in call(core, "info", "models:/grades@champion").stderr
    assert "error: " in call(core, "rollback", "grades").stderr


def test_python_names_its_extra(core: Path, call: Call) -> None:
    """What answers from Python says what it needs, as the verbs do."""
    result = call(core.with_name("python"), "-c", "import waypost; waypost.run; waypost.load_model")
    assert "waypost.load_model needs waypost[serve]: pip install 'waypost[serve]'" in result.stderr


@pytest.mark.parametrize("how", ["option", "pipeline", "input"])
def test_wandb_names_its_extra(core: Path, workplace: Path, call: Call, how: str) -> None:
    """--wandb, `tracking: [wandb]` and wandb:// inputs are refused before anything runs, with the command."""
    root = workplace / "small"
    write_component(root / "parts", "part", "print(1)\n", data={"type": "path"})
    uri = "wandb://a/b/c:v0" if how == "input" else "params.yaml"
    write_pipeline(root, {"one": {"uses": "parts/part", "with": {"data": uri}}})
    if how == "pipeline":
        edit_pipeline(root, lambda content: content.update(tracking=["mlflow", "wandb"]))
    result = call(core, "run", "--env", "local", root, *(["--wandb"] if how == "option" else []))
    who = {
        "option": "--wandb",
        "pipeline": "`tracking: [wandb]` in pipeline.yaml",
        "input": "a wandb:// input",
    }
    assert result.returncode == 1
    assert f"{who[how]} needs waypost[wandb]: pip install 'waypost[wandb]'\n" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (workplace / "mlruns").exists()


def test_lock_is_the_cores() -> None:
    """The lock by which stock MLflow runs the pipeline names no package of an extra, and no index."""
    lines = LOCK.read_text().splitlines()
    names = {line.partition("==")[0] for line in lines if "==" in line}
    assert not NOT_OURS & names
    assert not [line for line in lines if line.startswith("-")]
