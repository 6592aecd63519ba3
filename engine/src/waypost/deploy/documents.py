"""What `--json` writes of registered models: part of the interface of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waypost.contracts.mlmodel import Column
from waypost.deploy.proof import Proof


@dataclass(frozen=True)
class PromotionDocument:
    """`waypost promote --json`; `previous` is the version that had the alias before."""

    name: str
    version: str
    alias: str
    previous: str | None
    proof: Proof
    tags: Mapping[str, str]


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
