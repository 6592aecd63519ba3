"""The content of a catalogue as values: libraries, releases, components, versions, users."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from waypost.contracts.component import Component, Deprecated, EntryPoint
from waypost.interfaces.changes import Change
from waypost.interfaces.record import CheckedComponent

Recorded = Literal["verified", "differs", "none"]
State = Literal["new", "interface", "content", "same"]
UNRELEASED = "unreleased"


@dataclass(frozen=True)
class Release:
    """A release of a library. `record` is whether the tag has the content in its record, `yanked` the reason
    why the release was withdrawn; `notes` is the changelog's section, as Markdown; `checked` are the recorded
    results of tests and examples by component.
    """

    version: str
    tag: str
    commit: str
    date: str
    record: Recorded = "none"
    yanked: str = ""
    notes: str = ""
    checked: Mapping[str, CheckedComponent] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Version:
    """A component in one release. `state` is the difference from its previous release, `problem` the reason
    why its contract cannot be read.
    """

    release: Release
    tree: str
    state: State
    changes: tuple[Change, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Use:
    """A pipeline that pins a component: its place and name, and the pinned version."""

    place: str
    pipeline: str
    version: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A component in the catalogue: its newest contract (None if it cannot be read), its versions, newest
    first. `is_pinned` is whether every required package has a version and hashes, None if it requires none;
    `checked` are the results of its tests and example, None if they are not recorded for this content;
    `is_whole` is whether the component is the repository, not a folder of it.
    """

    name: str
    contract: Component | None
    versions: tuple[Version, ...]
    readme: str = ""
    is_pinned: bool | None = None
    uses: tuple[Use, ...] = ()
    checked: CheckedComponent | None = None
    is_whole: bool = False

    @property
    def main(self) -> EntryPoint | None:
        return self.contract.entry_points.get("main") if self.contract else None

    @property
    def description(self) -> str:
        return " ".join(self.main.description.split()) if self.main else ""

    @property
    def newest(self) -> Release:
        """The release to start with: the newest that was not yanked, else the newest."""
        releases = [version.release for version in self.versions]
        return next((release for release in releases if not release.yanked), releases[0])

    @property
    def deprecated(self) -> Deprecated | None:
        return self.contract.deprecated if self.contract else None


@dataclass(frozen=True)
class Library:
    """A library: its name on pages, its repository and folder there, its releases and components; `gone` are
    components that its newest release no longer has.
    """

    name: str
    slug: str
    url: str
    releases: tuple[Release, ...]
    entries: tuple[Entry, ...]
    gone: tuple[Entry, ...] = ()
    folder: str = ""


def slugs(names: Iterable[str]) -> list[str]:
    """Returns a file name for each name; they also differ on file systems that ignore case."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "x"
        slug, number = plain, 2
        while slug.casefold() in taken:
            slug, number = f"{plain}-{number}", number + 1
        taken.add(slug.casefold())
        found.append(slug)
    return found


def mentions(notes: str, names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Returns the items of a changelog's section that name a component, as code or as a word, by its name."""
    found: dict[str, list[str]] = {}
    for item in re.split(r"^(?=[-*] |#)", notes, flags=re.MULTILINE):
        if item.startswith(("- ", "* ")):
            for name in dict.fromkeys(re.findall(r"[\w-]+", item)):
                if name in names and (f"`{name}`" in item or "_" in name):
                    found.setdefault(name, []).append(item.strip())
    return {name: tuple(items) for name, items in found.items()}
