"""A pyproject.toml: a Python package's metadata, and its declared interface."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import BaseModel, ConfigDict, Field

from waypost.errors import Finding, FindingsError
from waypost.texts.parsing import Strict, parse

FILE = "pyproject.toml"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_COMMAND_LIBRARIES = {"click", "typer", "rich-click", "cloup", "asyncclick"}


class Declaration(Strict):
    """[tool.waypost.interface]: the public interface, each part as `module:object` in the package.

    `source` is the folder with the packages, `api` the modules with public names; `commands` are click
    commands; `reads` and `writes` are documents: any type that pydantic supports, or a JSON Schema file.
    Omitted parts are detected: console scripts, the top package.
    """

    source: str | None = None
    api: tuple[str, ...] | None = None
    commands: dict[str, str] | None = None
    exit_codes: dict[str, int | str] = Field(default={}, alias="exit-codes")
    reads: dict[str, str] = {}
    writes: dict[str, str] = {}


class Settings(Strict):
    """[tool.waypost]. `product` decides if a folder could be released as more than one kind."""

    product: Literal["package", "pipeline", "components"] | None = None
    interface: Declaration = Declaration()


class Project(BaseModel):
    """The parts of [project] used here (https://packaging.python.org/specifications/pyproject-toml)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    version: str | None = None
    dynamic: tuple[str, ...] = ()
    requires_python: str = Field(default="", alias="requires-python")
    dependencies: tuple[str, ...] = ()
    extras: dict[str, tuple[str, ...]] = Field(default={}, alias="optional-dependencies")
    scripts: dict[str, str] = {}
    gui_scripts: dict[str, str] = Field(default={}, alias="gui-scripts")
    entry_points: dict[str, dict[str, str]] = Field(default={}, alias="entry-points")
    readme: str | dict[str, str] | None = None
    settings: Settings = Settings()

    @property
    def all_entry_points(self) -> dict[str, dict[str, str]]:
        """All groups; scripts under the group names that they get when installed."""
        groups = {"console_scripts": self.scripts, "gui_scripts": self.gui_scripts, **self.entry_points}
        return {group: names for group, names in sorted(groups.items()) if names}

    @property
    def _all_dependencies(self) -> tuple[str, ...]:
        return self.dependencies + tuple(line for lines in self.extras.values() for line in lines)

    @property
    def commands(self) -> dict[str, str]:
        """The click commands, by name: declared ones, else the console scripts of a package that depends on
        click.
        """
        declared = self.settings.interface.commands
        if declared is not None:
            return declared
        return (
            self.scripts if _COMMAND_LIBRARIES & {_required(line) for line in self._all_dependencies} else {}
        )


def parse_project(text: str, file: str = FILE) -> Project | None:
    """Parses a pyproject.toml, None if it has no [project].

    Raises FindingsError.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FindingsError([Finding(file, f"not valid TOML: {error}")], consequence="") from error
    if not isinstance(content.get("project"), dict):
        return None
    settings = content.get("tool", {}).get("waypost", {})
    parse(Settings, settings, f"{file}: tool.waypost")
    return parse(Project, {**content["project"], "settings": settings}, f"{file}: project")


def project_findings(project: Project, version: str, there: Iterable[str]) -> Iterator[Finding]:
    """Yields what would prevent a package from being built or found as this version.

    Args: `there` are the paths of the files next to pyproject.toml that it may name.
    """
    if not _NAME.fullmatch(project.name):
        yield Finding(f"{FILE}: project.name", f"{project.name!r} is not a valid package name")
    if project.version is None and "version" not in project.dynamic:
        yield Finding(f"{FILE}: project.version", "it is missing", f'version = "{version}"')
    yield from _version_findings(project, version)
    yield from _text_findings(project)
    readme = project.readme.get("file") if isinstance(project.readme, dict) else project.readme
    if readme and readme not in set(there):
        yield Finding(f"{FILE}: project.readme", f"there is no file {readme}")
    for group, entries in project.all_entry_points.items():
        for name, value in entries.items():
            if not re.fullmatch(r"[\w.]+(:[\w.]+)?( *\[.*\])?", value):
                yield Finding(f"{FILE}: {group}.{name}", f"{value!r} is not of the form module:object")


def _version_findings(project: Project, version: str) -> Iterator[Finding]:
    if project.version is None:
        return
    try:
        is_equal = Version(project.version) == Version(version)
    except InvalidVersion:
        yield Finding(f"{FILE}: project.version", f"{project.version!r} is not a version (PEP 440)")
        return
    if not is_equal:
        hint = f"bump2version keeps them equal: [bumpversion:file:{FILE}] in setup.cfg"
        yield Finding(f"{FILE}: project.version", f"it is {project.version}, setup.cfg says {version}", hint)


def _text_findings(project: Project) -> Iterator[Finding]:
    try:
        SpecifierSet(project.requires_python)
    except InvalidSpecifier as error:
        yield Finding(f"{FILE}: project.requires-python", str(error))
    groups: Mapping[str, tuple[str, ...]] = {
        "dependencies": project.dependencies,
        **{f"optional-dependencies.{name}": needed for name, needed in project.extras.items()},
    }
    for group, lines in groups.items():
        for line in lines:
            try:
                Requirement(line)
            except InvalidRequirement as error:
                problem = " ".join(str(error).split())
                yield Finding(f"{FILE}: project.{group}", f"{line!r}: {problem}")


def _required(line: str) -> str:
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return ""


def import_names(project: Project) -> tuple[str, ...]:
    """Returns the possible import names of the package, most likely first."""
    entries = [value for group in project.all_entry_points.values() for value in group.values()]
    tops = [value.partition(":")[0].partition(".")[0] for value in entries]
    return tuple(dict.fromkeys((re.sub(r"[-.]+", "_", project.name).lower(), *tops)))
