"""What a project asks to be installed: python_env.yaml, and conda.yaml as far as uv builds it."""

from __future__ import annotations

import pytest

from waypost.contracts.component import parse_component
from waypost.contracts.environment import asks_for_packages, buildable, find_environment, request, serves
from waypost.contracts.python_env import PythonEnv
from waypost.errors import FindingsError


def read(contract: str, **files: str) -> PythonEnv:
    """Returns what a component in the folder `load` asks for; `files` by name, with `_` for the dot."""
    texts = {name.replace("__", "/").replace("_yaml", ".yaml"): text for name, text in files.items()}
    return find_environment(parse_component(contract, "MLproject"), texts.get, "load", "load/MLproject")


def test_what_asks_for_packages() -> None:
    """Dependencies do, and a conda.yaml does without any."""
    assert asks_for_packages(PythonEnv(dependencies=("numpy",)))
    assert asks_for_packages(PythonEnv(conda="name: x"))
    assert not asks_for_packages(PythonEnv())


def conda(dependencies: str) -> PythonEnv:
    return read("conda_env: conda.yaml", conda_yaml=f"dependencies: [{dependencies}]")


@pytest.mark.parametrize(
    ("dependencies", "python", "tools", "pip"),
    [
        ("python=3.9", "==3.9.*", (), ()),
        ("python 3.9", "==3.9.*", (), ()),
        ("python=3.9.*", "==3.9.*", (), ()),
        ("python==3.9.7", "==3.9.7", (), ()),
        ("python=3.9.7=h12debd9_1", "==3.9.7.*", (), ()),
        ("'python>=3.8,<3.10'", "<3.10,>=3.8", (), ()),
        ("conda-forge::python=3", "==3.*", (), ()),
        ("python", None, (), ()),
        ("pip, setuptools<60, {pip: [mlflow==2.1, x]}", None, ("pip", "setuptools<60"), ("mlflow==2.1", "x")),
        ("{pip: [a]}, {pip: [b]}, setuptools", None, ("setuptools",), ("a", "b")),
        (
            "pip=21.2.4=py39_0, {pip: ['-r requirements.txt']}",
            None,
            ("pip==21.2.4.*",),
            ("-r requirements.txt",),
        ),
    ],
)
def test_conda_environments_of_pip_and_python(
    dependencies: str, python: str | None, tools: tuple[str, ...], pip: tuple[str, ...]
) -> None:
    """Python, the tools of pip, and what pip installs: as uv is asked for it."""
    found = buildable(conda(dependencies))
    assert (found.python, found.build_dependencies, found.dependencies) == (python, tools, pip)
    assert found.conda == "load/conda.yaml"


@pytest.mark.parametrize(
    ("dependencies", "named"),
    [
        ("numpy=1.21, python=3.9", "numpy=1.21"),
        ("conda-forge::cudatoolkit, {pip: [x]}", "conda-forge::cudatoolkit"),
        ("python=3.8|3.9", "python=3.8|3.9"),
        ("'python[version=3]', r-base", "python[version=3], r-base"),
        ("3.9", "3.9"),
        ("{npm: [x]}", "{'npm': ['x']}"),
    ],
)
def test_what_only_conda_has_is_refused_by_name(dependencies: str, named: str) -> None:
    """It is read, so that a lock can name the component, and refused where it would have to be built."""
    found = conda(dependencies)
    with pytest.raises(FindingsError, match="only Python, pip, setuptools and wheel") as caught:
        buildable(found)
    (finding,) = caught.value.findings
    assert finding.place == "load/conda.yaml: dependencies"
    assert finding.problem.startswith(f"{named}: ")
    assert "--env local" in finding.hint


def test_variables_of_a_conda_environment_are_named() -> None:
    """conda would set them when the environment is activated; nobody does here."""
    with pytest.raises(FindingsError, match="variables"):
        buildable(read("conda_env: conda.yaml", conda_yaml="variables: {A: b}"))


@pytest.mark.parametrize(
    "text", ["dependencies: x", "dependencies: [{pip: x}]", "dependencies: [{pip: [1]}]"]
)
def test_malformed_conda_environments(text: str) -> None:
    """What has another form than conda's is told with its key."""
    with pytest.raises(FindingsError, match=r"load/conda.yaml: dependencies"):
        read("conda_env: conda.yaml", conda_yaml=text)


def test_which_file_counts() -> None:
    """The one that the MLproject names; else those that MLflow takes by their names; else nothing."""
    both = {"python_env_yaml": "dependencies: [a]", "conda_yaml": "dependencies: [{pip: [b]}]"}
    assert read("conda_env: conda.yaml", **both).dependencies == ("b",)
    assert read("python_env: python_env.yaml", **both).dependencies == ("a",)
    assert read("name: x", **both).dependencies == ("a",)
    assert read("name: x", conda_yaml=both["conda_yaml"]).dependencies == ("b",)
    assert read("name: x") == PythonEnv()
    beside = read("conda_env: env/c.yaml", env__c_yaml="dependencies: [{pip: [-r r.txt]}]")
    assert beside.dependencies == ("-r env/r.txt",)
    with pytest.raises(FindingsError, match=r"load/MLproject: no conda\.yaml here"):
        read("conda_env: conda.yaml")


@pytest.mark.parametrize(
    ("contract", "problem"),
    [
        ("docker_env: {image: x}", "docker_env: Waypost runs no containers"),
        ("conda_env: a\npython_env: b", "python_env and conda_env: MLflow accepts one of them"),
    ],
)
def test_environments_that_are_refused(contract: str, problem: str) -> None:
    """A container is never left out in silence; two environments are one too many, as for MLflow."""
    with pytest.raises(FindingsError, match=problem):
        parse_component(contract, "MLproject")


@pytest.mark.parametrize(
    ("wanted", "version", "is_served"),
    [
        (None, "3.11.2", True),
        ("3.11", "3.11.2", True),
        ("3.11.9", "3.11.2", True),
        ("==3.11.*", "3.11.2", True),
        ("3.1", "3.11.2", False),
        ("3.10", "3.11.2", False),
        ("==3.9.7", "3.11.2", False),
        (">=3.8,<3.12", "3.11.2", True),
        (">=3.8,<3.10", "3.11.2", False),
        ("pypy", "3.11.2", False),
    ],
)
def test_which_python_serves(wanted: str | None, version: str, is_served: bool) -> None:
    """Any patch level of a version that is named exactly; a range as it is written."""
    assert serves(wanted, version) is is_served


def test_what_uv_is_asked_for() -> None:
    """The minor version of an exact one, a range as it is."""
    asked = ["3.9.7", "==3.9.*", ">=3.8,<3.10"]
    assert [request(wanted) for wanted in asked] == ["3.9", "3.9", ">=3.8,<3.10"]
