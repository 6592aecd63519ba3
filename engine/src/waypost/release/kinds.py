"""The three kinds of product: a component library, a pipeline repository, a Python package."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import Version

from waypost.contracts import pipeline as pipeline_file
from waypost.contracts import project as project_file
from waypost.contracts.component import Component
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.lock import Lock, parse_lock
from waypost.contracts.parameters import flat, merged
from waypost.contracts.pipeline import PARAMETERS_FILE
from waypost.contracts.project import Project, parse_project, project_findings
from waypost.errors import Finding, FindingsError, UsageError, WaypostError
from waypost.interfaces.interface import Change, interface_of
from waypost.interfaces.package import PackageInterface, package_changes
from waypost.interfaces.pipeline_interface import Pinned, PipelineFacts, facts_changes, leaves
from waypost.interfaces.record import Record, ReleasedComponent, ReleasedPin
from waypost.interfaces.semver import library_changes, pipeline_changes, together
from waypost.release.conformance import library_release_findings
from waypost.release.package_interface import read_interface, silent_commands, stated_versions
from waypost.release.product import SETTINGS, Product, read_settings
from waypost.release.step_outputs import step_outputs
from waypost.sources import git
from waypost.sources.files import (
    components_in,
    read_component,
    read_parameters,
    read_pipeline,
    read_text,
    requirements_digest,
)
from waypost.system.process import ProcessError
from waypost.texts.sealed import Variables


@dataclass(frozen=True)
class Library(Product):
    """A component library: its interface is that of its components."""

    kind = "components"

    @property
    def name(self) -> str:
        return "components"

    @cached_property
    def components(self) -> dict[str, Component]:
        """The contracts of the components, by name."""
        found: dict[str, Component] = {}
        findings: list[Finding] = []
        for name in components_in(self.folder):
            try:
                found[name] = read_component(self.folder, name, name)
            except FindingsError as error:
                findings += error.findings
        if findings:
            raise FindingsError(findings, consequence="")
        return found

    def changes_since(self, base: Record) -> Mapping[str, tuple[Change, ...]]:
        return library_changes(base, self.components)

    def findings(self, _version: Version, /) -> list[Finding]:
        return library_release_findings(self.folder)

    def content(self, trees: Mapping[str, str], /) -> dict[str, Any]:
        released = {
            name: ReleasedComponent(
                tree=trees[name],
                shared=contract.shared,
                interface=interface_of(contract),
                environment=requirements_digest(self.folder / name, contract),
            )
            for name, contract in self.components.items()
        }
        return {"components": released}


@dataclass(frozen=True)
class PipelineRepository(Product):
    """A repository with a pipeline in the folder `pipeline`."""

    pipeline: str

    kind = "pipeline"

    @property
    def place(self) -> Path:
        """The folder of the pipeline."""
        return self.folder / self.pipeline

    @property
    def name(self) -> str:
        return read_pipeline(self.place).name

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the pipeline's parameters."""
        variables = Variables(frozenset(read_pipeline(self.place).variables))
        return tuple(sorted(flat(merged(read_parameters(self.place), (), variables).plain())))

    @cached_property
    def lock(self) -> Lock | None:
        """The pipeline's lock, where it has one."""
        file = self.place / LOCK_FILE
        return parse_lock(read_text(file), "waypost lock") if file.is_file() else None

    def changes_since(
        self, base: Record, signature: Mapping[str, Any] | None = None
    ) -> Mapping[str, tuple[Change, ...]]:
        """Returns what changed for users since a release.

        Args: `signature` is that of the model of now, where a run has made one.
        """
        before = self.run_record(base.version)
        known = before.signature if before else {}
        names = pipeline_changes(base, self.parameters, known, signature or {})
        return together(names, facts_changes(self._facts_of(base), self._facts))

    @property
    def _facts(self) -> PipelineFacts:
        file = self.place / LOCK_FILE
        lock = read_text(file) if file.is_file() else ""
        parameters = dict(read_parameters(self.place)).get(PARAMETERS_FILE, "")
        return self._facts_in(read_text(self.place / pipeline_file.FILE), parameters, lock, self._text_here)

    def _facts_of(self, base: Record) -> PipelineFacts:
        """Returns what a release says in its own tree, where that is here, else in its record."""
        facts = PipelineFacts(pins={uses: Pinned(pin.version) for uses, pin in base.pins.items()})
        commit = base.commit or git.object_at(self.top, f"refs/tags/{self.tag(base.version)}^{{commit}}")
        if commit is None:
            return facts
        at = Path("." if base.commit else self.prefix) / base.pipeline
        names = (pipeline_file.FILE, PARAMETERS_FILE, LOCK_FILE)
        pipeline, parameters, lock = (self._text_at(commit, (at / name).as_posix()) for name in names)
        # What an older engine took may be none of today's forms: then its record has to do.
        with contextlib.suppress(WaypostError, ValueError):
            if pipeline:
                return self._facts_in(
                    pipeline,
                    parameters,
                    lock,
                    lambda path: self._text_at(commit, posixpath.normpath(at / path)),
                )
        return facts

    def _facts_in(
        self, pipeline: str, parameters: str, lock: str, text_of: Callable[[str], str]
    ) -> PipelineFacts:
        """Returns what users of a pipeline rely on, from the texts of its files."""
        file = pipeline_file.parse_pipeline(pipeline)
        files = [(PARAMETERS_FILE, parameters)] if parameters else []
        values = merged(files, (), Variables(frozenset(file.variables))).plain()
        pins = parse_lock(lock, "waypost lock").components if lock else {}
        return PipelineFacts(
            steps=file.steps,
            defaults=leaves(values),
            pins={uses: Pinned(str(pin), pin.interface) for uses, pin in pins.items()},
            outputs=step_outputs(self.place, file, pins, text_of),
        )

    def _text_here(self, path: str) -> str:
        file = self.place / path
        return read_text(file) if file.is_file() else ""

    def _text_at(self, commit: str, path: str) -> str:
        try:
            return git.git(self.top, "cat-file", "blob", f"{commit}:{path}")
        except ProcessError:
            return ""

    def content(self, _trees: Mapping[str, str], /) -> dict[str, Any]:
        pins = self.lock.components if self.lock else {}
        return {
            "pipeline": self.pipeline,
            "lock": self.lock.digest if self.lock else "",
            "pins": {u: ReleasedPin(version=str(p), commit=p.commit, tree=p.tree) for u, p in pins.items()},
            "parameters": self.parameters,
        }


