"""The tags of a repository's releases: listed, and restored from the records."""

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
    """A tag that a record asks for, and the commit that it should be at.

    `state` is how it was found, or what became of it; a `moved` one is at `actual`, here or on origin, and
    stays there.
    """

    product: str
    name: str
    commit: str
    state: State
    actual: str = ""
    pushed: bool = False


@dataclass(frozen=True)
class Tags:
    """All tags of some products; `guests` are those whose tags are in a repository of their own."""

    tags: tuple[Tag, ...]
    guests: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 where all are there, 4 where one is at another commit, 1 where one is missing."""
        states = {tag.state for tag in self.tags}
        return IntegrityError.exit_code if "moved" in states else int("missing" in states)


def products_of(folder: Path) -> list[Product]:
    """Returns the products of the repository around a folder that were released: they have records."""
    top = git.top_of(folder) or folder
    paths = git.git(top, "ls-files", "-z", "--", f":(glob)**/{SETTINGS}").split("\0")
    files = [top / path for path in paths if path and (top / path).with_name(FOLDER).is_dir()]
    return [read_product(file.parent) for file in files if "[bumpversion]" in read_text(file)]


def list_tags(products: Sequence[Product]) -> Tags:
    """Returns how the tags are that the records on the default branch ask for; no remote is asked.

    Raises UsageError for a clone without history, IntegrityError where the history does not have what a
    record lists.
    """
    return Tags(tuple(_found(s, release) for s, release in _releases(products)), _guests(products))


def restore(products: Sequence[Product], *, offline: bool) -> Tags:
    """Brings the tags that are missing: from origin where they are there, else made from the records.

    A tag that is there is never moved. Raises UsageError, IntegrityError, RemoteError.
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
    """Pushes the tags that are here and not on origin; all or none, and never by force.

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
    """Returns all releases with tags here, and the products that they are of."""
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
    """Returns a tag with what a repository has of it: nothing, the right commit (`state`), another one."""
    actual = there.get(tag.name)
    if actual is None:
        return tag
    return replace(tag, state=state) if actual == tag.commit else replace(tag, state="moved", actual=actual)
