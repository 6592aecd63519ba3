"""Versions: which tags are releases, what a pipeline may ask for, which release satisfies it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_NUMBER = re.compile(r"v?[0-9]")
_OF_OTHERS = re.compile(r"[^0-9.]v?[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.]*$")
_COMMIT = re.compile(r"[0-9a-f]{7,40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Release:
    """A release of a component repository: its version, its tag, the commit behind the tag."""

    version: Version
    tag: str
    commit: str


@dataclass(frozen=True)
class Requirement:
    """A pipeline's requirement: a PEP 440 specifier, a commit (full or short), or a branch name.

    Exactly one of `specifier`, `commit` and `branch` is given.
    """

    text: str
    specifier: SpecifierSet | None = None
    commit: str = ""
    branch: str = ""

    def allows(self, version: Version) -> bool:
        """Returns whether a version satisfies it; a pre-release only if the requirement names one."""
        if self.specifier is None:
            return False
        return self.specifier.contains(version, prereleases=bool(self.specifier.prereleases))


def parse_requirement(text: str) -> Requirement:
    """Returns the requirement. `1.4.13` and `v1.4.13` mean `==1.4.13`, `*` any stable release.

    Raises ValueError for a text that is neither a specifier nor a name that git allows.
    """
    text = text.strip()
    if _COMMIT.fullmatch(text):
        return Requirement(text, commit=text)
    try:
        return Requirement(text, specifier=SpecifierSet("" if text == "*" else text))
    except InvalidSpecifier:
        pass
    try:
        return Requirement(text, specifier=SpecifierSet(f"=={Version(text)}"))
    except InvalidVersion:
        pass
    if re.fullmatch(r"(?!-)[^\s~^:?*\[\\<>=!,]+", text):
        return Requirement(text, branch=text)
    raise ValueError(f"{text!r} is not a version requirement, such as ~=1.4 or ==1.4.13 (PEP 440)")


def version_of(tag: str, prefix: str = "") -> Version | None:
    """Returns the version in a tag vX.Y.Z or X.Y.Z (pre-releases too), None for others.

    Args: `prefix` starts the tags of a product with its own tags, such as `parts-v`.
    """
    if prefix:
        tag = tag.removeprefix(prefix) if tag.startswith(prefix) else ""
        tag = tag if tag[:1].isdigit() else ""
    if not _NUMBER.match(tag):  # PEP 440 takes `vv1.0.0` for 1.0.0, too
        return None
    try:
        version = Version(tag.removeprefix("v"))
    except InvalidVersion:
        return None
    plain = len(version.release) == 3 and not version.epoch and version.local is None
    return version if plain else None


def releases_of(tags: Mapping[str, str], prefix: str = "") -> tuple[Release, ...]:
    """Returns the releases among tags (name to commit), newest first; `v1.0.0` wins over `1.0.0`.

    Args: `prefix` as for `version_of`.
    """
    found: dict[Version, Release] = {}
    for tag in sorted(tags, reverse=True):  # "v…" sorts behind digits
        version = version_of(tag, prefix)
        if version is not None:
            found.setdefault(version, Release(version, tag, tags[tag]))
    return tuple(found[version] for version in sorted(found, reverse=True))


def tags_of_others(tags: Iterable[str]) -> list[str]:
    """Returns the tags that look like releases of products in folders, such as `parts-v1.0.0`."""
    return sorted(tag for tag in tags if version_of(tag) is None and _OF_OTHERS.search(tag))


def newest(
    releases: Iterable[Release], requirement: Requirement, yanked: Collection[str] = ()
) -> Release | None:
    """Returns the newest release that a requirement allows; never a yanked one."""
    return next((r for r in releases if requirement.allows(r.version) and str(r.version) not in yanked), None)