@dataclass(frozen=True)
class Package(Product):
    """A Python package: its interface is its commands, documents, entry points and public names."""

    project: Project

    kind = "package"

    @property
    def name(self) -> str:
        return self.project.name

    @property
    def label(self) -> str:
        return self.project.name

    @cached_property
    def interface(self) -> PackageInterface:
        """What users hold on to, read from the source in the folder."""
        return read_interface(self.folder, self.project)

    def changes_since(self, base: Record) -> Mapping[str, tuple[Change, ...]]:
        if base.interface is None:
            raise WaypostError(f"releases/{base.version}.json has no interface to compare with")
        return package_changes(base.interface, self.interface)

    def findings(self, version: Version, /) -> list[Finding]:
        there = {path.name for path in self.folder.iterdir() if path.is_file()}
        found = list(project_findings(self.project, str(version), there))
        for file, stated in stated_versions(self.folder, self.project).items():
            if stated != str(version):
                hint = f"bump2version keeps them equal: [bumpversion:file:{file}] in {SETTINGS}"
                found.append(Finding(file, f"it says version {stated}, {SETTINGS} {version}", hint))
        if self.is_guest:
            problem = "a package below the top of its repository needs tags of its own"
            hint = f"tag_name = {self.name}-v{{new_version}}, below [bumpversion]"
            found.append(Finding(f"{self.prefix}/{SETTINGS}", problem, hint))
        return found

    def remarks(self) -> list[str]:
        hint = f"name its command: [tool.waypost.interface] commands, in {project_file.FILE}"
        names = silent_commands(self.project, self.interface)
        silent = [
            f"{name} starts no click command, so its options are not compared; {hint}" for name in names
        ]
        return super().remarks() + silent

    def content(self, _trees: Mapping[str, str], /) -> dict[str, Any]:
        return {"interface": self.interface}


def read_product(folder: Path) -> Product:
    """Returns what a folder can release. Raises UsageError that says what is missing."""
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
    """Returns the folders with a pipeline, `.` for the top; of several those that git tracks. A folder below
    with a setup.cfg is a product of its own.
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


def pipeline_of(product: Product) -> PipelineRepository:
    """Returns a product that is a pipeline's repository. Raises UsageError for another one."""
    if isinstance(product, PipelineRepository):
        return product
    raise UsageError(f"{product.folder}: no pipeline, so it has no runs")
