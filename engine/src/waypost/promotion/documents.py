"""What `promote --json` writes: part of the interface of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waypost.inference.proof import Proof


@dataclass(frozen=True)
class PromotionDocument:
    """`waypost promote --json`; `previous` is the version that had the alias before."""

    name: str
    version: str
    alias: str
    previous: str | None
    proof: Proof
    tags: Mapping[str, str]
