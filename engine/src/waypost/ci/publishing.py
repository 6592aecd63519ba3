"""Publication of a delivery: each step first checks what an earlier attempt has done, and does the rest.

Steps of a release, in order: commits on the branch (or a pull request); for a guest, its own repository; a
draft with all assets; the tag; publication of the draft; a final check. After a kill at any point, the next
attempt starts with the first step and finds what is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from waypost.ci.admission import is_tagged, require_publishable
from waypost.ci.branches import settle, theirs
from waypost.ci.delivery import ASSETS, Delivery, read_delivery, take_commits
from waypost.ci.hosting import Host, Published, host_of
from waypost.errors import Finding, IntegrityError, UsageError, WaypostError
from waypost.release.cut import tag_message, take_settings
from waypost.release.export import export
from waypost.sources import git, remotes
from waypost.sources.waiting import Notify
from waypost.system.scratch import scratch

_SIGNS = ("tag.gpgsign", "tag.forcesignannotated")


@dataclass(frozen=True)
class Arrived:
    """Result of a delivery: each step in words, URL of the release or the pull request; `commit` is that of
    the release, or the head of the branch.
    """

    title: str
    url: str
    version: str
    commit: str
    is_published: bool
    steps: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Place:
    """Destination of a release: a clone with its commit, URL and hosting service of its repository."""

    repository: Path
    url: str
    host: Host | None
    commit: str


def publish(top: Path, place: Path, say: Notify, *, to: str = "", pull_request: bool = False) -> Arrived:
    """Publishes a delivery; `to` is the URL of a library's own repository.

    Raises UsageError, IntegrityError, RemoteError, WaypostError.
    """
    delivery = read_delivery(place)
    url = git.origin_of(top)
    with _with_commits(top, delivery, place) as clone:
        if delivery.kind == "pull-request" or (pull_request and delivery.head != delivery.base):
            return _proposed(clone, url, delivery, place)
        require_publishable(clone, delivery, to)
        steps = [("branch", _landed(clone, url, delivery))]
        target = Place(clone, url, host_of(url), delivery.commit)
        if delivery.to:
            target, exported = _exported(clone, delivery, say)
            steps.append(("own repository", exported))
        assets = [place / ASSETS / name for name in sorted(delivery.assets)]
        for name, step in (
            ("draft", _drafted),
            ("tag", _tagged),
            ("release", _published),
            ("check", _checked),
        ):
            done = step(target, delivery, assets)
            say(f"{name}: {done}")
            steps.append((name, done))
        there = target.host.release(delivery.tag) if target.host else None
        url_there = there.url if there else ""
        return Arrived(delivery.title, url_there, delivery.version, target.commit, True, tuple(steps))


@contextmanager
def _with_commits(top: Path, delivery: Delivery, place: Path) -> Iterator[Path]:
    """Yields a clone with the commits of a delivery checked out."""
    if git.is_shallow(top):
        raise UsageError(
            "this clone has no history", hint="git fetch --unshallow; actions/checkout: fetch-depth: 0"
        )
    if git.object_at(top, f"{delivery.base}^{{commit}}") is None:
        raise UsageError(f"{top}: commit {delivery.base[:12]}, on which the delivery builds, is not here")
    with scratch() as temp:
        clone = temp / "clone"
        git.git(top, "clone", "--quiet", "--shared", "--no-checkout", "--no-tags", str(top), str(clone))
        take_settings(top, clone, signs=True)
        take_commits(delivery, place, clone)
        git.git(clone, "checkout", "--quiet", "--detach", delivery.head)
        yield clone


def _landed(clone: Path, url: str, delivery: Delivery) -> str:
    """Pushes the commits unless they are there. Raises WaypostError if the branch has moved on,
    IntegrityError if the tag points to another commit; nothing is pushed then.
    """
    there = theirs(clone, url, delivery.branch)
    was_there = bool(there) and git.is_ancestor(clone, delivery.head, there)
    if there and not was_there and not git.is_ancestor(clone, there, delivery.head):
        message = f"{delivery.branch} has moved on to {there[:12]} since {delivery.title} was prepared"
        raise WaypostError(f"{message}: nothing was published", hint="prepare it again, of what is there now")
    if not delivery.to:  # an export compares the tags itself
        is_tagged(url, delivery.tag, delivery.commit)
    if was_there:
        return "was there"
    remotes.push(clone, url, [f"{delivery.head}:refs/heads/{delivery.branch}"])
    return f"{delivery.branch} is at {delivery.head[:12]}"


def _proposed(clone: Path, url: str, delivery: Delivery, place: Path) -> Arrived:
    """Opens or updates a pull request; a person's commits on its branch stay."""
    state, commit = settle(clone, url, delivery.source, delivery.head, delivery.base)
    words = {
        "new": "is new",
        "moved": "was replaced",
        "same": "was there",
        "theirs": "has a person's commits: left",
    }
    steps = [("branch", f"{delivery.source} {words[state]}")]
    host, there = host_of(url), ""
    if host and state != "theirs":
        body = place / "body.md"
        body.write_text(delivery.body, encoding="utf-8")
        there = host.pull_request(delivery.source)
        if not there:
            there = host.propose(delivery.source, delivery.branch, delivery.title, body)
            steps.append(("pull request", "opened"))
        elif state != "same":
            host.describe(there, delivery.title, body)
            steps.append(("pull request", "renewed"))
        else:
            steps.append(("pull request", "was there"))
    return Arrived(delivery.title, there, delivery.version, commit, False, tuple(steps))


