"""Products: released folders with a version in their setup.cfg."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from packaging.version import Version

from waypost.errors import Finding
from waypost.interfaces.changelog import lines_between, unreleased
from waypost.interfaces.interface import Change
from waypost.interfaces.record import (
    FOLDER,
    Kind,
    Record,
    RunRecord,
    parse_record,
    run_record_of,
    version_of_record,
)
from waypost.interfaces.semver import noted_changes
from waypost.release.bumpversion import PLAIN_TAG
from waypost.release.engine import engine_in
from waypost.sources import git
from waypost.sources.files import read_text
from waypost.system.versions import made_with

CHANGELOG = "CHANGELOG.md"


@dataclass(frozen=True)
class Product(ABC):
    """A product in a git repository.

    `folder` may lie below the repository's top: with tags of its own (`tag_name` in setup.cfg) it is
    released there; without, it is a guest whose tags are made when it leaves (`waypost components export`).
    """

    folder: Path
    top: Path
    version: Version
    tag_name: str

    kind: ClassVar[Kind]

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name."""

    @property
    def label(self) -> str:
        """Its name in messages: the kind, or the name."""
        return self.kind

    @property
    def is_guest(self) -> bool:
        return self.folder != self.top and self.tag_name == PLAIN_TAG

    @property
    def prefix(self) -> str:
        """The path of the folder in its repository, `.` for its top."""
        return self.folder.relative_to(self.top).as_posix()

    @property
    def place_of_tags(self) -> str:
        """The folder that a release is named by, `URL#FOLDER@VERSION`; empty for the top of a repository."""
        return "" if self.folder == self.top or self.is_guest else self.prefix

    def tag(self, version: Version | str) -> str:
        """Returns the name of the tag of a version."""
        return self.tag_name.replace("{new_version}", str(version))

    def title(self, version: Version | str) -> str:
        """Returns the headline of a release, for commits and tags."""
        return f"Release {version}" if self.folder == self.top else f"Release {self.label} {version}"

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
        """Returns the record of a release's production run, None if there is none."""
        name = run_record_of(str(version), self.record_names())
        return parse_record(RunRecord, read_text(self.folder / FOLDER / name), name) if name else None

    def record_names(self) -> list[str]:
        """Returns the names of the files in its releases/."""
        return [path.name for path in (self.folder / FOLDER).glob("*.json")]

    @abstractmethod
    def changes_since(self, base: Record) -> Mapping[str, tuple[Change, ...]]:
        """Returns the changes for users since a release, by the name of what they use."""

    def noted_since(self, base: Version) -> Mapping[str, tuple[Change, ...]]:
        """Returns the changes that the changelog notes since a release, including those of the next version.

        They set a minimum: comparing interfaces cannot detect a removed behaviour.
        """
        file = self.folder / CHANGELOG
        text = read_text(file) if file.is_file() else ""
        newest = max(self.version, base)
        return noted_changes(f"{unreleased(text)}\n{lines_between(text, base, newest)}")

    def findings(self, _version: Version, /) -> list[Finding]:
        """Returns findings that prevent the release of this folder as a version."""
        return []

    def remarks(self) -> list[str]:
        """Returns remarks for the user about missing tags and limits of the comparison."""
        newest = next(iter(self.records.values()), None)
        if newest is None or newest.commit or self.is_guest:
            return []
        tag = self.tag(newest.version)
        if git.object_at(self.top, f"refs/tags/{tag}"):
            return []
        return [f"the tag {tag} of release {newest.version} is not here: waypost release tags --restore"]

    def advice(self) -> list[Finding]:
        """Returns findings that do not prevent a release but would trouble users."""
        return []

    @abstractmethod
    def content(self, trees: Mapping[str, str], /) -> dict[str, Any]:
        """Returns the record's fields for this kind of product; `trees` as in the record."""

    def record(self, version: Version, day: str, notes: str, trees: Mapping[str, str]) -> Record:
        """Returns the record of a release with this version; `trees` are git trees by name."""
        return Record(
            kind=self.kind,
            name=self.name,
            version=str(version),
            date=day,
            engine=engine_in(self.top),
            made_with=made_with(),
            trees=dict(trees),
            notes=notes,
            **self.content(trees),
        )
