"""The suite touches neither the user's home nor the network, and no test sees another's runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from tests.forks import Forks

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "components-repo"
BIN = Path(sys.executable).parent
# A busy machine, and mutmut, take longer than a fifth of a second: pytest-timeout ends what hangs.
settings.register_profile("waypost", deadline=None)
settings.load_profile("waypost")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Names the group of a test where pytest-xdist looks for it, so that its tests share one process.

    pytest-xdist 3.8 does so itself, but in an attribute that pytest 9.2 no longer reads. Journeys come first:
    no long test is left when all others have ended.
    """
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark and not item.nodeid.endswith(suffix := f"@{mark.args[0]}"):
            item._id = type(item._id).parse(item.nodeid + suffix)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    """A tracking store with its tables made: making them takes seconds, copying does not."""
    folder = tmp_path_factory.mktemp("store")
    env = {**variables(folder), "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    forks.load("mlflow.cli", "mlflow.store.tracking.sqlalchemy_store")
    made = forks.run(["mlflow", "experiments", "search"], folder, env)
    assert made.returncode == 0, made.stderr
    return folder / "mlflow.db"


def variables(place: Path) -> dict[str, str]:
    """Returns the variables of a workplace that has its home, cache and temporary folder in `place`."""
    (place / "temp").mkdir()
    others = ("MLFLOW_", "WAYPOST_", "WANDB_", "PYTHONDONTWRITEBYTECODE")
    return {name: text for name, text in os.environ.items() if not name.startswith(others)} | {
        "HOME": str(place / "home"),
        "WAYPOST_HOME": str(place / "cache"),
        "WAYPOST_LOOK": "never",  # what it starts outlives the test
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "COLUMNS": "200",
        "TMPDIR": str(place / "temp"),
    }


@pytest.fixture
def workplace(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with a home and a cache of its own; the current folder of the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    wanted = variables(tmp_path)
    for name in os.environ.keys() - wanted.keys():
        monkeypatch.delenv(name)
    for name, text in wanted.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(folder)
    yield folder
    for name in os.environ.keys() - wanted.keys():  # what was set beside monkeypatch stays for no other test
        del os.environ[name]
    litter = [path.name for path in (tmp_path / "temp").glob("waypost-*")]
    assert not litter, f"left in the temporary folder: {litter}"
    left = [path.name for path in (tmp_path / "cache").glob("**/.building-*")]
    assert not left, f"half-built environments are left: {left}"


Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with contextlib.closing(Forks()) as found:
        yield found


@pytest.fixture
def call(workplace: Path, forks: Forks) -> Call:
    """Runs a command of the environment in the workplace; output is text, the exit code is free.

    `python -m waypost` is a fork of a process that has imported what it imports (see tests/forks.py).
    """

    def run(
        *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [str(argument) for argument in arguments]
        return forks.run(command, cwd or workplace, {**os.environ, **(env or {})})

    return run
