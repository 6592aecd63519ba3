"""What a release has to be before it is published: for this repository, under a tag that is free.

Whoever wrote its delivery executed the code of components: so it does not decide where a token is used.
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
    """Raises UsageError where a release's delivery is for another repository than `to`, or has none that its
    tag belongs to.

    Args: `clone` has the delivery's commits, `to` is the URL of a library's own repository, else empty.
    """
    if delivery.to != to:
        wanted = f"--to {redacted(delivery.to)}" if delivery.to else "this repository alone"
        raise UsageError(
            f"{delivery.title} was prepared for {wanted}", hint="publish it there, or prepare it again"
        )
    require_own_tags(read_product(clone / delivery.folder), to)


def require_own_tags(product: Product, to: str) -> None:
    """Raises UsageError where a product's tags would be among those of another one: a guest's are in its own
    repository.
    """
    is_guest_library = product.is_guest and isinstance(product, Library)
    if to and not is_guest_library:
        raise UsageError(
            f"{product.folder}: --to is for a component library that is a guest in another repository"
        )
    if product.is_guest and not to:
        problem = f"{product.prefix} is a guest in this repository, whose tags are of another product"
        own = f"tag_name = {product.folder.name}-v{{new_version}}, below [bumpversion] in {SETTINGS}"
        hint = "its own repository gets the release: --to URL" if is_guest_library else own
        raise UsageError(problem, hint=hint)


def is_tagged(url: str, tag: str, commit: str) -> bool:
    """Tells whether a repository has a release's tag. Raises IntegrityError where it is at another commit."""
    there = remotes.tags_of(url).get(tag)
    if there not in (None, commit):
        problem = f"it is at commit {there[:12]}, the release is commit {commit[:12]}"
        raise IntegrityError([Finding(tag, problem, "", "tag-moved")], consequence="nothing was published")
    return there is not None
