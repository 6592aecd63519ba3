"""A pyproject.toml: what is read of it, and what would keep a package from being built or found."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.project import Project, import_names, parse_project, project_findings
from waypost.errors import FindingsError


def project(**content: Any) -> Project:
    return Project.model_validate({"name": "way-post.kit", "version": "1.2.0", **content})


def found(setup_cfg: str = "1.2.0", there: tuple[str, ...] = (), **content: Any) -> list[str]:
    return [str(finding) for finding in project_findings(project(**content), setup_cfg, there)]


def test_what_is_read() -> None:
    """[project] and [tool.waypost]; a file without a project is none; what is wrong is told by its place."""
    text = '[project]\nname = "a"\nversion = "1"\n[tool.waypost]\nproduct = "package"\n'
    read = parse_project(text)
    assert read
    assert (read.name, read.version, read.settings.product) == ("a", "1", "package")
    assert parse_project("[tool.black]\n") is None
    assert parse_project("project = 1\n") is None
    for text, place in (
        ("[project", "not valid TOML"),
        ("[project]\n", "project"),
        ('[project]\nname = "a"\n[tool.waypost]\nprodukt = 1\n', "tool.waypost"),
    ):
        with pytest.raises(FindingsError, match=place):
            parse_project(text)


def test_nothing_to_find() -> None:
    """A version that is equal however it is written, a readme that is there, marks and extras in lines."""
    assert found("1.2", readme="README.md", there=("README.md",)) == []
    assert found(readme={"file": "a.md"}, there=("a.md",)) == found(readme={"text": "x"}) == []
    assert found(dependencies=("a[b]>=1; python_version > '3'",), scripts={"x": "a.b:c.d", "y": "a"}) == []
    assert found(scripts={"x": "a:b [extra]"}) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"name": "-a"}, "'-a' is not a valid package name"),
        ({"version": None}, 'project.version it is missing; version = "1.2.0"'),
        ({"version": None, "dynamic": ("readme",)}, "it is missing"),
        ({"version": "1.x"}, "'1.x' is not a version (PEP 440)"),
        ({"version": "1.2.1"}, "it is 1.2.1, setup.cfg says 1.2.0"),
        ({"requires-python": ">>3"}, "project.requires-python"),
        ({"dependencies": ("a b",)}, "project.dependencies 'a b': "),
        ({"optional-dependencies": {"x": ("a b",)}}, "project.optional-dependencies.x 'a b': "),
        ({"readme": "R.md"}, "there is no file R.md"),
        ({"readme": {"file": "R.md"}}, "there is no file R.md"),
        ({"scripts": {"x": "a b"}}, "console_scripts.x 'a b' is not of the form module:object"),
        ({"entry-points": {"g": {"x": ":a"}}}, "g.x ':a' is not of the form"),
    ],
)
def test_what_keeps_a_package_from_being_built(content: dict[str, Any], problem: str) -> None:
    """Each mistake is one finding, by the place in the file."""
    [told] = project_findings(project(**content), "1.2.0", ())
    assert problem in f"{told.place} {told.problem}; {told.hint}"


def test_a_version_that_the_build_finds_out() -> None:
    """A dynamic version is nothing to compare."""
    assert found(version=None, dynamic=("version",)) == []


def test_commands() -> None:
    """Those that are declared; else the scripts, where a library for command lines is needed, by any name."""
    scripts = {"x": "a:main"}
    assert project(scripts=scripts).commands == {}
    assert project(scripts=scripts, dependencies=("click>=8",)).commands == scripts
    for line in ("Rich_Click", "typer[all]>1"):
        assert project(scripts=scripts, **{"optional-dependencies": {"cli": (line,)}}).commands == scripts
    assert project(scripts=scripts, dependencies=("not a line",)).commands == {}
    declared = {"interface": {"commands": {"y": "b:main"}}}
    assert project(scripts=scripts, dependencies=("click",), settings=declared).commands == {"y": "b:main"}
    none = {"interface": {"commands": {}}}
    assert project(scripts=scripts, dependencies=("click",), settings=none).commands == {}


def test_names_to_import_by() -> None:
    """The project's own name first, then the top packages of its entry points, each once."""
    assert import_names(project()) == ("way_post_kit",)
    scripts = {"scripts": {"x": "Other.cli:main"}, "gui-scripts": {"y": "other.gui"}}
    entries = {**scripts, "entry-points": {"a": {"b": "Other"}}}
    assert import_names(project(**entries)) == ("way_post_kit", "Other", "other")
    assert list(project(**entries).all_entry_points) == ["a", "console_scripts", "gui_scripts"]
