"""Small pipelines for tests: components of a few lines that need no library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


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
