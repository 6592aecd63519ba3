"""`mlflow run … --backend waypost`: projects that never heard of Waypost."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from tests.conftest import LIBRARY, ROOT, Call
from tests.daemons import FAMILY
from tests.pipelines import write_component
from tests.repositories import git_daemon
from tests.test_run import client
from waypost import mlflow_backend
from waypost.contracts.component import parse_project
from waypost.errors import WaypostError
from waypost.runs.environments import local

HELLO = "import os, sys\nprint('hello', sys.argv[1:], os.path.basename(os.getcwd()))\n"
pytestmark = pytest.mark.journey
BACKEND = ("--backend", "waypost", "--env-manager", "local")


@pytest.fixture
def project(workplace: Path) -> Path:
    """A repository with a plain MLflow project in a folder, released as v1.0.0, then changed."""
    root = workplace / "projects"
    write_component(root, "hello", HELLO, word={}, times={"type": "int", "default": 1})
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@localhost"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"], ["tag", "v1.0.0"]):
        subprocess.run([*git, *arguments], cwd=root, check=True)
    (root / "hello" / "run.py").write_text(HELLO.replace("hello", "changed"))
    subprocess.run([*git, "commit", "-qam", "two"], cwd=root, check=True)
    return root


def only_run() -> mlflow.entities.Run:
    (run,) = client().search_runs(["0"])
    return run


def state_of(repository: Path) -> tuple[str, str]:
    """Returns HEAD and status of a repository."""
    asked = (["rev-parse", "--symbolic-full-name", "HEAD"], ["status", "--porcelain", "--branch"])
    texts = [
        subprocess.run(["git", *a], cwd=repository, capture_output=True, text=True, check=True).stdout
        for a in asked
    ]
    return texts[0], texts[1]


def test_a_tag_from_a_server(project: Path, call: Call, tmp_path: Path) -> None:
    """A project of a git server at a tag: its output is shown, run, parameters, log and commit recorded."""
    with git_daemon(tmp_path / "work") as url:
        flags = ("-v", "v1.0.0", "-P", "word=it's", "-P", "more=x y")
        result = call("mlflow", "run", f"{url}/projects#hello", *flags, *BACKEND)
    assert result.returncode == 0, result.stdout + result.stderr
    said = "hello ['--word', \"it's\", '--times', '1', '--more', 'x y'] hello\n"
    assert said in result.stdout
    run = only_run()
    assert run.info.status == "FINISHED"
    assert set(run.data.params) == {"word", "times", "more"}
    assert run.data.tags["mlflow.project.backend"] == "waypost"
    assert len(run.data.tags["mlflow.source.git.commit"]) == 40
    log = client().download_artifacts(run.info.run_id, f"logs/{run.info.run_id}.log")
    assert Path(log).read_text() == said


def test_local_repositories_are_not_touched(project: Path, call: Call) -> None:
    """A version of a local repository runs from the store: HEAD and work tree stay as they are."""
    before = state_of(project)
    result = call("mlflow", "run", f"{project}#hello", "-v", "v1.0.0", "-P", "word=x", *BACKEND)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "hello ['--word', 'x'" in result.stdout
    assert state_of(project) == before
    now = call("mlflow", "run", project / "hello", "-P", "word=x", *BACKEND)
    assert "changed ['--word', 'x'" in now.stdout


@pytest.mark.parametrize(
    ("uri", "flags", "cause"),
    [
        ("projects#hello", ("-v", "v9"), "no tag, branch or commit 'v9'"),
        ("projects#nothing", ("-v", "v1.0.0"), "no folder 'nothing' at v1.0.0"),
        ("projects#hello", ("-v", "v1.0.0"), "missing parameters: 'word'"),
        ("projects.zip", (), "an archive is not for Waypost"),
    ],
)
def test_mistakes_are_told(
    project: Path, call: Call, workplace: Path, uri: str, flags: tuple[str, ...], cause: str
) -> None:
    """What is not there is one line that names it, and no run is left open."""
    result = call("mlflow", "run", workplace / uri, *flags, *BACKEND)
    assert result.returncode == 1
    assert cause in result.stderr
    assert "Traceback" not in result.stderr
    assert not [run for run in client().search_runs(["0"]) if run.info.status == "RUNNING"]


def test_no_environment_where_none_is_asked_for(tmp_path: Path) -> None:
    """With `--env-manager local` a project with a conda.yaml runs as it does under stock MLflow."""
    (tmp_path / "conda.yaml").write_text("dependencies: [python=3.11, cudatoolkit]\n")
    text = "conda_env: conda.yaml\nentry_points: {main: {command: python run.py}}\n"
    project = parse_project(text, "MLproject")
    assert mlflow_backend._environment(tmp_path, project, "local") == local()
    with pytest.raises(WaypostError, match="conda"):
        mlflow_backend._environment(tmp_path, project, None)


def test_failure_is_a_failed_run(project: Path, call: Call) -> None:
    """A project that fails: exit code 1, its words, a FAILED run."""
    (project / "hello" / "run.py").write_text("raise SystemExit('error: no data')\n")
    result = call("mlflow", "run", project / "hello", "-P", "word=x", *BACKEND)
    assert result.returncode == 1
    assert "error: no data" in result.stdout
    assert only_run().info.status == "FAILED"


def test_what_a_project_leaves_goes_with_it(project: Path, call: Call, tmp_path: Path) -> None:
    """Daemons of a project that has ended, and of one that was cancelled, are gone."""
    for name, rest in (("done", ""), ("cancelled", "time.sleep(600)")):
        shutil.copytree(project / "hello", project / name)
        (project / name / "run.py").write_text(f"{FAMILY}\nleave_family({str(tmp_path / name)!r})\n{rest}\n")
        (tmp_path / name).mkdir()
    script = (
        "import mlflow, pathlib, time\n"
        "options = dict(backend='waypost', env_manager='local', synchronous=False)\n"
        "for name in ('done', 'cancelled'):\n"
        f"    place = pathlib.Path({str(tmp_path)!r}, name)\n"
        f"    project = {str(project)!r} + '/' + name\n"
        "    run = mlflow.projects.run(project, parameters={'word': 'x'}, **options)\n"
        "    while len([n for n in place.iterdir() if '.' not in n.name]) < 7: time.sleep(0.02)\n"
        "    run.cancel() if name == 'cancelled' else run.wait()\n"
        "    print(run.get_status(), [n.name for n in place.iterdir()"
        " if pathlib.Path('/proc', n.read_text().strip()).exists()])\n"
    )
    result = call(sys.executable, "-c", script)
    assert result.stdout.splitlines()[-2:] == ["FINISHED []", "FAILED []"], result.stdout + result.stderr


def test_a_parent_imports_once(workplace: Path, call: Call) -> None:
    """A parent project that runs many others has one worker: each is a fork of it, until the parent sets a
    variable that modules may read when they are imported.
    """
    # It takes a moment, so that the last one still runs when it is asked.
    write_component(workplace, "child", "import os, time\nprint('worker', os.getppid())\ntime.sleep(1)\n")
    script = (
        "import mlflow\n"
        "runs = [mlflow.run('child', backend='waypost', env_manager='local') for _ in range(3)]\n"
        "late = mlflow.run('child', backend='waypost', env_manager='local', synchronous=False)\n"
        "print('status', late.get_status(), late.wait(), late.get_status())\n"
        "import os\n"
        "os.environ['OMP_NUM_THREADS'] = '1'\n"
        "mlflow.run('child', backend='waypost', env_manager='local')\n"
    )
    result = call(sys.executable, "-c", script)
    assert result.returncode == 0, result.stderr
    *workers, last = re.findall(r"worker (\d+)", result.stdout)
    assert len(workers) == 4
    assert len(set(workers)) == 1
    assert last not in workers
    assert "status RUNNING" in result.stdout
    assert "True FINISHED" in result.stdout


def test_environment_of_the_project(project: Path, call: Call) -> None:
    """Without --env-manager local the project runs in the environment that it asks for."""
    folder = project / "hello"
    contract = folder / "MLproject"
    contract.write_text("python_env: python_env.yaml\n" + contract.read_text())
    (folder / "python_env.yaml").write_text("dependencies: [-r requirements.txt]\n")
    text = (LIBRARY / "environment" / "requirements.txt").read_text()
    pinned = re.search(r"^packaging==.*?(?=^[a-zA-Z0-9])", text, re.MULTILINE | re.DOTALL)
    assert pinned
    (folder / "requirements.txt").write_text(pinned[0])
    (folder / "run.py").write_text("import sys, packaging\nprint('prefix', sys.prefix)\n")
    result = call("mlflow", "run", folder, "-P", "word=x", "--backend", "waypost")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"prefix {os.environ['WAYPOST_HOME']}/envs/" in result.stdout


def test_component_of_the_library(workplace: Path, call: Call) -> None:
    """Our own components run by it, with what they share."""
    copy = workplace / "library"
    for name in ("segregate", "componentkit", "environment"):
        shutil.copytree(LIBRARY / name, copy / name, ignore=shutil.ignore_patterns("mlflow.db", "mlruns"))
    data = next((ROOT / "pipeline" / "examples" / "data").glob("wine*"))
    result = call("mlflow", "run", copy / "segregate", "-P", f"data={data}", *BACKEND)
    assert result.returncode == 0, result.stdout + result.stderr
    assert only_run().data.metrics["rows_train"] > only_run().data.metrics["rows_test"]
