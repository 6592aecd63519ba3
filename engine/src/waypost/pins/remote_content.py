"""Locked content from the remote, where no other place has it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from waypost.contracts.lock import Pin, folders_of
from waypost.errors import Finding, IntegrityError, RemoteError
from waypost.pins.commit_contents import Commit
from waypost.pins.workspace import Workspace
from waypost.sources import git
from waypost.sources.mirror import Mirror
from waypost.sources.objects import Objects
from waypost.sources.refusals import BadObjectError, CommitGoneError


def content_from_remote(
    workspace: Workspace, source: str, pins: Mapping[str, Pin], differing: set[str]
) -> dict[str, Path]:
    """Returns the folders of a source's pinned components, fetched where they are not in the store."""
    mirror = workspace.mirror(source)
    parts = {uses: folders_of(uses, pin) for uses, pin in pins.items()}
    if workspace.offline and not all(mirror.has(pin.commit) for pin in pins.values()):
        offline = RemoteError("this is offline", hint="run it once with the network, then offline")
        raise _unreachable(workspace, source, pins, differing, offline)
    findings: list[Finding] = []
    commits: dict[str, Commit] = {}
    for uses, pin in pins.items():
        try:
            mirror.ensure(pin.commit, tag=pin.tag)
            if pin.commit not in commits:
                commits[pin.commit] = Commit(mirror, pin.commit)
        except CommitGoneError:
            if _find_same_content(workspace, mirror, uses, pin):
                continue
            problem = (
                f"commit {pin.commit} ({pin}) is gone from {pin.git}, no release there holds tree {pin.tree}"
            )
            hint = "a machine that ran it has it in its cache"
            findings.append(Finding(uses, problem, hint, "commit-gone"))
            continue
        except RemoteError as error:
            raise _unreachable(workspace, source, pins, differing, error) from error
        for name, tree in parts[uses].items():
            if (actual := commits[pin.commit].tree(name)) != tree:
                problem = f"the lock says tree {tree} for {name}, commit {pin.commit} has {actual}"
                findings.append(Finding(uses, problem, workspace.lock_command, "tree-differs"))
    if findings:
        raise IntegrityError(findings)
    mirror.complete(folder for folders in parts.values() for folder in folders.items())
    with Objects(mirror.folder) as objects:
        return {uses: workspace.store.add(folders, objects) for uses, folders in parts.items()}


def _find_same_content(workspace: Workspace, mirror: Mirror, uses: str, pin: Pin) -> bool:
    """Fetches another release with the same trees, for a commit that is gone; tells whether there is one."""
    for release in mirror.releases():
        with contextlib.suppress(CommitGoneError):
            mirror.ensure(release.commit, tag=release.tag)
            other = Commit(mirror, release.commit)
            if all(other.tree(name) == tree for name, tree in folders_of(uses, pin).items()):
                workspace.warn(
                    f"{uses} {pin}: commit {pin.commit[:12]} is gone from {pin.git};"
                    f" {release.tag} holds the same content (tree {pin.tree[:12]}), which runs"
                )
                return True
    return False


def _unreachable(
    workspace: Workspace, source: str, pins: Mapping[str, Pin], differing: set[str], error: RemoteError
) -> RemoteError:
    """Returns the error that says what was needed, and why no other place had it."""
    if isinstance(error, BadObjectError):
        return error
    needed = ", ".join(f"{uses.partition('@')[0]} {pin}" for uses, pin in pins.items())
    path = workspace.pipeline.components[source].path
    where = f"; in {path}, {', '.join(sorted(differing))} differ from the lock" if differing else ""
    hint = "--dev runs the folder as it is" if differing else error.hint
    root = workspace.local(source)
    if differing and root and git.is_shallow(root):
        hint += "; the locked content may be in the history, which this clone lacks: git fetch --unshallow"
    return RemoteError(f"{needed}: not in the cache{where}; {error}", hint=hint)
