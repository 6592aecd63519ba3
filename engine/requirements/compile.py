"""Resolves engine/requirements/*.in anew into hashed locks without index lines (`make requirements`).

The component library, a guest here, has resolved its own before, knowing nothing of the engine.
"""

import subprocess
from pathlib import Path

from uv import find_uv_bin

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIBRARY = ROOT / "components-repo"
OPTIONS = [
    *("--quiet", "--upgrade", "--generate-hashes", "--universal", "--python-version", "3.11"),
    *("--no-header", "--no-annotate", "--no-emit-index-url"),
]


def compiled(source: Path, target: Path, constraints: Path) -> None:
    """Resolves a list of requirements; what `constraints` has is taken in the version that it has there."""
    command = [find_uv_bin(), "pip", "compile", *OPTIONS, "--constraints", str(constraints), str(source)]
    subprocess.run([*command, "--output-file", str(target)], check=True)


if __name__ == "__main__":
    # The same versions everywhere, so that `.venv` has already fetched what the components need.
    dev = HERE / "dev.txt"
    compiled(HERE / "dev.in", dev, LIBRARY / "requirements-dev.txt")
    compiled(HERE / "engine.in", ROOT / "pipeline" / "requirements.txt", dev)
