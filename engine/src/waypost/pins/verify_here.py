"""Verification of what is on this machine: the cache, and the local folders of sources."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from waypost.contracts.lock import Pin, folders_of
from waypost.contracts.pipeline import component_name
from waypost.errors import Finding, FindingsError, RemoteError
from waypost.interfaces.interface import interface_digest
from waypost.pins.commit_contents import Commit
from waypost.pins.reachability import distinct
from waypost.pins.verdict import Verdict
from waypost.pins.workspace import Workspace
from waypost.sources.files import read_component, requirements_digest
from waypost.sources.mirror import Mirror
from waypost.sources.snapshots import trees_of
from waypost.sources.store import is_intact
from waypost.texts.scalars import yaml_1_1


def look_here(workspace: Workspace, source: str, pins: Mapping[str, Pin], verdict: Verdict) -> None:
    root = workspace.local(source)
    names = [name for uses, pin in pins.items() for name in folders_of(uses, pin)]
    local = trees_of(root, names) if root and root.is_dir() else {}
    path = workspace.pipeline.components[source].path
    locked = [folders_of(uses, pin) for uses, pin in pins.items()]
    differing = [n for n, tree in local.items() if all(parts.get(n, "") != tree for parts in locked)]
    if differing:
        problem = f"not what the lock has, which is what runs: {', '.join(sorted(differing))}"
        hint = "release it and update the lock, or run it with --dev"
        verdict.findings.append(Finding(str(path), problem, hint, "tree-differs"))
    mirror = workspace.mirror(source)
    commits: dict[str, Commit] = {}
    for pin in distinct(pins.values()):
        try:
            if _is_here(mirror, pin, can_ask=source in verdict.asked):
                commits[pin.commit] = Commit(mirror, pin.commit)
        except FindingsError as error:
            verdict.findings += error.findings
    for commit in commits.values():
        commit.look(names)
    for uses, pin in pins.items():
        verdict.findings += _pin_findings(workspace, commits.get(pin.commit), uses, pin, verdict, local)


def _is_here(mirror: Mirror, pin: Pin, *, can_ask: bool) -> bool:
    """Tells whether the mirror has a pin's commit; it is fetched where the remote can be asked."""
    if can_ask and not mirror.has(pin.commit):
        with contextlib.suppress(RemoteError):
            mirror.ensure(pin.commit, tag=pin.tag)
    return mirror.has(pin.commit)


def _pin_findings(
    workspace: Workspace,
    commit: Commit | None,
    uses: str,
    pin: Pin,
    verdict: Verdict,
    local: Mapping[str, str],
) -> list[Finding]:
    """Returns where the cache's content is not what the pin says, and the pin not what the content says.

    Args: `commit` is the pin's, where the mirror has it.
    """
    found = []
    parts = folders_of(uses, pin)
    place = workspace.store.place(parts)
    if place.is_dir() and not is_intact(place):
        problem = "the cache's copy was changed since it was unpacked"
        found.append(Finding(uses, problem, "the next run makes it again", "tree-differs"))
    elif place.is_dir():
        found += _digest_findings(uses, pin, place)
    if commit:
        found += [finding for name in parts for finding in commit.refused(name, uses)]
        for name, tree in parts.items():
            if (actual := commit.tree(name)) != tree:
                problem = f"the lock has tree {tree[:12]} for {name}, its commit {str(actual)[:12]}"
                found.append(Finding(uses, problem, workspace.lock_command, "tree-differs"))
    if not found and not place.is_dir():
        found += _fetched_findings(workspace, commit, uses, pin, verdict, local)
    return found


def _fetched_findings(
    workspace: Workspace,
    commit: Commit | None,
    uses: str,
    pin: Pin,
    verdict: Verdict,
    local: Mapping[str, str],
) -> list[Finding]:
    """Returns which digests of a component that the cache does not have are not those of its pin: a local
    folder may have the same content; else it is fetched, or noted as not looked at.
    """
    parts, source = folders_of(uses, pin), uses.partition("/")[0]
    root = workspace.local(source)
    if root and parts.items() <= local.items():
        return _digest_findings(uses, pin, root)
    if commit and source in verdict.asked:
        with contextlib.suppress(RemoteError):
            return _digest_findings(uses, pin, workspace.store.obtain(parts, workspace.mirror(source)))
    verdict.unchecked.append(uses)
    return []


def _digest_findings(uses: str, pin: Pin, root: Path) -> list[Finding]:
    """Returns which digests of a component in a folder are not those of its pin."""
    name = component_name(uses)
    contract = read_component(root, name, name)
    interface = f"sha256:{interface_digest(contract)}"
    if interface != pin.interface and pin.interface == _interface_of_1_0(root, name):
        interface = pin.interface
    found = []
    for what, locked, actual in (
        ("interface", pin.interface, interface),
        ("environment", pin.environment, requirements_digest(root / name, contract)),
    ):
        if locked != actual:
            problem = f"its {what} has digest {actual[7:19]}, the lock says {locked[7:19]}"
            found.append(Finding(uses, problem, "", f"{what}-differs"))
    return found


def _interface_of_1_0(root: Path, name: str) -> str:
    """Returns the digest that Waypost 1.0.0 locked, which took defaults such as NO for YAML 1.1's values."""
    return f"sha256:{interface_digest(read_component(root, name, name, yaml_1_1))}"
