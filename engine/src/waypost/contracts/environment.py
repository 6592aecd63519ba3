"""The environment of a project: its python_env.yaml, or its conda.yaml as far as uv can build it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from waypost.contracts.component import Project
from waypost.contracts.python_env import PythonEnv, requirement_file
from waypost.errors import Finding, FindingsError
from waypost.texts.limits import shortened
from waypost.texts.parsing import load_mapping, parse

# Files that stock MLflow looks for if the MLproject names no environment.
PYTHON_ENV, CONDA = "python_env.yaml", "conda.yaml"
_KEYS = ("python", "build_dependencies", "dependencies")
# Conda packages for pip's tools: they have the same names on PyPI.
_TOOLS = ("pip", "setuptools", "wheel")
# https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html
_SPEC = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[=<>!~\d][^\s=]*(?:=+[^\s=]+)*)?\s*")
_FUZZY = re.compile(r"=?(?P<version>\d\w*(?:\.\w+)*)(?:\.?\*)?(?:=[^=]+)?")
_PIN = re.compile(r"={0,3}\s*(\d+\.\d+)(\.[\w.*+]+)?")


class File(NamedTuple):
    """An environment file, relative to the component's folder."""

    name: str
    is_conda: bool


def environment_files(component: Project) -> tuple[File, ...]:
    """Returns the possible environment files: the one named in the MLproject, else MLflow's default names, of
    which the first existing one counts.
    """
    if component.python_env:
        return (File(component.python_env, is_conda=False),)
    if component.conda_env:
        return (File(component.conda_env, is_conda=True),)
    return (File(PYTHON_ENV, is_conda=False), File(CONDA, is_conda=True))


def find_environment(
    component: Project, text_of: Callable[[str], str | None], folder: str, contract: str
) -> PythonEnv:
    """Returns the environment of a component; an empty one if it names none.

    Args: `text_of` returns the text of a file in its folder, None if there is no such file; `folder` and
    `contract` are the names of the folder and its MLproject in messages. Raises FindingsError.
    """
    if found := read_environment(environment_files(component), text_of, folder):
        return found
    if named := component.python_env or component.conda_env:
        raise FindingsError([Finding(contract, f"no {named} here")])
    return PythonEnv()


def read_environment(
    files: Iterable[File], text_of: Callable[[str], str | None], folder: str
) -> PythonEnv | None:
    """Returns the environment in the first file that exists, None if none does. Raises FindingsError."""
    for file in files:
        text = text_of(file.name)
        if text is not None:
            place = posixpath.normpath(f"{folder}/{file.name}")
            return _conda_environment(text, file.name, place) if file.is_conda else _python_env(text, place)
    return None


def asks_for_packages(python_env: PythonEnv) -> bool:
    """Returns whether anything must be installed; always so for a conda.yaml."""
    return bool(python_env.dependencies or python_env.conda)


def serves(wanted: str | None, version: str) -> bool:
    """Returns whether a Python `version` (3.11.2) satisfies `wanted`: if that is an exact version, any patch
    level does.
    """
    if not wanted:
        return True
    if pin := _PIN.fullmatch(wanted.strip()):
        return pin[1] == ".".join(version.split(".")[:2])
    try:
        return Version(version) in SpecifierSet(wanted)
    except (InvalidSpecifier, InvalidVersion):
        return False


def request(wanted: str) -> str:
    """Returns the Python request for uv, such as `3.9` or `>=3.8,<3.10`: for an exact version any patch
    level.
    """
    pin = _PIN.fullmatch(wanted.strip())
    return pin[1] if pin else wanted.strip()


def buildable(python_env: PythonEnv) -> PythonEnv:
    """Returns the environment if uv can build all of it. Raises FindingsError that names conda-only
    packages.
    """
    if python_env.beyond:
        problem = f"{', '.join(python_env.beyond)}: only Python, pip, setuptools and wheel of conda are built"
        hint = (
            "list packages from PyPI under `pip:`, or run it in the engine's own environment: --env local"
            " (mlflow run: --env-manager local)"
        )
        raise FindingsError([Finding(f"{python_env.conda}: dependencies", problem, hint)])
    return python_env


def _python_env(text: str, place: str) -> PythonEnv:
    content = load_mapping(text, place)
    return parse(PythonEnv, {key: content[key] for key in _KEYS if key in content}, place)


def _conda_environment(text: str, file: str, place: str) -> PythonEnv:
    """Returns a conda environment as pip's packages and a Python; `beyond` is everything else."""
    content = load_mapping(text, place)
    dependencies = content.get("dependencies") or []
    if not isinstance(dependencies, list):
        raise FindingsError([Finding(f"{place}: dependencies", "a list is expected")])
    python: str | None = None
    tools: list[str] = []
    pip: list[str] = []
    left = ["variables"] if content.get("variables") else []
    for dependency in dependencies:
        if isinstance(dependency, dict) and list(dependency) == ["pip"]:
            pip += _pip_lines(dependency["pip"], file, place)
            continue
        name, version = _parsed(dependency)
        if version is None:
            left.append(shortened(dependency))
        elif name == "python":
            python = version or None
        elif name in _TOOLS:
            tools.append(name + version)
        else:
            left.append(shortened(dependency))
    found = {"python": python, "build_dependencies": tools, "dependencies": pip, "beyond": left}
    return parse(PythonEnv, {**found, "conda": place}, place)


def _parsed(dependency: Any) -> tuple[str, str | None]:
    """Returns name and version of a conda package in pip's notation; None if only conda knows it."""
    match = _SPEC.fullmatch(dependency) if isinstance(dependency, str) else None
    if match is None:
        return "", None
    version = match["version"] or ""
    if fuzzy := _FUZZY.fullmatch(version):
        version = f"=={fuzzy['version']}.*"
    elif version:
        try:
            version = str(SpecifierSet(version))
        except InvalidSpecifier:
            return match["name"], None
    return match["name"].lower(), version


def _pip_lines(lines: Any, file: str, place: str) -> Iterator[str]:
    """Yields pip's lines; a requirements file in them is relative to the conda.yaml."""
    if not isinstance(lines or [], list) or not all(isinstance(line, str) for line in lines or []):
        raise FindingsError([Finding(f"{place}: dependencies.pip", "a list of texts is expected")])
    for line in lines or []:
        named = requirement_file(line)
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(file), named)) if named else ""
        yield f"-r {beside}" if beside else line
