"""What a command's code imports and configures, found without running it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from waypost.contracts.command import PythonCommand
from waypost.runs import fork_server
from waypost.runs.imports import Reached, reached

RUN = PythonCommand((), file="run.py")


def look(root: Path, files: dict[str, str], command: PythonCommand = RUN) -> Reached:
    """Writes files below ROOT/part, and returns what a command reaches there."""
    for name, code in files.items():
        file = root / "part" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
    return reached(root / "part", command)


def test_modules_of_others(tmp_path: Path) -> None:
    """Those of functions and of shared folders too; not the component's own, not those for types or tests."""
    files = {
        "run.py": "import os, sub\nfrom kit.words import x\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import heavy\nelse:\n    import light\n"
        "def f(t):\n    import pandas as pd\n    from a.b import c\n    return pd.read_parquet(t)\n",
        "sub.py": "import wave\nimport broken\n",
        "test_run.py": "import pytest\n",
        "broken.py": "import (\n",
        "../kit/words.py": "import sklearn.ensemble\n",
        "../kit/unused.py": "import poplib\n",
    }
    found = look(tmp_path, files, PythonCommand((), file="run.py", variables={"PYTHONPATH": ".."}))
    expected = {"os", "typing", "light", "pandas", "a.b", "pyarrow.dataset", "wave", "sklearn.ensemble"}
    assert set(found.modules) == expected
    assert not found.configures


def test_only_what_is_reached(tmp_path: Path) -> None:
    """Environments, packages of other languages and files that nobody imports are not looked at."""
    extra = {f"{place}/a.py": "import poplib" for place in (".venv/lib", "node_modules/x", "notes")}
    assert look(tmp_path, {"run.py": "import json", **extra}).modules == ("json",)


LIB = "import sys\nsys.path.insert(0, 'lib')\nimport near"
DEEP = "import os, sys\nsys.path.append(os.path.join(os.path.dirname(__file__), '..', 'lib'))\nimport near"
CALLED = "import importlib as i\ni.import_module('steps.one')"
HANDED = "from near import main\nmain(__file__, 'steps.one')"


@pytest.mark.parametrize(
    ("command", "files", "modules"),
    [
        ("src/train.py", {"src/train.py": "import near", "src/near.py": "import wave"}, ["wave"]),
        ("pkg", {"pkg/__main__.py": "from pkg.a import b", "pkg/a.py": "import wave"}, ["wave"]),
        ("pkg.a", {"pkg/a.py": "from .b import c", "pkg/b.py": "import wave"}, ["wave"]),
        (
            "pkg.a",
            {"pkg/a.py": "from . import b", "pkg/__init__.py": "import json", "pkg/b.py": ""},
            ["json"],
        ),
        ("poplib", {}, ["poplib"]),
        ("run.py", {"run.py": LIB, "lib/near.py": "import wave"}, ["sys", "wave"]),
        ("src/run.py", {"src/run.py": DEEP, "lib/near.py": "import wave"}, ["os", "sys", "wave"]),
        (
            "run.py",
            {"run.py": HANDED, "near.py": "def main(f, m): ...", "steps/one.py": "import wave"},
            ["wave"],
        ),
        ("run.py", {"run.py": CALLED, "steps/one.py": "import wave"}, ["importlib", "wave"]),
        ("run.py", {"run.py": "import near, wandb", "near.py": "import run", "wandb/x": ""}, ["wandb"]),
    ],
)
def test_how_own_modules_are_found(
    tmp_path: Path, command: str, files: dict[str, str], modules: list[str]
) -> None:
    """As Python finds them: beside the program, in the folder, in packages, where sys.path is led to."""
    is_file = command.endswith(".py")
    asked = PythonCommand((), file=command) if is_file else PythonCommand((), module=command)
    found = look(tmp_path, files, asked)
    assert list(found.modules) == modules


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport numpy",
        "import os\nos.environ.setdefault('MPLBACKEND', 'svg')",
        "import os\nos.environ.update(KERAS_BACKEND='jax')",
        "import os\nos.environ |= {'A': 'b'}",
        "import os\ndel os.environ['A']",
        "from os import environ\nenviron['A'] = 'b'",
        "from os import environ as e\ne['A'] = 'b'",
        "import os\nenv = os.environ\nenv['A'] = 'b'",
        "import os\nos.putenv('A', 'b')",
        "from dotenv import load_dotenv\nload_dotenv()",
        "def main():\n    import os\n    os.environ['CUDA_VISIBLE_DEVICES'] = '0'\n    import torch",
        "import settings",
    ],
)
def test_code_that_configures(tmp_path: Path, code: str) -> None:
    """It sets variables that modules read when they are imported: no worker may have imported them before."""
    settings = "import os\nos.environ['A'] = 'b'"
    assert look(tmp_path, {"run.py": code, "settings.py": settings}).configures


@pytest.mark.parametrize(
    "code",
    [
        "import os\nprint(os.environ['A'], os.environ.get('B'), dict(os.environ))",
        "import subprocess, os\nenv = {**os.environ, 'A': 'b'}\nenv['B'] = 'c'\nsubprocess.run('x', env=env)",
        "d = {}\nd.update(a=1)\nd['x'] = 2",
    ],
)
def test_code_that_only_reads(tmp_path: Path, code: str) -> None:
    """It stays with a worker."""
    assert not look(tmp_path, {"run.py": code}).configures


def test_a_worker_runs_in_an_old_python() -> None:
    """What runs in the environment of a component takes Python 3.8, as components of strangers ask for: its
    syntax, and no method of texts that is newer.
    """
    tree = ast.parse(Path(fork_server.__file__).read_text(encoding="utf-8"), feature_version=(3, 8))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"removeprefix", "removesuffix"}
