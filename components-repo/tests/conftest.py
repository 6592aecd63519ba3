"""No test sees another's runs, the user's home, or an installed Waypost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1]
COMPONENTS = sorted(path.parent.name for path in LIBRARY.glob("*/MLproject"))
BIN = Path(sys.executable).parent

Call = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts what takes longest first: no long test is left when all others have ended."""
    items.sort(
        key=lambda item: (item.get_closest_marker("journey") is None, item.path.name != "test_stock.py")
    )


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracking store with its tables made: making them takes seconds, copying does not."""
    folder = tmp_path_factory.mktemp("store")
    script = "import mlflow; mlflow.MlflowClient().search_experiments()"
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, "-c", script], check=True, env=env, cwd=folder)
    return folder / "mlflow.db"


@pytest.fixture
def workplace(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a home of its own, where Waypost cannot be imported; the current folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    blocker = tmp_path / "blocker" / "waypost"
    blocker.mkdir(parents=True)
    (blocker / "__init__.py").write_text("raise ImportError('a component imported Waypost')\n")
    monkeypatch.setenv("PYTHONPATH", str(blocker.parent))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def call(workplace: Path) -> Call:
    """Runs a command of the environment in the workplace; output is text, the exit code is free."""

    def run(
        *arguments: str | Path, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        command = [str(argument) for argument in arguments]
        env = {**os.environ, **variables}
        place, nothing = cwd or workplace, subprocess.DEVNULL
        return subprocess.run(
            command, cwd=place, env=env, stdin=nothing, capture_output=True, text=True, check=False
        )

    return run
