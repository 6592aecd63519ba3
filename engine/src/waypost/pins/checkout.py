"""The code of components, ready to run: the locked content, or a folder as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from waypost.contracts.component import Component
from waypost.contracts.lock import Pin, folders_of
from waypost.contracts.pipeline import component_name
from waypost.contracts.versions import parse_requirement
from waypost.errors import Finding, FindingsError, UsageError
from waypost.pins.commit_contents import Commit
from waypost.pins.pinning import pins_at
from waypost.pins.remote_content import content_from_remote
from waypost.pins.workspace import Workspace, fresh_lock, read_lock
from waypost.sources import git, remotes
from waypost.sources.files import (
    read_component,
    read_environment_folders,
    read_python_env,
    read_requirements,
)
from waypost.sources.objects import Objects
from waypost.sources.snapshots import snapshot


@dataclass(frozen=True)
class Checkout:
    """A component that can run: `folder` is its own, what it shares lies beside it.

    `trees` are the git trees of both by name. Without a pin it is a folder of the user's.
    """

    folder: Path
    component: Component
    trees: Mapping[str, str]
    pin: Pin | None = None

    @cached_property
    def code(self) -> dict[str, str]:
        """The trees of what runs: without the folders that hold only what is installed, which is known by
        the digest of the environment. Raises FindingsError.
        """
        installed = read_environment_folders(self.folder, self.component)
        return {name: tree for name, tree in self.trees.items() if name not in installed}

    def requirements(self) -> dict[str, str]:
        """Returns the texts of its requirement files. Raises FindingsError, UsageError."""
        return read_requirements(self.folder, read_python_env(self.folder, self.component))


Checkouts = tuple[Mapping[str, Checkout], Mapping[str, Sequence[Finding]]]


def checkouts(workspace: Workspace, *, dev: bool = False) -> Checkouts:
    """Returns the components that the pipeline uses, and the problems of missing ones, both by `uses`.

    With `dev`, local folders are taken as they are, and branches as they are now. Raises
    IntegrityError, RemoteError.
    """
    pins = _dev_pins(workspace) if dev and not workspace.kept else _locked_pins(workspace)
    found = pinned_checkouts(workspace, pins)
    problems: dict[str, list[Finding]] = {}
    by_source: dict[str, list[str]] = {}
    for step in workspace.pipeline.steps.values():
        if step.uses not in found and step.source in workspace.pipeline.components:
            by_source.setdefault(step.source, []).append(step.uses)
    for source, group in by_source.items():
        found |= _local_checkouts(workspace, source, group, problems)
    workspace.warn_deprecated({uses: checkout.component for uses, checkout in found.items()})
    return found, problems


def _locked_pins(workspace: Workspace) -> dict[str, Pin]:
    # What a run kept of its lock are the pins of what it ran, and the rest came from folders.
    lock = read_lock(workspace) if workspace.kept else fresh_lock(workspace)
    return {} if lock is None else lock.components


def _dev_pins(workspace: Workspace) -> dict[str, Pin]:
    """Returns the pins of what has no local folder: from the lock, or of branches as they are now."""
    pins: dict[str, Pin] = {}
    locked: Mapping[str, Pin] | None = None
    for uses, want in workspace.wanted.items():
        if workspace.local(want.source) is not None:
            continue
        requirement = parse_requirement(want.requirement)
        if requirement.branch:
            mirror = workspace.mirror(want.source)
            commit = remotes.branches_of(mirror.url).get(requirement.branch)
            if commit is None:
                raise UsageError(f"{uses}: {want.git} has no branch {requirement.branch!r}")
            workspace.warn(f"{uses}: branch {requirement.branch!r}, now at {commit[:12]}: not reproducible")
            mirror.ensure(commit)
            found, findings = pins_at(Commit(mirror, commit), {uses: want})
            if findings:
                raise FindingsError(findings[uses])
            pins |= found
        else:
            locked = _locked_pins(workspace) if locked is None else locked
            pins[uses] = locked[uses]
    return pins


def _local_checkouts(
    workspace: Workspace, source: str, group: Sequence[str], problems: dict[str, list[Finding]]
) -> dict[str, Checkout]:
    """Returns components of a local folder, as they are on disk."""
    root = workspace.local(source) or workspace.folder
    components: dict[str, Component] = {}
    for uses in group:
        try:
            components[uses] = read_component(root, component_name(uses), uses)
        except FindingsError as error:
            problems[uses] = list(error.findings)
    folders = {uses: [component_name(uses), *found.shared] for uses, found in components.items()}
    trees = workspace.store.memo.trees(root, [name for names in folders.values() for name in names])
    return {
        uses: Checkout(
            root / names[0], components[uses], {name: trees[name] for name in names if name in trees}
        )
        for uses, names in folders.items()
    }


def pinned_checkouts(workspace: Workspace, pins: Mapping[str, Pin]) -> dict[str, Checkout]:
    """Returns components by their pins: from the cache, else a local folder, else the history of the
    repository around that, else the remote.
    """
    found: dict[str, Path] = {}
    folders = {uses: folders_of(uses, pin) for uses, pin in pins.items()}
    sources: dict[str, list[str]] = {}
    for uses in pins:
        sources.setdefault(uses.partition("/")[0], []).append(uses)
    for source, group in sources.items():
        found |= {uses: place for uses in group if (place := workspace.store.find(folders[uses]))}
        trees = _local_trees(workspace, source, [folders[uses] for uses in group])
        here = [uses for uses in group if uses not in found and folders[uses].items() <= trees.items()]
        if here and (root := workspace.local(source)):
            wanted = [name for uses in here for name in folders[uses]]
            with snapshot(root, wanted) as (repository, now), Objects(repository) as objects:
                for uses in here:
                    if folders[uses].items() <= now.items():
                        found[uses] = workspace.store.add(folders[uses], objects)
        found |= _from_history(workspace, source, {u: folders[u] for u in group if u not in found})
        differing = _differing((folders[uses] for uses in group), trees)
        rest = {uses: pins[uses] for uses in group if uses not in found}
        if rest:
            found |= content_from_remote(workspace, source, rest, differing)
        if differing:
            names = ", ".join(sorted(differing))
            path = workspace.pipeline.components[source].path
            workspace.warn(
                f"{path}: {names} differ{'s' if len(differing) == 1 else ''} from the lock;"
                " the locked content runs (--dev runs the folder as it is)"
            )
    return {uses: _pinned(place, uses, pins[uses]) for uses, place in found.items()}


def _pinned(place: Path, uses: str, pin: Pin) -> Checkout:
    name = component_name(uses)
    return Checkout(place / name, read_component(place, name, uses), folders_of(uses, pin), pin)


def _local_trees(workspace: Workspace, source: str, folders: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Returns the trees of a source's local folder by name, none where it has no such folder."""
    root = workspace.local(source)
    if root is None or not root.is_dir():
        return {}
    return workspace.store.memo.trees(root, [name for parts in folders for name in parts])


def _from_history(
    workspace: Workspace, source: str, wanted: Mapping[str, Mapping[str, str]]
) -> dict[str, Path]:
    """Returns components whose folders (name to tree) some commit around a source's local folder has.

    A tree is named by its content, so it does not matter which commit, nor where the folder lay in it.
    """
    root = workspace.local(source)
    top = git.top_of(root) if wanted and root and root.is_dir() else None
    if top is None:
        return {}
    with Objects(top) as objects:
        return {
            uses: workspace.store.add(folders, objects)
            for uses, folders in wanted.items()
            if git.has_whole(top, folders.values())
        }


def _differing(locked: Iterable[Mapping[str, str]], local: Mapping[str, str]) -> set[str]:
    """Returns the local folders that differ from their locked trees; with two versions, one may fit."""
    trees: dict[str, set[str]] = {}
    for folders in locked:
        for name, tree in folders.items():
            trees.setdefault(name, set()).add(tree)
    return {name for name, expected in trees.items() if name in local and local[name] not in expected}
