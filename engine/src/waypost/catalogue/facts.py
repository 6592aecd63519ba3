"""What a catalogue knows of libraries, as values: releases, components, versions, users."""

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
    """A release of a library. `record` says whether the tag holds what its record lists, `yanked` why nobody
    should start to use it; `notes` is the changelog's section, as Markdown; `checked` what executing its
    components gave, by name, where that is recorded.
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
    """A component in one release. `state` says what is different from the release before that had it,
    `problem` why its contract cannot be read.
    """

    release: Release
    tree: str
    state: State
    changes: tuple[Change, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Use:
    """A pipeline that pins a component: where the pipeline is, what it calls itself, the version."""

    place: str
    pipeline: str
    version: str
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A component as the catalogue shows it: its newest contract (None where it cannot be read), its versions
    from the newest on, what its folder holds. `is_pinned` says whether each package that it asks for has a
    version and hashes, None where it asks for none; `checked` is what executing it gave, None where nobody
    recorded it of this content; `is_whole` says that it is the repository, not a folder of it.
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
    """A library: what pages call it, where its repository is, and in which folder of that, its releases and
    components; components that its newest release no longer has are `gone`.
    """

    name: str
    slug: str
    url: str
    releases: tuple[Release, ...]
    entries: tuple[Entry, ...]
    gone: tuple[Entry, ...] = ()
    folder: str = ""


def slugs(names: Iterable[str]) -> list[str]:
    """Returns what files may be called after names, one each: no two are equal on any file system."""
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
