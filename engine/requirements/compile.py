"""Resolves pyproject.toml and engine/requirements/*.in into hashed locks without index lines.

`make requirements` moves everything to its newest version; without `--upgrade` what is locked stays, and only
what is new is resolved. The component library, a guest here, has resolved its own before, knowing nothing of
the engine.
"""

import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIBRARY = ROOT / "components-repo"
PROJECT = HERE.parent / "pyproject.toml"
OPTIONS = [
    *("--quiet", "--generate-hashes", "--universal", "--python-version", "3.11"),
    *("--no-header", "--no-annotate", "--no-emit-index-url", *sys.argv[1:]),
]


def compiled(target: Path, constraints: Path, *sources: str | Path) -> None:
    """Resolves sources (files, options); what `constraints` has is taken in the version that it has there."""
    command = [find_uv_bin(), "pip", "compile", *OPTIONS, "--constraints", constraints, *sources]
    subprocess.run([*map(str, command), "--output-file", str(target)], check=True)


if __name__ == "__main__":
    # The same versions everywhere, so that `.venv` has already fetched what the components need.
    dev = HERE / "dev.txt"
    compiled(dev, LIBRARY / "requirements-dev.txt", PROJECT, "--all-extras", HERE / "dev.in")
    compiled(HERE.parent / "src/waypost/images/requirements.txt", dev, PROJECT, "--extra", "serve")
    compiled(ROOT / "pipeline" / "requirements.txt", dev, PROJECT)
