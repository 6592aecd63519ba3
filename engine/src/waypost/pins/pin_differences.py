"""Two pins of a component, and what differs between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from waypost.contracts.lock import Lock, Pin, folders_of
from waypost.errors import Finding, FindingsError, UsageError
from waypost.pins.resolver import Resolver
from waypost.pins.workspace import Workspace
from waypost.sources import git


def code_differences(workspace: Workspace, uses: str, old: Pin, new: Pin) -> list[str]:
    """Returns the unified diffs of a component's folder, and of those that it shares, between two pins."""
    mirror = workspace.mirror(uses.partition("/")[0])
    texts = []
    before, after = folders_of(uses, old), folders_of(uses, new)
    for pin in (old, new):
        mirror.ensure(pin.commit, tag=pin.tag)
    empty = git.EMPTY_TREE
    for name in dict.fromkeys([*before, *after]):
        trees = before.get(name, empty), after.get(name, empty)
        if trees[0] != trees[1]:
            mirror.complete((name, tree) for tree in trees if tree != empty)
            prefixes = {"old": f"{old}/{name}", "new": f"{new}/{name}"}
            texts.append(git.difference(mirror.folder, *trees, prefixes))
    return texts


def sides(workspace: Workspace, lock: Lock, uses: str, versions: Sequence[str]) -> tuple[Pin, Pin]:
    """Returns the old and the new pin to compare, for `[OLD] [NEW]`: what is locked, and what the pipeline
    asks for, where they are not given. Where every release that it asks for was yanked, both are the locked.
    """
    there = lock.components[uses]
    old = pin_at(workspace, uses, versions[0], lock) if len(versions) == 2 else there
    if versions:
        return old, pin_at(workspace, uses, versions[-1], lock)
    found = _pin_or_yanked(workspace, uses, workspace.wanted[uses].requirement)
    return old, found or there


def pin_at(workspace: Workspace, uses: str, version: str, lock: Lock) -> Pin:
    """Returns the pin that a component would have at a version: to look at, so that it may be a yanked one.

    Raises FindingsError.
    """
    plain = version.removeprefix("==").removeprefix("v")
    for name, pin in lock.components.items():
        if name.partition("@")[0] == uses.partition("@")[0] and pin.version == plain:
            return pin
    if found := _pin_or_yanked(workspace, uses, version):
        return found
    releases = workspace.mirror(uses.partition("/")[0]).releases()
    commit = next((release.commit for release in releases if str(release.version) == plain), version)
    pins, problems = _resolved(workspace, uses, commit)
    if uses not in pins:
        raise FindingsError(problems, consequence="")
    return pins[uses]


def _pin_or_yanked(workspace: Workspace, uses: str, requirement: str) -> Pin | None:
    """Returns the pin that a requirement gets, None where all that fits was yanked. Raises FindingsError."""
    pins, problems = _resolved(workspace, uses, requirement)
    if uses not in pins and any(finding.category != "yanked" for finding in problems):
        raise FindingsError(problems, consequence="")
    return pins.get(uses)


def _resolved(workspace: Workspace, uses: str, requirement: str) -> tuple[dict[str, Pin], list[Finding]]:
    want = workspace.wanted.get(uses)
    if want is None:
        raise UsageError(f"{uses} is not a component of this pipeline with a version")
    resolver = Resolver(workspace)
    return resolver.pins({uses: replace(want, requirement=requirement)}), resolver.problems.get(uses, [])
