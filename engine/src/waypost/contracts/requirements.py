"""Requirement files: what they install, and the differences between two of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from waypost.errors import redacted

_ONE_VERSION = re.compile(r"[\w.\-]+(\[[\w,. \-]+\])?\s*==\s*[^\s*]+(\s|;|$)")


@dataclass(frozen=True, order=True)
class PackageMove:
    """A package with a changed version; `old` or `new` is empty if it was added or removed."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        if not self.old:
            return f"{self.name} {self.new} is new"
        return f"{self.name} {self.old} → {self.new}" if self.new else f"{self.name} {self.old} is gone"


def environment_folders(contents: Mapping[str, Collection[str]], files: Collection[str]) -> frozenset[str]:
    """Returns the folders that hold only requirement files, and no code.

    Args: `contents` are the names in each folder, `files` the paths (FOLDER/NAME) of requirement files.
    """
    return frozenset(
        folder
        for folder, names in contents.items()
        if names and all(f"{folder}/{name}" in files for name in names)
    )


def package_moves(old: Iterable[str], new: Iterable[str]) -> tuple[PackageMove, ...]:
    """Returns the packages with different versions in the texts of two sets of requirement files."""
    before, after = _versions(old), _versions(new)
    return tuple(
        PackageMove(name, before.get(name, ""), after.get(name, ""))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    )


def _versions(texts: Iterable[str]) -> dict[str, str]:
    """Returns each package's version; all of them if platforms have different ones."""
    found: dict[str, dict[str, None]] = {}
    for text in texts:
        for requirement in requirements_in(text):
            name = canonicalize_name(requirement.name)
            version = redacted(requirement.url or str(requirement.specifier)).removeprefix("==") or "any"
            found.setdefault(name, {})[version] = None
    return {name: ", ".join(versions) for name, versions in found.items()}


def unmet(text: str, version_of: Callable[[str], str | None]) -> list[str]:
    """Returns the unsatisfied requirements of a file, as text: `scipy==1.2 (here 1.3)`.

    Args: `version_of` returns the version of an installed package, None for others.
    """
    found = []
    for requirement in requirements_in(text):
        if requirement.url or not _is_meant(requirement):
            continue
        here = version_of(requirement.name)
        if here is None or not requirement.specifier.contains(here, prereleases=True):
            instead = "not installed" if here is None else f"here {here}"
            found.append(f"{requirement.name}{requirement.specifier} ({instead})")
    return found


def _is_meant(requirement: Requirement) -> bool:
    """Returns whether a requirement applies to this machine, as far as its marker can be evaluated."""
    try:
        return requirement.marker is None or requirement.marker.evaluate()
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False


def requirements_in(text: str) -> Iterator[Requirement]:
    """Yields the requirements of a file; options, and lines that only pip understands, are skipped."""
    for line in lines_of(text):
        try:
            yield Requirement(line.partition(" --")[0].strip())
        except InvalidRequirement:
            continue


def is_pinned(text: str) -> bool:
    """Returns whether every package in a requirement file has one version, and hashes."""
    lines = [line for line in lines_of(text) if not line.startswith("-")]
    return all("--hash=" in line and _ONE_VERSION.match(line) for line in lines)


def lines_of(text: str) -> list[str]:
    """Returns the lines of a requirement file, with continued ones joined, without comments and empty
    ones.
    """
    joined = text.replace("\\\r\n", " ").replace("\\\n", " ")
    plain = (line.partition(" #")[0].strip() for line in joined.splitlines())
    return [line for line in plain if line and not line.startswith("#")]
