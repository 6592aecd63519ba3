"""Where a component's code runs: an environment that uv builds once from hashed requirements."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filelock

from waypost.contracts.environment import asks_for_packages, buildable, request, serves
from waypost.contracts.python_env import PythonEnv, requirement_file
from waypost.errors import WaypostError
from waypost.sources.files import read_text
from waypost.system.machine import packages
from waypost.system.process import ProcessError, output_of
from waypost.system.scratch import scratch
from waypost.system.uv import uv


class MissingPythonError(WaypostError):
    """The Python that an environment needs is not on this machine, and uv cannot fetch it."""


@dataclass(frozen=True)
class Environment:
    """A folder with `bin/python`; `digest` identifies its contents."""

    digest: str
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """Returns the variables that activating the environment would set."""
        path = os.pathsep.join([str(self.folder / "bin"), os.environ.get("PATH", os.defpath)])
        return {"PATH": path, "VIRTUAL_ENV": str(self.folder)}


def platform_tag() -> str:
    """Returns system, machine and Python, such as `linux-x86_64-py3.11`."""
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return f"{platform.system()}-{platform.machine()}-{python}".lower()


def local() -> Environment:
    """Returns the environment that the engine itself runs in."""
    return Environment(_local_digest(), Path(sys.prefix))


def _local_digest() -> str:
    """Returns the digest of the packages installed in the engine's own environment, by name and version."""
    names = sorted(p.name for folder in set(packages()) for p in folder.glob("*.dist-info"))
    parts = ["local", platform_tag(), platform.python_version(), *names]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def to_build(python_env: PythonEnv | None) -> PythonEnv | None:
    """Returns the environment to build, None if the engine's own satisfies all requirements. Raises
    FindingsError if uv cannot build it.
    """
    if python_env is None or not (asks_for_packages(python_env) or not _is_ours(python_env)):
        return None
    return buildable(python_env)


def _is_ours(python_env: PythonEnv) -> bool:
    return serves(python_env.python, platform.python_version())


def digest_of(component: Path, python_env: PythonEnv | None) -> str:
    """Returns the digest of an environment's inputs: requirement bytes, Python, platform; None means the
    engine's own.
    """
    if python_env is None:
        return _local_digest()
    python = platform.python_version() if _is_ours(python_env) else request(python_env.python or "")
    parts = [platform_tag(), python]
    for line in python_env.dependencies:
        file = requirement_file(line)
        parts.append(read_text(component / file) if file else line)
    if tools := _tools(component, python_env):
        parts += ["first", *tools]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def ensure(
    component: Path,
    python_env: PythonEnv,
    home: Path,
    say: Callable[[str], None],
    wheels: Path | None = None,
) -> Environment:
    """Returns a component's environment, building it first if needed; only from a folder of `wheels`, if
    given.

    Built under a lock in a temporary folder and renamed: no other process ever sees half of one. Raises
    WaypostError with uv's output.
    """
    digest = digest_of(component, python_env)
    target = home / "envs" / digest
    if target.exists():
        return Environment(digest, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(target.with_suffix(".lock")):
        if not target.exists():
            asked = f"{python_env.conda}: " if python_env.conda else ""
            say(f"{asked}building environment {digest[:12]} (once for these requirements)")
            temp = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
            try:
                _build(component, python_env, temp, wheels)
                temp.rename(target)
            except ProcessError as error:
                place = python_env.conda or component.name
                message = f"{place}: the environment cannot be built: {error.stderr.strip()}"
                raise WaypostError(message, hint="--env local uses Waypost's own") from error
            finally:
                shutil.rmtree(temp, ignore_errors=True)
    return Environment(digest, target)


def download(component: Path, python_env: PythonEnv, folder: Path) -> None:
    """Downloads the wheels of a component's environment into a folder, for this platform.

    Raises WaypostError if a requirement has no wheel, or if the downloaded wheels are not sufficient.
    """
    wanted, hashed = _requirements(component, python_env)
    with scratch() as temp:
        _create(component, python_env, temp / "env", "--seed")
        pip = [str(temp / "env" / "bin" / "python"), "-m", "pip", "download", "--quiet"]
        options = ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
        check = ["pip", "install", "--quiet", "--dry-run", *_from_wheels(folder), *hashed]
        try:
            output_of([*pip, *options, *hashed, *wanted])
            uv(*check, "--python", str(temp / "env" / "bin" / "python"), *wanted)
        except ProcessError as error:
            message = f"{component.name}: some of its wheels are not available: {error.stderr.strip()}"
            raise WaypostError(message) from error


def _build(component: Path, python_env: PythonEnv, folder: Path, wheels: Path | None) -> None:
    # Relocatable, since the folder is renamed; byte-compiled, since imports are three times faster.
    _create(component, python_env, folder, "--relocatable", "--allow-existing")
    wanted, hashed = _requirements(component, python_env)
    install = ["pip", "install", "--quiet", "--compile-bytecode", "--python", f"{folder}/bin/python"]
    if wheels:
        install += _from_wheels(wheels)
    for arguments in (_tools(component, python_env), [*hashed, *wanted]):
        if arguments:
            # A source distribution runs its own code during the build.
            uv(*install, *arguments, cwd=component, supervised=True)


def _create(component: Path, python_env: PythonEnv, folder: Path, *options: str) -> None:
    """Creates an environment without packages. Raises MissingPythonError, ProcessError."""
    try:
        uv("venv", "--quiet", *options, "--python", _interpreter(python_env), str(folder))
    except ProcessError as error:
        if _is_ours(python_env):
            raise
        asked = request(python_env.python or "")
        lines = [line for line in error.stderr.splitlines() if not line.startswith("hint:")]
        why = " ".join(lines).rpartition("cause:")[2].removeprefix("error:").strip()
        place = python_env.conda or component.name
        message = f"{place}: it needs Python {asked}, which is not installed and cannot be fetched: {why}"
        raise MissingPythonError(message, hint=f"install it: uv python install {asked}") from error


def _interpreter(python_env: PythonEnv) -> str:
    """Returns the Python for an environment: the engine's, or one that uv finds or downloads."""
    return sys.executable if _is_ours(python_env) else request(python_env.python or "")


def _tools(component: Path, python_env: PythonEnv) -> list[str]:
    """Returns what is installed first: pip's build tools, as MLflow does; nothing if all else is hashed,
    since no hash would fix their versions.
    """
    return [] if _are_hashed(component, python_env) else list(python_env.build_dependencies)


def _requirements(component: Path, python_env: PythonEnv) -> tuple[list[str], list[str]]:
    """Returns arguments for uv or pip: requirements, and whether hashes are required."""
    wanted: list[str] = []
    for line in python_env.dependencies:
        file = requirement_file(line)
        # The other lines are as in a requirements file: `mlflow  # any`, `--extra-index-url URL`.
        plain = line.partition(" #")[0].strip()
        rest = shlex.split(plain) if plain.startswith("-") else [plain]
        wanted += ["--requirement", str(component / file)] if file else rest
    return wanted, ["--require-hashes"] if wanted and _are_hashed(component, python_env) else []


def _from_wheels(folder: Path) -> list[str]:
    return ["--no-index", "--offline", "--find-links", str(folder)]


def _are_hashed(component: Path, python_env: PythonEnv) -> bool:
    lines = python_env.dependencies
    return bool(lines) and all(_is_hashed(component, line) for line in lines)


def _is_hashed(component: Path, line: str) -> bool:
    file = requirement_file(line)
    return file is not None and "--hash=" in read_text(component / file)