def _exported(clone: Path, delivery: Delivery, say: Notify) -> tuple[Place, str]:
    """Pushes a library to its own repository: commits, and the tags of all releases."""
    found = export(clone / delivery.folder, delivery.to, say)
    return Place(
        clone, delivery.to, host_of(delivery.to, "LIBRARY_TOKEN"), found.tags[delivery.tag]
    ), f"main is at {found.head[:12]}"


def _drafted(place: Place, delivery: Delivery, assets: list[Path]) -> str:
    if place.host is None:
        return "no service to publish on: the assets stay in the folder"
    there = place.host.release(delivery.tag)
    if there and not there.is_draft:
        return "was published"
    if there is None:
        with scratch() as temp:
            notes = temp / "notes.md"
            notes.write_text(delivery.notes + "\n", encoding="utf-8")
            place.host.draft(delivery.tag, place.commit, delivery.title, notes, assets)
        return f"with {len(assets)} assets"
    lacking = [file for file in assets if there.assets.get(file.name) != delivery.assets[file.name]]
    if lacking:
        place.host.upload(delivery.tag, lacking)
    for name in there.assets.keys() - delivery.assets.keys():
        place.host.drop(delivery.tag, name)
    return f"was there; {len(lacking)} assets were lacking"


def _tagged(place: Place, delivery: Delivery, _assets: list[Path]) -> str:
    """Creates the tag if it is missing; an existing tag is never moved. Raises IntegrityError."""
    tag = delivery.tag
    if is_tagged(place.url, tag, place.commit):
        return "was there"
    message = tag_message(delivery.title, delivery.notes)
    if any(git.is_on(place.repository, key) for key in _SIGNS):
        git.git(place.repository, "tag", "--annotate", "--message", message, tag, place.commit)
    else:
        git.annotate(place.repository, tag, place.commit, message)
    remotes.push(place.repository, place.url, [f"refs/tags/{tag}"])
    return f"{tag} is at {place.commit[:12]}"


def _published(place: Place, delivery: Delivery, _assets: list[Path]) -> str:
    if place.host is None:
        return "the tag alone"
    if place.host.is_published(delivery.tag):
        return "was published"
    place.host.publish(delivery.tag)
    return "published"


def _checked(place: Place, delivery: Delivery, _assets: list[Path]) -> str:
    """Checks what is public now. Raises IntegrityError if it is not the release."""
    found = []
    if remotes.tags_of(place.url).get(delivery.tag) != place.commit:
        found.append(Finding(delivery.tag, f"the tag is not at commit {place.commit[:12]}", "", "tag-moved"))
    if place.host:
        found += _asset_findings(place.host.release(delivery.tag), delivery)
    if found:
        raise IntegrityError(found, consequence="")
    if place.host and not place.host.is_immutable(delivery.tag):
        return "as prepared; releases of this repository can be changed: see `waypost ci settings`"
    return "as prepared"


def _asset_findings(there: Published | None, delivery: Delivery) -> Iterator[Finding]:
    if there is None or there.is_draft:
        yield Finding(delivery.tag, "it is not published", "", "release-missing")
        return
    for name in delivery.assets:
        if name not in there.assets:
            yield Finding(f"{delivery.tag}: {name}", "this asset is missing", "", "release-missing")
