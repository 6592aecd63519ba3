"""Small pipelines for tests: components of a few lines that need no library."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT


def write_component(root: Path, name: str, code: str, **parameters: Any) -> None:
    """Writes ROOT/NAME with an MLproject whose parameters are `{type: …}` mappings."""
    folder = root / name
    folder.mkdir(parents=True)
    flags = " ".join(f"--{parameter} {{{parameter}}}" for parameter in parameters)
    contract = {
        "name": name,
        "entry_points": {"main": {"parameters": parameters, "command": f"python run.py {flags}"}},
    }
    (folder / "MLproject").write_text(yaml.safe_dump(contract, sort_keys=False))
    (folder / "run.py").write_text(code)


def write_pipeline(root: Path, steps: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
    """Writes ROOT/pipeline.yaml and ROOT/params.yaml on the components in ROOT/parts."""
    root.mkdir(parents=True, exist_ok=True)
    content = {"name": "small", "components": {"parts": {"path": "parts"}}, "steps": steps}
    (root / "pipeline.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    (root / "params.yaml").write_text(yaml.safe_dump(parameters or {}, sort_keys=False))


def reference_as_locked(place: Path) -> Path:
    """Puts the reference pipeline into a folder, and beside it the library that its lock names.

    What is new in the library waits for a release, and is a warning until then.
    """
    pins = json.loads((ROOT / "pipeline" / "components.lock.json").read_text())["components"]
    [version] = {pin["version"] for pin in pins.values()}
    record = f"components-repo/releases/{version}.json"
    git = ["git", "-C", str(ROOT)]
    log = [*git, "log", "-1", "--format=%H", "--diff-filter=A", "--", record]
    commit = subprocess.run(log, check=True, capture_output=True, text=True).stdout.strip()
    archive = subprocess.run([*git, "archive", commit, "components-repo"], check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", str(place)], check=True, input=archive.stdout)
    ignored = shutil.ignore_patterns("__pycache__", "mlflow.db", "mlruns", "wandb", ".*")
    return Path(shutil.copytree(ROOT / "pipeline", place / "pipeline", ignore=ignored))
