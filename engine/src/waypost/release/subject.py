"""What can be released: a folder with a version in its setup.cfg, and what it says of itself."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from waypost import __version__
from waypost.contracts import component as component_file
from waypost.contracts import pipeline as pipeline_file
from waypost.contracts.component import Component
from waypost.contracts.interface import Change, interface_of
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.lock import Lock, parse_lock
from waypost.contracts.parameters import flat, merged
from waypost.contracts.record import (
    FOLDER,
    Kind,
    Record,
    ReleasedComponent,
    ReleasedPin,
    RunRecord,
    parse_record,
    version_of_record,
)
from waypost.contracts.sealed import Variables
from waypost.contracts.semver import library_changes, pipeline_changes
from waypost.errors import UsageError
from waypost.sources import git
from waypost.sources.files import (
    read_component,
    read_parameters,
    read_pipeline,
    read_text,
    requirements_digest,
)
from waypost.sources.versions import made_with

SETTINGS = "setup.cfg"
CHANGELOG = "CHANGELOG.md"


@dataclass(frozen=True)
class Subject:
    """A component library or a pipeline repository in a git repository.

    `folder` may lie below the repository's top: then it is a guest there, and its tags are made
    when it leaves (`waypost components export`).
    """

    folder: Path
    top: Path
    kind: Kind
    version: Version
    pipeline: str = ""

    @property
    def is_guest(self) -> bool:
        return self.folder != self.top

    @property
    def prefix(self) -> str:
        """The path of the folder in its repository, `.` for its top."""
        return self.folder.relative_to(self.top).as_posix()

    @cached_property
    def components(self) -> dict[str, Component]:
        """The contracts of a library's components, by name."""
        if self.kind == "pipeline":
            return {}
        names = sorted(path.parent.name for path in self.folder.glob(f"*/{component_file.FILE}"))
        return {name: read_component(self.folder, name, name) for name in names}

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of a pipeline's parameters."""
        if self.kind == "components":
            return ()
        folder = self.folder / self.pipeline
        variables = Variables(frozenset(read_pipeline(folder).variables))
        return tuple(sorted(flat(merged(read_parameters(folder), (), variables).plain())))

    @cached_property
    def lock(self) -> Lock | None:
        """A pipeline's lock, where it has one."""
        file = self.folder / self.pipeline / LOCK_FILE
        if self.kind == "components" or not file.is_file():
            return None
        return parse_lock(read_text(file), "waypost lock")

    @cached_property
    def records(self) -> dict[Version, Record]:
        """The records of all releases, the newest first."""
        files = [path.relative_to(self.folder).as_posix() for path in (self.folder / FOLDER).glob("*.json")]
        versions = {Version(v): file for file in files if (v := version_of_record(file))}
        return {
            v: parse_record(Record, read_text(self.folder / versions[v]), versions[v])
            for v in sorted(versions, reverse=True)
        }

    def run_record(self, version: Version | str) -> RunRecord | None:
        """Returns what the production run of a release gave, None where that is not recorded."""
        file = self.folder / FOLDER / f"{version}.run.json"
        return parse_record(RunRecord, read_text(file), file.name) if file.is_file() else None

    def changes_since(
        self, base: Record, signature: Mapping[str, Any] | None = None
    ) -> Mapping[str, tuple[Change, ...]]:
        """Returns what changed for users since a release, by component (or params.yaml, model).

        Args: `signature` is that of the model of now, where a run has made one.
        """
        if self.kind == "components":
            return library_changes(base, self.components)
        before = self.run_record(base.version)
        return pipeline_changes(base, self.parameters, before.signature if before else {}, signature or {})

    def record(self, version: Version, day: str, notes: str, trees: Mapping[str, str]) -> Record:
        """Returns the record of a release with this version; `trees` of all that is in it."""
        pins = self.lock.components if self.lock else {}
        return Record(
            kind=self.kind,
            name=read_pipeline(self.folder / self.pipeline).name if self.kind == "pipeline" else "components",
            version=str(version),
            date=day,
            engine=__version__,
            made_with=made_with(),
            trees=dict(trees),
            components={
                name: ReleasedComponent(
                    tree=trees[name],
                    shared=contract.shared,
                    interface=interface_of(contract),
                    environment=requirements_digest(self.folder / name, contract),
                )
                for name, contract in self.components.items()
            },
            pipeline=self.pipeline,
            lock=self.lock.digest if self.lock else "",
            pins={u: ReleasedPin(version=str(p), commit=p.commit, tree=p.tree) for u, p in pins.items()},
            parameters=self.parameters,
            notes=notes,
        )


def read_subject(folder: Path) -> Subject:
    """Returns what a folder can release. Raises UsageError that says what is missing."""
    folder = folder.resolve()
    top = git.top_of(folder)
    if top is None:
        raise UsageError(f"{folder} is in no git repository")
    pipelines = [f.parent for p in ("", "*/") for f in sorted(folder.glob(f"{p}{pipeline_file.FILE}"))]
    if pipelines:
        kind: Kind = "pipeline"
        place = pipelines[0].relative_to(folder).as_posix()
    elif any(folder.glob(f"*/{component_file.FILE}")):
        kind, place = "components", ""
    else:
        raise UsageError(f"{folder}: neither a {pipeline_file.FILE} nor components here")
    return Subject(folder, top.resolve(), kind, _version_in(folder / SETTINGS), place)


def _version_in(file: Path) -> Version:
    settings = configparser.RawConfigParser()
    try:
        settings.read_string(read_text(file) if file.is_file() else "")
        return Version(settings["bumpversion"]["current_version"])
    except (KeyError, InvalidVersion, configparser.Error) as error:
        hint = "bump2version reads it: [bumpversion], current_version = 0.1.0, commit = False, tag = False"
        raise UsageError(
            f"{file}: no section [bumpversion] with a current_version ({error})", hint=hint
        ) from error
