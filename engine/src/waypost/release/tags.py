"""Tags of a repository's releases: listing them, and restoring them from the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from waypost.errors import Finding, IntegrityError
from waypost.interfaces.record import FOLDER
from waypost.pins.recorded_releases import Described, described
from waypost.release.bumpversion import SETTINGS
from waypost.release.cut import tag_message
from waypost.release.kinds import read_product
from waypost.release.product import Product
from waypost.sources import git, remotes
from waypost.sources.files import read_text

State = Literal["there", "missing", "moved", "made", "fetched"]


@dataclass(frozen=True)
class Tag:
    """The tag of a recorded release, and the commit that it should point to.

    `state` is its state, or what was done; a `moved` one points to `actual`, here or on origin, and is not
    changed.
    """

    product: str
    name: str
    commit: str
    state: State
    actual: str = ""
    pushed: bool = False


@dataclass(frozen=True)
class Tags:
    """Tags of products; `guests` are products with tags in their own repositories."""

    tags: tuple[Tag, ...]
    guests: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 if all exist, 4 if one points to another commit, 1 if one is missing."""
        states = {tag.state for tag in self.tags}
        return IntegrityError.exit_code if "moved" in states else int("missing" in states)


def products_of(folder: Path) -> list[Product]:
    """Returns the released products of the repository around a folder: those with records."""
    top = git.top_of(folder) or folder
    paths = git.git(top, "ls-files", "-z", "--", f":(glob)**/{SETTINGS}").split("\0")
    files = [top / path for path in paths if path and (top / path).with_name(FOLDER).is_dir()]
    return [read_product(file.parent) for file in files if "[bumpversion]" in read_text(file)]


def list_tags(products: Sequence[Product]) -> Tags:
    """Returns the states of the tags recorded on the default branch, without asking a remote.

    Raises UsageError for a clone without history, IntegrityError if the history does not contain what a
    record lists.
    """
    return Tags(tuple(_found(s, release) for s, release in _releases(products)), _guests(products))


def restore(products: Sequence[Product], *, offline: bool) -> Tags:
    """Restores missing tags: from origin if they exist there, else from the records.

    An existing tag is never moved. Raises UsageError, IntegrityError, RemoteError.
    """
    if not (releases := _releases(products)):
        return Tags((), _guests(products))
    top = products[0].top
    there = {} if offline or not git.has_origin(top) else remotes.tags_of(git.origin_of(top))
    found = []
    for product, release in releases:
        tag = _found(product, release)
        if tag.state == "missing":
            tag = _compared(tag, there)
        if tag.state == "missing":
            message = tag_message(product.title(release.record.version), release.record.notes)
            git.annotate(top, tag.name, tag.commit, message)
            tag = replace(tag, state="made")
        found.append(tag)
    if fetched := [tag.name for tag in found if tag.state == "fetched"]:
        remotes.fetch_tags(top, git.origin_of(top), fetched)
    return Tags(tuple(found), _guests(products))


def push(products: Sequence[Product], found: Tags) -> Tags:
    """Pushes the tags that origin lacks, all or none, and never by force.

    Raises RemoteError.
    """
    if not found.tags:
        return found
    top = products[0].top
    there = remotes.tags_of(git.origin_of(top))
    tags = [_compared(tag, there) if tag.name in there else tag for tag in found.tags]
    new = [tag.name for tag in tags if tag.name not in there and tag.state in ("there", "made")]
    if new:
        remotes.push(top, git.origin_of(top), [f"refs/tags/{name}" for name in new])
    return replace(found, tags=tuple(replace(tag, pushed=tag.name in new) for tag in tags))


def _guests(products: Sequence[Product]) -> tuple[str, ...]:
    return tuple(product.prefix for product in products if product.is_guest)


def _releases(products: Sequence[Product]) -> list[tuple[Product, Described]]:
    """Returns all releases that are tagged in this repository, with their products."""
    found: list[tuple[Product, Described]] = []
    findings: list[Finding] = []
    for product in products:
        if not product.is_guest:
            releases, problems = described(product.top, git.default_revision(product.top), product.prefix)
            found += [(product, release) for release in releases]
            findings += problems
    if findings:
        raise IntegrityError(findings, consequence="no tag was made")
    return found


def _found(product: Product, release: Described) -> Tag:
    name = product.tag(release.record.version)
    here = git.object_at(product.top, f"refs/tags/{name}^{{commit}}")
    tag = Tag(product.prefix, name, release.commit, "missing")
    return tag if here is None else _compared(tag, {name: here}, "there")


def _compared(tag: Tag, there: Mapping[str, str], state: State = "fetched") -> Tag:
    """Returns a tag with its state in a repository: missing, the right commit (`state`) or moved."""
    actual = there.get(tag.name)
    if actual is None:
        return tag
    return replace(tag, state=state) if actual == tag.commit else replace(tag, state="moved", actual=actual)
