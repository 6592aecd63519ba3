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

# The files that stock MLflow looks for if the MLproject names no environment.
PYTHON_ENV, CONDA = "python_env.yaml", "conda.yaml"
_KEYS = ("python", "build_dependencies", "dependencies")
# What conda has for the tools of pip: the same on PyPI.
_TOOLS = ("pip", "setuptools", "wheel")
# https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html
_SPEC = re.compile(r"(?:[\w./-]+::)?(?P<name>[\w.-]+)\s*(?P<version>[=<>!~\d][^\s=]*(?:=+[^\s=]+)*)?\s*")
_FUZZY = re.compile(r"=?(?P<version>\d\w*(?:\.\w+)*)(?:\.?\*)?(?:=[^=]+)?")
_PIN = re.compile(r"={0,3}\s*(\d+\.\d+)(\.[\w.*+]+)?")


class File(NamedTuple):
    """A file that says what to install, relative to the component's folder."""

    name: str
    is_conda: bool


def environment_files(component: Project) -> tuple[File, ...]:
    """Returns where an environment is described: the file that the MLproject names, else those that stock
    MLflow takes by their names, the first that is there.
    """
    if component.python_env:
        return (File(component.python_env, is_conda=False),)
    if component.conda_env:
        return (File(component.conda_env, is_conda=True),)
    return (File(PYTHON_ENV, is_conda=False), File(CONDA, is_conda=True))


def find_environment(
    component: Project, text_of: Callable[[str], str | None], folder: str, contract: str
) -> PythonEnv:
    """Returns the environment that a component asks for; an empty one if it names none.

    Args: `text_of` gives the text of a file in its folder, None if there is no such file; `folder` and
    `contract` are how messages name the folder, and the MLproject in it. Raises FindingsError.
    """
    if found := read_environment(environment_files(component), text_of, folder):
        return found
    if named := component.python_env or component.conda_env:
        raise FindingsError([Finding(contract, f"no {named} here")])
    return PythonEnv()


def read_environment(
    files: Iterable[File], text_of: Callable[[str], str | None], folder: str
) -> PythonEnv | None:
    """Returns what the first file that is there asks for, None if none is. Raises FindingsError."""
    for file in files:
        text = text_of(file.name)
        if text is not None:
            place = posixpath.normpath(f"{folder}/{file.name}")
            return _conda_environment(text, file.name, place) if file.is_conda else _python_env(text, place)
    return None


def asks_for_packages(python_env: PythonEnv) -> bool:
    """Returns whether anything has to be installed; for a conda.yaml something always has."""
    return bool(python_env.dependencies or python_env.conda)


def serves(wanted: str | None, version: str) -> bool:
    """Returns whether a Python `version` (3.11.2) is one that is `wanted`: of one that is named exactly,
    another patch level serves as well.
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
    """Returns the Python request for uv, such as `3.9` or `>=3.8,<3.10`: any patch level of a version
    that is named exactly.
    """
    pin = _PIN.fullmatch(wanted.strip())
    return pin[1] if pin else wanted.strip()


def buildable(python_env: PythonEnv) -> PythonEnv:
    """Returns what uv can build, which is all of it. Raises FindingsError that names what conda alone has."""
    if python_env.beyond:
        problem = (
            f"{', '.join(python_env.beyond)}: of conda, Python, pip, setuptools and wheel alone are built"
        )
        hint = (
            "list what PyPI has below `pip:`, or run it in the engine's own environment: --env local"
            " (mlflow run: --env-manager local)"
        )
        raise FindingsError([Finding(f"{python_env.conda}: dependencies", problem, hint)])
    return python_env


def _python_env(text: str, place: str) -> PythonEnv:
    content = load_mapping(text, place)
    return parse(PythonEnv, {key: content[key] for key in _KEYS if key in content}, place)


def _conda_environment(text: str, file: str, place: str) -> PythonEnv:
    """Returns a conda environment as pip's packages and a Python; `beyond` is what is neither."""
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
    """Returns name and version of a conda package, as pip writes it; None if only conda knows it."""
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
    """Yields pip's lines; a requirements file that they name lies beside the conda.yaml."""
    if not isinstance(lines or [], list) or not all(isinstance(line, str) for line in lines or []):
        raise FindingsError([Finding(f"{place}: dependencies.pip", "a list of texts is expected")])
    for line in lines or []:
        named = requirement_file(line)
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(file), named)) if named else ""
        yield f"-r {beside}" if beside else line
