"""The wheel of the engine, built and installed as users have it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def installed(place: Path, lock: Path) -> Path:
    """Returns the `waypost` of a new environment in `place`, with the wheel and a lock and nothing else."""
    from uv import find_uv_bin

    source, env, uv = place / "engine", place / "env", find_uv_bin()
    shutil.copytree(ROOT / "engine", source, ignore=shutil.ignore_patterns("tests", "*.egg-info", "build"))
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    subprocess.run([*pip, "--wheel-dir", place, source], check=True)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, env], check=True)
    install = (uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", env / "bin" / "python")
    subprocess.run([*install, "--require-hashes", "--requirement", lock], check=True)
    subprocess.run([*install, "--no-deps", *place.glob("*.whl")], check=True)
    return env / "bin" / "waypost"
