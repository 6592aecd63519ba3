"""Environments: built once from hashed requirements, never half-built, keyed by content."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import LIBRARY, Call
from tests.pipelines import write_component, write_pipeline
from tests.repositories import edit_contract
from waypost.contracts.python_env import PythonEnv
from waypost.errors import WaypostError
from waypost.runs.environments import Environment, digest_of, ensure

ENV = PythonEnv(dependencies=("-r requirements.txt",))


def pinned(name: str) -> str:
    """Returns one package's lines of the library's lock, hashes included."""
    text = (LIBRARY / "environment" / "requirements.txt").read_text()
    match = re.search(rf"^{name}==.*?(?=^[a-zA-Z0-9])", text, re.MULTILINE | re.DOTALL)
    assert match
    return match[0]


@pytest.fixture
def component(workplace: Path) -> Path:
    folder = workplace / "component"
    folder.mkdir()
    (folder / "requirements.txt").write_text(pinned("packaging"))
    return folder


def version(environment: Environment) -> str:
    script = "import packaging; print(packaging.__version__, packaging.__cached__)"
    python = environment.folder / "bin" / "python"
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout


def test_built_once_whoever_asks(component: Path, workplace: Path) -> None:
    """Of four that ask at once one builds and the others wait; byte code is there already."""
    said: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        built = list(pool.map(lambda _: ensure(component, ENV, workplace / "home", said.append), range(4)))
    assert len(set(built)) == 1
    assert len(said) == 1
    found, cached = version(built[0]).split()
    assert found in pinned("packaging")
    assert Path(cached).exists()
    assert [path.name for path in (workplace / "home" / "envs").iterdir() if path.is_dir()] == [
        built[0].digest
    ]


def test_key_is_the_content(component: Path) -> None:
    """Another requirement file, byte for byte, is another environment."""
    before = digest_of(component, ENV)
    assert digest_of(component, ENV) == before
    file = component / "requirements.txt"
    file.write_text(file.read_text() + "# changed\n")
    assert digest_of(component, ENV) != before


def test_wrong_hash_is_refused(component: Path, workplace: Path) -> None:
    """A package whose content is not what the lock says is not installed; nothing half-built stays."""
    file = component / "requirements.txt"
    file.write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", file.read_text()))
    with pytest.raises(WaypostError, match=r"component: the environment cannot be built: .*"):
        ensure(component, ENV, workplace / "home", print)
    assert not [path for path in (workplace / "home" / "envs").iterdir() if path.is_dir()]


def test_run_uses_the_environment_asked_for(workplace: Path, call: Call) -> None:
    """`waypost run` executes a step with the Python and packages of its python_env.yaml; another
    pipeline with equal requirements builds nothing.
    """
    root = workplace / "small"
    write_component(root / "parts", "where", "import sys, packaging\nprint('prefix', sys.prefix)\n")
    folder = root / "parts" / "where"
    project = folder / "MLproject"
    project.write_text("python_env: python_env.yaml\n" + project.read_text())
    (folder / "python_env.yaml").write_text("dependencies: [-r requirements.txt]\n")
    (folder / "requirements.txt").write_text(pinned("packaging"))
    write_pipeline(root, {"one": {"uses": "parts/where"}})
    result = call(sys.executable, "-m", "waypost", "run", root)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "building environment" in result.stdout
    log = next(workplace.glob("mlruns/*/*/artifacts/logs/one.log")).read_text()
    assert log.startswith(f"prefix {workplace.parent / 'cache' / 'envs'}")
    file = next((workplace.parent / "cache" / "envs").glob("*/lib/*/site-packages/packaging/__init__.py"))
    assert file.stat().st_nlink > 1, "not copied: a link into uv's cache"
    other = workplace / "other"
    shutil.copytree(root, other)
    again = call(sys.executable, "-m", "waypost", "run", other, "--no-cache")
    assert again.returncode == 0
    assert "building environment" not in again.stdout


def test_all_that_cannot_be_built_is_told_at_once(workplace: Path, call: Call) -> None:
    """Each component that asks for packages of conda is named, not only the first."""
    for name in ("one", "two"):
        write_component(workplace / "parts", name, "print(1)\n")
        edit_contract(workplace / "parts", name, lambda contract: contract.update(conda_env="conda.yaml"))
        (workplace / "parts" / name / "conda.yaml").write_text("dependencies: [python=3.11, cudatoolkit]\n")
    write_pipeline(workplace, {name: {"uses": f"parts/{name}"} for name in ("one", "two")})
    result = call("python", "-m", "waypost", "run")
    assert result.returncode == 1
    assert "one/conda.yaml" in result.stderr
    assert "two/conda.yaml" in result.stderr
