"""Which version a change demands (https://semver.org), proved by comparing interfaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from packaging.version import Version

from waypost.contracts.component import Component
from waypost.interfaces.changes import Kind
from waypost.interfaces.interface import Change, component_with, interface_changes
from waypost.interfaces.record import Record

Bump = Literal["patch", "minor", "major"]
BUMPS: tuple[Bump, ...] = ("patch", "minor", "major")


def demanded(changes: Iterable[Change]) -> Bump:
    """Returns the smallest sufficient bump: major if a change is breaking, minor for others, else patch."""
    kinds = {change.kind for change in changes}
    return "major" if "breaking" in kinds else "minor" if kinds else "patch"


def bumped(version: Version, bump: Bump) -> Version:
    """Returns the next version; a pre-release becomes its release first."""
    major, minor, patch = version.release
    if version.is_prerelease:
        return Version(f"{major}.{minor}.{patch}")
    following = {
        "major": f"{major + 1}.0.0",
        "minor": f"{major}.{minor + 1}.0",
        "patch": f"{major}.{minor}.{patch + 1}",
    }
    return Version(following[bump])


def bump_between(old: Version, new: Version) -> Bump:
    """Returns which part of the version was raised."""
    return "major" if new.major != old.major else "minor" if new.minor != old.minor else "patch"


def library_changes(old: Record, new: Mapping[str, Component]) -> dict[str, tuple[Change, ...]]:
    """Returns what changed for those who use a library's components, by component."""
    found: dict[str, tuple[Change, ...]] = {}
    for name in set(old.components) - set(new):
        found[name] = (Change("breaking", "the component was removed"),)
    for name, component in new.items():
        if name not in old.components:
            found[name] = (Change("added", "the component is new"),)
        elif changes := interface_changes(component_with(name, old.components[name].interface), component):
            found[name] = changes
    return dict(sorted(found.items()))


_HEADINGS: dict[str, Kind] = {
    "removed": "breaking",
    "breaking": "breaking",
    "added": "added",
    "deprecated": "changed",
}
# A heading with something below it: some keep the empty ones of the form.
_HEADED = re.compile(r"^#+[ \t]*([A-Za-z]+)\b[^\n]*\n\s*[^#\s]", re.MULTILINE)
# As entries are marked: at their start, in whatever emphasis, or with a colon (Conventional Commits).
# An entry that only speaks of the word is none.
_BREAKING = re.compile(
    r"^\s*(?:[-*+]\s+)?[*_`\[(]*BREAKING\b|\bBREAKING(?: CHANGES?)?[*_`\])]*:", re.MULTILINE
)


def noted_changes(notes: str) -> dict[str, tuple[Change, ...]]:
    """Returns what a changelog says of changes that no comparison of interfaces may see.

    https://keepachangelog.com/en/1.1.0/ says what its headings mean, https://semver.org what that demands.
    """
    names = dict.fromkeys(hit[1].lower() for hit in _HEADED.finditer(notes))
    found = [
        Change(_HEADINGS[name], f"entries under {name.capitalize()}") for name in names if name in _HEADINGS
    ]
    if _BREAKING.search(notes):
        found.append(Change("breaking", "it says BREAKING"))
    return {"CHANGELOG.md": tuple(found)} if found else {}


def together(*groups: Mapping[str, tuple[Change, ...]]) -> dict[str, tuple[Change, ...]]:
    """Returns changes by what changed, each once, of several comparisons."""
    names = {name: None for group in groups for name in group}
    return {name: tuple(dict.fromkeys(c for g in groups for c in g.get(name, ()))) for name in names}


def pipeline_changes(
    old: Record,
    parameters: Iterable[str],
    old_signature: Mapping[str, Any],
    signature: Mapping[str, Any],
) -> dict[str, tuple[Change, ...]]:
    """Returns what changed for those who run a pipeline or use its model: names of parameters, and the
    columns of the model's signature, where both are known.
    """
    names = set(parameters)
    changes = [
        Change("breaking", f"parameter {n!r} was removed") for n in sorted(set(old.parameters) - names)
    ]
    changes += [Change("added", f"parameter {n!r}") for n in sorted(names - set(old.parameters))]
    found = {"params.yaml": tuple(changes)} if changes else {}
    if old_signature and signature and (model := tuple(_signature_changes(old_signature, signature))):
        found["model"] = model
    return found


def _signature_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Change]:
    for side in ("inputs", "outputs"):
        before = {str(c.get("name", n)): c for n, c in enumerate(old.get(side) or ())}
        after = {str(c.get("name", n)): c for n, c in enumerate(new.get(side) or ())}
        noun = f"column {{!r}} of the model's {side}"
        for name, column in before.items():
            if name not in after:
                yield Change(
                    "breaking" if side == "outputs" else "changed", noun.format(name) + " was removed"
                )
            elif column.get("type") != after[name].get("type"):
                types = f" type {column.get('type')} became {after[name].get('type')}"
                yield Change("breaking", noun.format(name) + ":" + types)
        for name, column in after.items():
            if name not in before:
                needed = side == "inputs" and column.get("required", True)
                yield Change("breaking" if needed else "added", noun.format(name))
