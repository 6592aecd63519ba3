"""The output of `promote --json`: part of the engine's interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waypost.inference.proof import Proof


@dataclass(frozen=True)
class PromotionDocument:
    """Output of `waypost promote --json`; `previous` is the version that had the alias before."""

    name: str
    version: str
    alias: str
    previous: str | None
    proof: Proof
    tags: Mapping[str, str]
