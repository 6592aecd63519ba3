"""Resolves engine/requirements/*.in into hashed locks without index lines (`make requirements`)."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from uv import find_uv_bin

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OPTIONS = [
    *("--quiet", "--upgrade", "--generate-hashes", "--universal", "--python-version", "3.11"),
    *("--no-header", "--no-annotate", "--no-emit-index-url"),
]


def compiled(source: Path, target: Path, *options: str) -> None:
    command = [find_uv_bin(), "pip", "compile", *OPTIONS, *options, str(source), "-o", str(target)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    dev = HERE / "dev.txt"
    compiled(HERE / "dev.in", dev)
    # The same versions everywhere, so that `.venv` has already fetched what the components need.
    same = ("--constraints", str(dev))
    compiled(HERE / "engine.in", ROOT / "pipeline" / "requirements.txt", *same)
    with tempfile.TemporaryDirectory() as temp:
        lock = Path(temp, "requirements.txt")
        compiled(HERE / "components.in", lock, *same)
        for project in sorted((ROOT / "components-repo").glob("*/MLproject")):
            shutil.copyfile(lock, project.with_name("requirements.txt"))
