"""Export of a component library to a repository of its own, with its history and its releases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost.errors import Finding, IntegrityError, UsageError, WaypostError, redacted
from waypost.pins.recorded_releases import described
from waypost.sources import git, history, remotes
from waypost.sources.history import Split
from waypost.sources.refusals import CommitGoneError
from waypost.sources.waiting import Notify
from waypost.system.scratch import scratch

BRANCH = "main"
_OURS, _THEIRS = f"refs/heads/{BRANCH}", "refs/waypost/theirs"
_MOST_NAMED = 5


@dataclass(frozen=True)
class Place:
    """Location of a library: `prefix` is the path of its folder in the repository, `.` for its top."""

    top: Path
    prefix: str

    @property
    def is_guest(self) -> bool:
        return self.prefix != "."


@dataclass(frozen=True)
class Export:
    """State of the destination: the commit of `main`, and the recorded releases' tags (name to commit).

    `foreign` are descriptions of the commits that exist only there.
    """

    head: str
    tags: Mapping[str, str]
    foreign: tuple[str, ...] = ()


def place_of(library: Path) -> Place:
    """Returns the location of a library. Raises UsageError if its history is not available."""
    top = git.top_of(library)
    if top is None:
        raise UsageError(f"{library} is in no git repository")
    if git.is_shallow(library):
        raise UsageError("this clone has no history", hint="git fetch --unshallow")
    return Place(top, library.resolve().relative_to(top.resolve()).as_posix())


def export(library: Path, destination: str, notify: Notify, *, onto: bool = False) -> Export:
    """Splits a library with its history off its repository and pushes it to a folder or a URL.

    Tags follow from the records in `releases/`: each points to the commit that added its record.
    Commits, trees and tags are the same on every machine. The destination is only added to; if it
    has other commits, `onto` pushes a merge of both.
    Raises UsageError, IntegrityError if a record or tag does not match, RemoteError.
    """
    place = place_of(library)
    with scratch() as temp:
        repository = temp / "library.git"
        ours = take_out(place, repository, notify).head
        tags = _tags(place, repository)
        url = _destination(destination)
        head, foreign = _joined(repository, url, ours, onto=onto)
        new = _new_tags(tags, remotes.tags_of(url))
        remotes.push(repository, url, [f"{head}:{_OURS}", *(f"refs/tags/{tag}" for tag in new)])
    return Export(head, tags, foreign)


def take_out(place: Place, repository: Path, notify: Notify) -> Split:
    """Creates a bare repository with the library's history as main branch; the user's is only read.

    Raises UsageError if there is no history.
    """
    clone = ["clone", "--quiet", "--bare", "--shared", "--no-tags"]
    git.git(repository.parent, *clone, str(place.top), str(repository))
    head = git.head_of(place.top)
    if head is None:
        raise UsageError(f"{place.top}: nothing is committed yet")
    split = Split(head, {}, {})
    if place.is_guest:
        notify(f"splitting {place.prefix} off, with its history")
        try:
            split = history.split(repository, place.prefix, head)
        except LookupError as error:
            raise UsageError(f"{place.top}: {error}", hint="commit it first") from error
        history.write_commits(repository, split.bodies.values())
    git.git(repository, "update-ref", _OURS, split.head)
    git.git(repository, "symbolic-ref", "HEAD", _OURS)
    return split


def fetch_theirs(repository: Path, url: str, ours: str) -> str | None:
    """Fetches a library's own repository; returns the commit of its main branch, None if it is empty.

    Raises UsageError if it has an unrelated history, RemoteError.
    """
    try:
        remotes.fetch_branch(repository, url, BRANCH, _THEIRS)
    except CommitGoneError:
        return None
    if not history.are_related(repository, ours, _THEIRS):
        raise UsageError(f"{redacted(url)}: its {BRANCH} has another history: it is not this library's")
    return git.object_at(repository, _THEIRS)


def _joined(repository: Path, url: str, ours: str, *, onto: bool) -> tuple[str, tuple[str, ...]]:
    """Returns the new commit of main at the destination, and descriptions of foreign commits there.

    Raises WaypostError if both sides have commits of their own, unless `onto` merges them.
    """
    theirs = fetch_theirs(repository, url, ours)
    foreign = tuple(history.described(repository, theirs, f"^{ours}")) if theirs else ()
    if theirs is None or not foreign:
        return ours, ()
    if git.is_ancestor(repository, ours, theirs):
        return theirs, foreign
    shown = redacted(url)
    if not onto:
        named = ", ".join(foreign[:_MOST_NAMED]) + ", …" * (len(foreign) > _MOST_NAMED)
        count = "a commit that is" if len(foreign) == 1 else f"{len(foreign)} commits that are"
        hint = f"take them in: waypost components import {shown}; or join both there: export --onto"
        raise WaypostError(f"{shown}: its {BRANCH} has {count} not here: {named}", hint=hint)
    try:
        return history.merged(repository, theirs, ours, "Join what was exported"), foreign
    except LookupError as error:
        problem = f"{shown}: both sides changed the same lines: {error}"
        raise WaypostError(problem, hint=f"join them here: waypost components import {shown}") from error


def _tags(place: Place, repository: Path) -> dict[str, str]:
    """Creates the tags of recorded releases, each at the commit that added its record; returns name to
    commit. A library at the top of its repository has them already, from its releases.
    """
    releases, findings = described(repository, BRANCH)
    if findings:
        raise IntegrityError(findings, consequence="nothing was exported")
    found = {f"v{release.record.version}": release.commit for release in releases}
    for tag, commit in found.items():
        if not place.is_guest and git.object_at(place.top, f"refs/tags/{tag}^{{commit}}") == commit:
            git.git(repository, "fetch", "--quiet", str(place.top), f"refs/tags/{tag}:refs/tags/{tag}")
        else:
            git.annotate(repository, tag, commit, f"Components {tag.removeprefix('v')}")
    return found


def _new_tags(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Returns the missing tags. Raises IntegrityError if one points to another commit."""
    findings = [
        Finding(
            tag, f"there it is commit {there[tag][:12]}, its record makes it {commit[:12]}", "", "tag-moved"
        )
        for tag, commit in wanted.items()
        if there.get(tag, commit) != commit
    ]
    if findings:
        raise IntegrityError(findings, consequence="nothing was exported")
    return [tag for tag in wanted if tag not in there]


def address(text: str) -> str:
    """Returns a repository's address for git in any folder: a URL, or an absolute path."""
    is_url = "://" in text or (":" in text and not Path(text).exists())
    return text if is_url else str(Path(text).resolve())


def _destination(text: str) -> str:
    """Returns the URL to push to; a missing folder becomes a bare repository."""
    url = address(text)
    folder = Path(text).resolve()
    if url != str(folder):
        return url
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        git.create_bare(folder)
        git.git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
        # So that clients may fetch a component without the rest, as hosted repositories allow.
        git.git(folder, "config", "uploadpack.allowFilter", "true")
    elif not (folder / "HEAD").is_file() and not (folder / ".git").exists():
        raise UsageError(
            f"{folder} is there, but no git repository", hint="give a folder that is not there yet"
        )
    return url
