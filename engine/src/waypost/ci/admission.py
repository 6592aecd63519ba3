"""Conditions for publishing a release: it is for this repository, and its tag is free.

The job that wrote the delivery executed code of components, so the delivery must not decide where tokens are
used.
"""

from __future__ import annotations

from pathlib import Path

from waypost.ci.delivery import Delivery
from waypost.errors import Finding, IntegrityError, UsageError, redacted
from waypost.release.bumpversion import SETTINGS
from waypost.release.kinds import read_product
from waypost.release.library import Library
from waypost.release.product import Product
from waypost.sources import remotes


def require_publishable(clone: Path, delivery: Delivery, to: str) -> None:
    """Raises UsageError if a delivery is for another repository than `to`, or if its tag has no repository of
    its own.

    Args: `clone` has the delivery's commits, `to` is the URL of a library's own repository, else empty.
    """
    if delivery.to != to:
        wanted = f"--to {redacted(delivery.to)}" if delivery.to else "this repository alone"
        raise UsageError(
            f"{delivery.title} was prepared for {wanted}", hint="publish it there, or prepare it again"
        )
    require_own_tags(read_product(clone / delivery.folder), to)


def require_own_tags(product: Product, to: str) -> None:
    """Raises UsageError if a product's tags would mix with another product's: a guest is tagged in its own
    repository.
    """
    is_guest_library = product.is_guest and isinstance(product, Library)
    if to and not is_guest_library:
        problem = "--to is for a component library that is a guest in another repository"
        raise UsageError(
            f"{product.folder}: {problem}", hint=f"a guest has no tag_name of its own in {SETTINGS}"
        )
    if product.is_guest and not to:
        problem = f"{product.prefix} is a guest in this repository, whose tags belong to another product"
        own = f"tag_name = {product.folder.name}-v{{new_version}}, below [bumpversion] in {SETTINGS}"
        hint = "its own repository gets the release: --to URL" if is_guest_library else own
        raise UsageError(problem, hint=hint)


def is_tagged(url: str, tag: str, commit: str) -> bool:
    """Tells whether a repository has a release's tag. Raises IntegrityError if it is moved."""
    there = remotes.tags_of(url).get(tag)
    if there not in (None, commit):
        problem = f"it is at commit {there[:12]}, the release is commit {commit[:12]}"
        raise IntegrityError([Finding(tag, problem, "", "tag-moved")], consequence="nothing was published")
    return there is not None
