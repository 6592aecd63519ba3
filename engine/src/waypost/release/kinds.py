"""The kind of product in a folder: component library, pipeline repository or Python package."""

from __future__ import annotations

from pathlib import Path

from packaging.version import Version

from waypost.contracts import pipeline as pipeline_file
from waypost.contracts import project as project_file
from waypost.contracts.project import Project, parse_project
from waypost.errors import UsageError
from waypost.release.bumpversion import SETTINGS, read_settings
from waypost.release.library import Library
from waypost.release.package import Package
from waypost.release.pipeline_repository import PipelineRepository
from waypost.release.product import Product
from waypost.sources import git
from waypost.sources.files import (
    components_in,
    read_text,
)


def read_product(folder: Path) -> Product:
    """Returns the product of a folder. Raises UsageError that names what is missing."""
    folder = folder.resolve()
    top = git.top_of(folder)
    if top is None:
        raise UsageError(f"{folder} is in no git repository")
    project = _project(folder)
    pipelines = _pipelines(folder)
    components = components_in(folder)
    # Nearly every repository has a pyproject.toml: pipelines and components come first, unless it decides.
    found = "pipeline" if pipelines else "components" if components else "package"
    kind = (project.settings.product if project else None) or found
    if kind == "pipeline" and len(pipelines) > 1:
        hint = (
            "a release is of one: give each a repository, or a folder with a setup.cfg and release -C FOLDER"
        )
        files = ", ".join((Path(place) / pipeline_file.FILE).as_posix() for place in pipelines)
        raise UsageError(f"{folder}: several pipelines: {files}", hint=hint)
    if kind == "pipeline" and pipelines:
        return PipelineRepository(*_common(folder, top), pipelines[0])
    if kind == "components" and components:
        return Library(*_common(folder, top))
    if kind == "package" and project:
        return Package(*_common(folder, top), project)
    nothing = f"neither a {pipeline_file.FILE} nor components nor a {project_file.FILE} with [project]"
    raise UsageError(f"{folder}: {f'no {kind}' if project else nothing} here")


def _pipelines(folder: Path) -> list[str]:
    """Returns the folders with a pipeline, `.` for the top; if there are several, those tracked by git. A
    subfolder with a setup.cfg is a separate product.
    """
    below = [
        file for file in folder.glob(f"*/{pipeline_file.FILE}") if not (file.parent / SETTINGS).is_file()
    ]
    files = [*folder.glob(pipeline_file.FILE), *sorted(below)]
    if len(files) > 1:
        names = git.git(folder, "ls-files", "-z", "--", *map(str, files)).split("\0")
        files = [folder / name for name in names if name] or files
    return [file.parent.relative_to(folder).as_posix() for file in files]


def _common(folder: Path, top: Path) -> tuple[Path, Path, Version, str]:
    settings = read_settings(folder / SETTINGS)
    return folder, top.resolve(), settings.version, settings.tag_name


def _project(folder: Path) -> Project | None:
    file = folder / project_file.FILE
    return parse_project(read_text(file)) if file.is_file() else None
