"""Makes an environment of the lowest, or the newest, versions that pyproject.toml allows (`make bounds`).

What the engine asks for by name comes in the version that is asked for; what comes with it, and what only the
tests need, in the newest that goes with that.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from uv import find_uv_bin

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"


def direct() -> set[str]:
    """Returns the names of what pyproject.toml asks for."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return {re.split(r"[\[<>=!~; ]", text)[0].lower() for texts in lists for text in texts}


def resolved(resolution: str, python: Path) -> str:
    """Returns the versions of what pyproject.toml asks for, a line each."""
    command = [find_uv_bin(), "pip", "compile", "--quiet", "--resolution", resolution, "--python", python]
    options = ["--all-extras", "--no-header", "--no-annotate", "--no-emit-index-url", PROJECT]
    lines = subprocess.run([*command, *options], check=True, capture_output=True, text=True).stdout
    names = direct()
    return "".join(f"{line}\n" for line in lines.splitlines() if line.partition("==")[0].lower() in names)


def main(resolution: str, folder: Path) -> None:
    """Makes the environment in a folder, anew."""
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--clear", folder], check=True)
    python = folder / "bin" / "python"
    versions = folder / "versions.txt"
    versions.write_text(resolved(resolution, python), encoding="utf-8")
    install = [find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    needed = ["--requirement", versions, "--requirement", HERE / "tests.in", "--editable", HERE.parent]
    subprocess.run([*install, *needed], check=True)
    print(versions.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
