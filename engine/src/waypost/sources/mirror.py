"""Mirrors: bare repositories with what was fetched of a remote, and what this machine saw there.

Three kinds of refs keep apart what a remote says now, what it said before and what was locked:
`refs/pins/COMMIT` a commit that was asked for, `refs/seen/TAG` where a tag pointed when this machine saw it
first (never moved), `refs/tagged/TAG` the tag object as it was fetched last.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from packaging.version import Version

from waypost.contracts.tag_names import SETTINGS, own_prefix, product_around
from waypost.contracts.versions import Release, releases_of, tags_of_others, version_of
from waypost.errors import FindingsError, RemoteError, redacted
from waypost.interfaces.record import FOLDER, version_of_record
from waypost.sources import git, remotes
from waypost.sources.known import Known, read_known, write_known
from waypost.sources.mirror_objects import HEAD, PINS, MirrorObjects
from waypost.sources.objects import entries
from waypost.sources.refusals import CommitGoneError, NoCommitError
from waypost.sources.waiting import Notify
from waypost.texts.json_text import read_json

_SEEN = "refs/seen"
_TAGGED = "refs/tagged"
_YANKED = ".yanked.json"
_MOST_NAMED = 3


def _yanked_version(name: str) -> str:
    """Returns the version that a file in releases/ says was yanked, empty for other files."""
    return name.removesuffix(_YANKED) if name.endswith(_YANKED) else ""


class Mirror(MirrorObjects):
    """A bare repository with the commits of a remote that were asked for, without their history.

    `inside` is the folder of the remote that is meant, empty for its top: releases, records and what is known
    are those of the product there.
    """

    def __init__(self, folder: Path, url: str, notify: Notify, inside: str = "") -> None:
        super().__init__(folder, url, notify)
        self.inside = inside
        self.remedy = ""  # the command that makes the remote, where somebody knows it
        self._releases: tuple[Release, ...] | None = None
        self._tags: tuple[str, ...] = ()
        self._no_commits: set[str] = set()
        self._product: tuple[str, str] | None = None if inside else ("", "")

    def product(self, *, fetch: bool = False) -> tuple[str, str]:
        """Returns (folder, prefix of its tags) of the product that is meant, as the default branch has it.

        Args: with `fetch` the default branch is asked for once; else it is as it was seen last. Raises
        RemoteError.
        """
        if self._product is None and fetch:
            self.fetch_head()
        return self._product or product_around(self.inside, lambda path: self.text(path, fetch=False))

    def path(self, name: str) -> str:
        """Returns the path of a file of the product in the repository."""
        return posixpath.join(self.product()[0], name)

    def version_of(self, tag: str) -> Version | None:
        """Returns the version that a tag of the product names, None for others."""
        return version_of(tag, self.product()[1])

    def tree_of(self, commit: str) -> str | None:
        """Returns the tree of the product at a commit that is here, None where it is not there."""
        return git.folder_at(self.folder, commit, self.product()[0])

    def content_of(self, commit: str) -> str | None:
        """Returns the tree of the folder that is meant at a commit that is here, None as for `tree_of`."""
        return git.folder_at(self.folder, commit, self.inside)

    def tags(self) -> dict[str, str]:
        """Asks the remote for its tags, name to commit. Raises RemoteError."""
        try:
            return remotes.tags_of(self.url)
        except RemoteError as error:
            error.hint = self.remedy or error.hint
            raise

    def releases(self) -> tuple[Release, ...]:
        """Returns the remote's releases, newest first; asks once. Raises RemoteError."""
        if self._releases is None:
            tags = self.tags()
            self._tags = tuple(tags)
            self._releases = releases_of(tags, self.product(fetch=True)[1])
            if not self._releases and not self.inside and tags_of_others(tags):
                # The default branch is not fetched for all who have plain tags.
                self.fetch_head()
                self._product = ("", own_prefix(self.text(SETTINGS) or ""))
                self._releases = releases_of(tags, self._product[1])
        return self._releases

    def other_products(self) -> str:
        """Returns what to name where there is no release: the folder of a product that has tags of its own;
        empty where no tag looks like one. Raises RemoteError.
        """
        none_here = not self.releases() and self.product() == ("", "")
        others = tags_of_others(self._tags) if none_here else []
        return (
            f"{', '.join(others[:_MOST_NAMED])}: releases of products in folders; name one" if others else ""
        )

    def sound(self, releases: Iterable[Release], *, with_head: bool = False) -> Iterator[Release]:
        """Yields releases, with their commits fetched. A tag that names no commit is reported and skipped.

        `with_head` fetches what the default branch has now, together with the first. Raises RemoteError.
        """
        for release in releases:
            try:
                self.ensure(release.commit, tag=release.tag, with_head=with_head)
            except NoCommitError as error:
                self._notify(f"{error}; skipped")
            else:
                yield release
            with_head = False

    def ensure_all(self, releases: Sequence[Release]) -> list[Release]:
        """Fetches the commits of releases, those that are not here yet in one request; returns the releases
        whose commits are here then. Raises RemoteError.
        """
        new = list(dict.fromkeys(r.commit for r in releases if not self.has(r.commit)))
        if len(new) > 1:
            with self.locked(len(new[0])), contextlib.suppress(CommitGoneError):
                remotes.fetch(
                    self.folder, self.url, [f"{commit}:{PINS}/{commit}" for commit in dict.fromkeys(new)]
                )
                for commit in new:
                    self._forget_unless_commit(commit)
        # What a tag names that is no commit was noted, and an old server is asked for each by its tag.
        return list(self.sound(releases))

    def ensure(self, commit: str, *, tag: str = "", with_head: bool = False) -> None:
        """Fetches a commit and its trees unless they are here; one process does, the others wait.

        `tag` helps with servers that only serve refs, not single commits; `with_head` also
        fetches what the default branch has now. Raises RemoteError.
        """
        if self.has(commit) and not with_head:
            return
        if commit in self._no_commits:
            raise self._no_commit(commit, tag)
        with self.locked(len(commit)):
            if self.has(commit) and not with_head:
                return
            wanted = f"{commit}:{PINS}/{commit}"
            head = [f"+HEAD:{HEAD}"] if with_head else []
            try:
                remotes.fetch(self.folder, self.url, [wanted, *head])
            except CommitGoneError:
                # Without a default branch there is no HEAD; an old server knows refs only.
                self._fetch_by_tag(commit, tag)
                if with_head:
                    self._fetch_head()
            if with_head:
                self._note_head()
            if not self._forget_unless_commit(commit):
                raise self._no_commit(commit, tag)

    def _forget_unless_commit(self, oid: str) -> bool:
        """Tells whether what was fetched for a tag is a commit; else it is as if it were not here."""
        if git.object_at(self.folder, f"{oid}^{{commit}}") is not None:
            return True
        git.git(self.folder, "update-ref", "-d", f"{PINS}/{oid}")
        self._no_commits.add(oid)
        return False

    def _no_commit(self, oid: str, tag: str) -> NoCommitError:
        what = f"the tag {tag}" if tag else oid
        return NoCommitError(f"{redacted(self.url)}: {what} names no commit, but a file or folder")

    def _fetch_by_tag(self, commit: str, tag: str) -> None:
        try:
            remotes.fetch(self.folder, self.url, [f"{commit}:{PINS}/{commit}"])
        except CommitGoneError:
            if not tag or self.tags().get(tag) != commit:
                raise
            remotes.fetch(self.folder, self.url, [f"+refs/tags/{tag}:{PINS}/{commit}"])

    @property
    def known(self) -> Known:
        """What this machine saw of the remote."""
        return read_known(self.folder, self.inside)

    def note_reached(self, commit: str) -> None:
        """Keeps that a branch or a tag of the remote had a commit."""
        with self.locked(len(commit)):
            write_known(self.folder, self.known.with_reached(commit), self.inside)

    def first_seen(self, tag: str, commit: str) -> str:
        """Returns the commit that this machine saw behind a tag first; that is this one if it is new."""
        file = self.folder / _SEEN / tag
        with self.locked(len(commit)):
            if not file.is_file():
                git.git(self.folder, "update-ref", f"{_SEEN}/{tag}", commit)
        return file.read_text(encoding="ascii").strip()

    def tag_ref(self, tag: str, *, fetch: bool) -> str:
        """Returns the ref that has a tag with its own object; as the remote has it now where `fetch` is asked
        for, else as it was fetched last, if it was. Raises RemoteError.
        """
        ref = f"{_TAGGED}/{tag}"
        if fetch:
            with self.locked():
                remotes.fetch(self.folder, self.url, [f"+refs/tags/{tag}:{ref}"])
        return ref

    def seen_tags(self) -> dict[str, str]:
        """Returns the tags that this machine saw, name to the commit then."""
        folder = self.folder / _SEEN
        files = (path for path in folder.rglob("*") if path.is_file())
        return {p.relative_to(folder).as_posix(): p.read_text(encoding="ascii").strip() for p in files}

    def seen_releases(self) -> tuple[Release, ...]:
        """Returns the releases that this machine saw, newest first."""
        return releases_of(self.seen_tags(), self.product()[1])

    def seen_version(self, version: str) -> str:
        """Returns the commit that this machine saw behind a version's tag, empty where it saw none."""
        commits = (r.commit for r in self.seen_releases() if str(r.version) == version)
        return next(commits, "")

    def fetch_head(self) -> None:
        """Fetches what the default branch has now, where the remote has one. Raises RemoteError."""
        with self.locked():
            self._fetch_head()
            self._note_head()

    def _fetch_head(self) -> None:
        with contextlib.suppress(CommitGoneError):
            remotes.fetch(self.folder, self.url, [f"+HEAD:{HEAD}"])

    def _note_head(self) -> None:
        """Keeps which records the default branch has, even if its history is rewritten later."""
        if self.inside:
            self._product = product_around(self.inside, self.text)
        known, records = self.known, self.records()
        new = {v for name in records if (v := _yanked_version(name)) and v not in known.yanked}
        reasons = {version: self._yank_reason(version) for version in new}
        write_known(self.folder, known.with_records(records, reasons), self.inside)

    def records(self) -> dict[str, str]:
        """Returns the files in releases/ on the default branch, name to git's id."""
        tree = git.folder_at(self.folder, HEAD, self.path(FOLDER))
        found = entries(self.folder, tree) if tree else {}
        return {name: entry.oid for name, entry in found.items() if name.endswith(".json")}

    def yanked(self) -> dict[str, str]:
        """Returns the versions that the default branch lists as yanked, or once did, with the reasons."""
        records = self.records()
        gone = "; the default branch had this record, and has it no more"
        return {
            version: reason + ("" if f"{version}{_YANKED}" in records else gone)
            for version, reason in self.known.yanked.items()
        }

    def recorded(self) -> list[str]:
        """Returns the versions that have a record on the default branch."""
        return [version for name in self.records() if (version := version_of_record(f"{FOLDER}/{name}"))]

    def _yank_reason(self, version: str) -> str:
        """Returns why a version was yanked, as its record on the default branch says."""
        path = self.path(f"{FOLDER}/{version}{_YANKED}")
        try:
            content = read_json(self.text(path) or "{}", path)
        except FindingsError:
            content = {}
        reason = content.get("reason") if isinstance(content, dict) else None
        return str(reason or "no reason given")
