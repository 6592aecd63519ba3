"""Comparison of interfaces only, for pull requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version

from waypost.errors import UsageError
from waypost.interfaces.interface import Change
from waypost.interfaces.semver import BUMPS, Bump, bump_between, bumped, demanded, together
from waypost.release.pipeline_repository import PipelineRepository
from waypost.release.product import Product


@dataclass(frozen=True)
class SemverVerdict:
    """Changes since `base`, the bump that they require, and the current bump (empty: none yet)."""

    base: str
    version: str
    changes: Mapping[str, tuple[Change, ...]]
    demanded: Bump
    least: str
    at_hand: str

    @property
    def is_enough(self) -> bool:
        """Tells whether the current bump suffices; without one, it can still be made."""
        return not self.at_hand or BUMPS.index(self.at_hand) >= BUMPS.index(self.demanded)


def semver(
    product: Product, base: str | None, bump: Bump | None, signature: Mapping[str, Any] | None = None
) -> SemverVerdict:
    """Returns the verdict. Raises UsageError if there is no such release to compare with.

    Args: `signature` is the current model's, compared with that of the release's run.
    """
    try:
        asked = Version(base.removeprefix(product.tag(""))) if base else next(iter(product.records), None)
    except InvalidVersion:
        raise UsageError(f"{base!r} is not a version") from None
    if asked is None or asked not in product.records:
        known = ", ".join(map(str, product.records)) or "none yet"
        raise UsageError(f"no record of {base or 'a release'} to compare with", hint=f"released: {known}")
    record = product.records[asked]
    if isinstance(product, PipelineRepository):
        changes = product.changes_since(record, signature)
    else:
        changes = product.changes_since(record)
    changes = together(changes, product.noted_since(asked))
    least = demanded(change for group in changes.values() for change in group)
    at_hand = bump or (bump_between(asked, product.version) if product.version > asked else "")
    following = str(bumped(asked, least))
    return SemverVerdict(record.version, str(product.version), changes, least, following, at_hand)
