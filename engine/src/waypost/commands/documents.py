"""What `--json` writes where it is more than one value of the core: part of the interface of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waypost.catalogue.document import EntryDocument
from waypost.contracts.component import Component
from waypost.contracts.lock import Pin
from waypost.contracts.mlmodel import Column
from waypost.errors import Finding
from waypost.interfaces.compare import Comparison
from waypost.pins.updating import Move
from waypost.runs.garbage import Unneeded


@dataclass(frozen=True)
class LockDocument:
    """`waypost lock --json`: whether the lock was written, and what it has by `uses`."""

    changed: bool
    pins: Mapping[str, Pin]


@dataclass(frozen=True)
class VerdictDocument:
    """`waypost verify --json`: the remotes that were asked, and the components that were not looked at."""

    findings: tuple[Finding, ...]
    asked: tuple[str, ...]
    unchecked: tuple[str, ...]


@dataclass(frozen=True)
class OutdatedDocument:
    """`waypost outdated --json` of several pipelines, for each: its moves, or why there are none."""

    pipeline: str
    moves: tuple[Move, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class VerifiedDocument:
    """`waypost verify --json` of several pipelines, for each: what was found, or why nothing was."""

    pipeline: str
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class InfoDocument:
    """`waypost components info --json`: `listed` is what index.json of a catalogue says of it, None where its
    library was not asked.
    """

    uses: str
    pin: Pin | None
    contract: Component | None
    listed: EntryDocument | None


@dataclass(frozen=True)
class ComponentDocument:
    """`waypost components list --json`, for each `uses`; a component from a folder has no pin."""

    pin: Pin | None
    contract: Component


@dataclass(frozen=True)
class ReproductionDocument:
    """`waypost reproduce --json`."""

    equal: bool
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class CollectedDocument:
    """`waypost gc --json`: what nothing needs, how many runs are kept, by why; `freeing` is the command that
    removes the bytes of what was deleted.
    """

    tracking_uri: str
    deleted: bool
    unneeded: tuple[Unneeded, ...]
    bytes: int
    kept: Mapping[str, int]
    freeing: str


@dataclass(frozen=True)
class ModelDocument:
    """`waypost info --json`; `folder` is where its files are on this machine."""

    name: str
    version: str
    aliases: tuple[str, ...]
    run_id: str
    folder: str
    tags: Mapping[str, str]
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
