"""Pins of the components in a commit, or the reasons why one cannot be used."""

from __future__ import annotations

from collections.abc import Mapping

from waypost.contracts.component import FILE, Component
from waypost.contracts.lock import Pin, Wanted
from waypost.errors import Finding, FindingsError
from waypost.interfaces.interface import interface_digest
from waypost.pins.commit_contents import Commit


def pins_at(
    commit: Commit, wants: Mapping[str, Wanted], tag: str = ""
) -> tuple[dict[str, Pin], dict[str, list[Finding]]]:
    """Returns the pins of components at a commit, and why others cannot be pinned there, by `uses`."""
    commit.read_contracts(want.component for want in wants.values())
    contracts: dict[str, Component] = {}
    findings: dict[str, list[Finding]] = {}
    for uses, want in wants.items():
        try:
            contracts[uses] = commit.component(want.component, uses)
        except FindingsError as error:
            findings[uses] = list(error.findings)
    commit.load(name for contract in contracts.values() for name in contract.shared)
    commit.read_environments({wants[uses].component: contract for uses, contract in contracts.items()})
    version, released = commit.version_of(tag) if tag else "", commit.released
    pins = {}
    for uses, contract in contracts.items():
        name = wants[uses].component
        shared = {folder: commit.beside(name, folder) for folder in contract.shared}
        problems = [
            Finding(f"{uses}: {FILE}: shared", f"the repository has no folder {folder!r} beside it")
            for folder, tree in shared.items()
            if tree is None
        ]
        for folder in (name, *shared):
            problems += commit.unusable(folder, uses, (name, *shared))
        try:
            environment = commit.environment(name, contract)
        except FindingsError as error:
            problems += error.findings
        if problems:
            findings[uses] = list(dict.fromkeys(problems))
        else:
            pins[uses] = Pin(
                git=wants[uses].git,
                folder=wants[uses].folder,
                requirement=wants[uses].requirement,
                version=version,
                tag=tag,
                commit=commit.id,
                released=released,
                tree=commit.tree(name) or "",
                shared={folder: tree or "" for folder, tree in shared.items()},
                interface=f"sha256:{interface_digest(contract)}",
                environment=environment,
            )
    return pins, findings
