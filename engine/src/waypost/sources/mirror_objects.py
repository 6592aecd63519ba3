"""The objects of a mirror: commits and files of a remote, fetched when they are asked for.

A mirror is written under a lock of its own, and appears by a rename. The lock is the operating system's: it
ends with the process that holds it. What a killed process left half-done (git's lock files, unfinished
packs) is removed by the next holder of the lock, and by no other process: it is in nobody's use then.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import filelock

from waypost.contracts import trees as git_trees
from waypost.errors import redacted
from waypost.sources import git, remotes
from waypost.sources.objects import Objects, entries
from waypost.sources.unpack import checked_listing
from waypost.sources.waiting import Notify, waiting

NEW = ".new-"
"""How folders begin that are on their way into the cache."""
HEAD = "refs/waypost/head"
PINS = "refs/pins"
MOST_TEXT_BYTES = 16 << 20


class MirrorObjects:
    """A bare repository with some of a remote's commits, and those of their files that were asked for."""

    def __init__(self, folder: Path, url: str, notify: Notify) -> None:
        self.folder = folder
        self.url = url
        self._notify = notify
        self._lock = filelock.FileLock(folder.with_suffix(".lock"))

    def has(self, commit: str) -> bool:
        """Tells whether a commit was fetched already."""
        return (self.folder / PINS / commit).is_file()

    def take(self, commit: str, repository: Path) -> None:
        """Takes a commit from a local repository: it is about to be pushed, so the remote is not asked."""
        with self.locked(len(commit)):
            options = ["--quiet", "--no-tags", "--no-write-fetch-head"]
            git.git(self.folder, "fetch", *options, str(repository), f"{commit}:{PINS}/{commit}")

    def complete(self, folders: Iterable[tuple[str, str]]) -> None:
        """Fetches the files of folders (name, tree) that are not here yet, in one request, after a look at
        all names in them. Raises FindingsError for what cannot be unpacked, RemoteError.
        """
        wanted = dict.fromkeys(folders)
        with Objects(self.folder) as objects:
            for name, tree in wanted:
                checked_listing(objects, {name: tree})
        self.fetch_files([tree for _, tree in wanted])

    def fetch_files(self, trees: Sequence[str]) -> None:
        """Fetches the files of trees that are not here yet, in one request; the names in them were
        checked before. Raises RemoteError.
        """
        if trees:
            self._fetch_missing(lambda: git.missing_objects(self.folder, trees))

    def fetch_some(self, trees: Sequence[str], files: Collection[str]) -> None:
        """Fetches those of some files (ids) that lie directly in trees and are not here yet, in one request.

        Raises RemoteError.
        """
        if trees:
            self._fetch_missing(
                lambda: [o for o in git.missing_objects(self.folder, trees, levels=2) if o in files]
            )

    def _fetch_missing(self, missing: Callable[[], list[str]]) -> None:
        if missing():
            with self.locked():
                if left := missing():
                    remotes.fetch_objects(self.folder, self.url, left)

    def text(self, path: str, commit: str = HEAD, *, fetch: bool = True) -> str | None:
        """Returns a file's text at a commit that is here, or as the default branch has it; without `fetch`
        only where it was read before.
        """
        folder, _, name = path.rpartition("/")
        tree = git.folder_at(self.folder, commit, folder)
        entry = entries(self.folder, tree).get(name) if tree else None
        if tree is None or entry is None or entry.mode not in (git_trees.FILE, git_trees.PROGRAM):
            return None
        oid = entry.oid

        def missing() -> list[str]:
            # Not the folders in it: they are not needed, and may be arbitrarily deep.
            return [o for o in git.missing_objects(self.folder, [tree], levels=2) if o == oid]

        if fetch:
            self._fetch_missing(missing)
        elif missing():
            return None
        with Objects(self.folder) as objects:
            return next(objects.blobs([oid], MOST_TEXT_BYTES)).decode(errors="replace")

    @contextlib.contextmanager
    def locked(self, digits: int = 0) -> Iterator[None]:
        """Holds the mirror; it exists then, without anything that a killed process left.

        Args: `digits` of the remote's ids, where they are known; else it is asked, once.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with waiting(self._lock, self._notify, f"fetches {redacted(self.url)}"):
            if not self.folder.is_dir():
                digits = digits or remotes.digits_of(self.url)
                new = Path(tempfile.mkdtemp(prefix=NEW, dir=self.folder.parent))
                git.create_bare(new, digits=digits)
                new.rename(self.folder)
            else:
                for left in [*self.folder.rglob("*.lock"), *self.folder.glob("objects/**/tmp_*")]:
                    left.unlink(missing_ok=True)
            yield
