"""Hostile form files, and the extension under sanitizers: no read outside, no undefined behaviour."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.fuzzing import CASES

ENGINE = Path(__file__).parents[1]
FLAGS = ["-shared", "-fPIC", "-g", "-O1", "-Wall", "-Wextra", "-Werror"]
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.journey
def test_hostile_forms(tmp_path: Path) -> None:
    """Mutated forms are refused, by both readers alike, or answered with the bits of the plain rule, and so
    are plans for the features of a row; the sanitizers find no fault.
    """
    compiler = shutil.which("gcc")
    include = Path(sysconfig.get_path("include"))
    if compiler is None or not (include / "Python.h").is_file():
        pytest.skip("there is no compiler, or no header of Python's")
    out = tmp_path / "waypost_walk.abi3.so"
    command: list[str | Path] = [
        compiler,
        *FLAGS,
        *SANITIZED,
        f"-I{include}",
        *sorted((ENGINE / "walk").glob("*.c")),
        "-o",
        out,
    ]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the compiler has no sanitizers")
    library = subprocess.run(
        [compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    result = subprocess.run(
        [sys.executable, "-m", "tests.fuzz_walk", "0", str(CASES * 20)],
        cwd=ENGINE,
        env={
            **os.environ,
            "LD_PRELOAD": library,
            "ASAN_OPTIONS": "detect_leaks=0",
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{ENGINE}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    found = re.fullmatch(
        r"(\d+) refused, (\d+) answered, (\d+) plans refused, (\d+) answered\n", result.stdout
    )
    assert found
    assert min(map(int, found.groups())) > CASES
