"""The trees of the cache: folders that steps run from, each named by the id that git gives its content.

Everything here can be made again, so a doubt is settled by throwing away. Invariant: a folder that has a
tree's name was that tree when it got the name, is read-only, and is hashed again, every byte, before it is
used. All trees share one lock; a tree is made in a folder of another name, and appears by a rename. What a
killed process left is swept by the next one that holds the lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import filelock

from waypost.contracts import trees as git_trees
from waypost.contracts.trees import Entry, object_id, tree_id, tree_of_folders
from waypost.errors import WaypostError, redacted
from waypost.sources.memo import Memo
from waypost.sources.mirror import Mirror
from waypost.sources.mirror_objects import NEW
from waypost.sources.objects import Objects
from waypost.sources.unpack import unpack
from waypost.sources.waiting import Notify, waiting
from waypost.system.places import home
from waypost.system.scratch import remove

_TREES = "trees"


def exact_tree(folder: Path, *, digits: int = 40) -> str:
    """Returns the git tree id of a folder with everything that is in it, ignored files too."""
    return tree_id(top_entries(folder, digits=digits), digits=digits)


def top_entries(folder: Path, *, digits: int = 40) -> dict[str, Entry]:
    """Returns what git would have of everything at the top of a folder, by name."""
    entries = {}
    for path in folder.iterdir():
        if path.is_symlink():
            content = os.fsencode(path.readlink())
            entries[path.name] = Entry(git_trees.LINK, object_id("blob", content, digits=digits))
        elif path.is_dir():
            entries[path.name] = Entry(git_trees.FOLDER, exact_tree(path, digits=digits))
        else:
            mode = git_trees.PROGRAM if path.stat().st_mode & 0o100 else git_trees.FILE
            entries[path.name] = Entry(mode, object_id("blob", path.read_bytes(), digits=digits))
    return entries


def is_cached(folder: Path) -> bool:
    """Tells whether a folder is part of a tree in this machine's cache."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(home() / _TREES))


def is_intact(place: Path) -> bool:
    """Tells whether a folder that is named by its tree id still holds that tree: every byte is hashed."""
    return exact_tree(place, digits=len(place.name)) == place.name


class Store:
    """The folder with the mirrors and the trees; `notify` hears what takes time."""

    def __init__(self, home: Path, notify: Notify) -> None:
        self.mirrors = home / "mirrors"
        self.trees = home / _TREES
        self.memo = Memo(home)
        self._notify = notify
        self._known: dict[tuple[str, str], Mirror] = {}

    def mirror(self, url: str, inside: str = "") -> Mirror:
        """Returns the mirror of a remote, made at its first fetch; credentials are not part of its name.

        Args: `inside` is the folder of the remote that is meant; what is fetched is shared by all of them.
        """
        if (url, inside) not in self._known:
            plain = redacted(url)
            name = re.sub(r"[^\w.-]", "", plain.rstrip("/").rpartition("/")[2]).removesuffix(".git")
            digest = hashlib.sha256(plain.encode()).hexdigest()[:16]
            place = self.mirrors / f"{name}-{digest}.git"
            self._known[url, inside] = Mirror(place, url, self._notify, inside)
        return self._known[url, inside]

    def place(self, folders: Mapping[str, str]) -> Path:
        """Returns where these folders (name to tree) lie side by side, or would lie."""
        return self.trees / tree_of_folders(folders)

    def find(self, folders: Mapping[str, str]) -> Path | None:
        """Returns where these folders (name to tree) lie side by side, after a look at every byte."""
        place = self.place(folders)
        if not place.is_dir() or not is_intact(place):
            return None
        _note_use(place)
        return place

    def obtain(self, folders: Mapping[str, str], mirror: Mirror) -> Path:
        """Returns where these folders (name to tree) lie side by side, fetched where they are not here yet.

        The mirror has the commit that they are part of. Raises FindingsError for what cannot be unpacked,
        RemoteError.
        """
        place = self.find(folders)
        if place is None:
            mirror.complete(folders.items())
            with Objects(mirror.folder) as objects:
                place = self.add(folders, objects)
        return place

    def adopt(self, folder: Path) -> None:
        """Takes over an unpacked tree whose name is its id, after a look at every byte.

        Raises WaypostError where it is not what its name says.
        """
        if not is_intact(folder):
            raise WaypostError(f"trees/{folder.name}: its content does not match its name")
        names = ", ".join(sorted(path.name for path in folder.iterdir()))

        def copy(new: Path) -> None:
            shutil.copytree(folder, new, symlinks=True, dirs_exist_ok=True)

        self._put(self.trees / folder.name, names, copy)

    def add(self, folders: Mapping[str, str], objects: Objects) -> Path:
        """Puts folders (name to tree) side by side, read-only, from a repository that has them.

        Raises FindingsError for what cannot be unpacked.
        """
        place = self.place(folders)
        self._put(place, ", ".join(folders), lambda new: unpack(objects, folders, new))
        return place

    def _put(self, place: Path, names: str, write: Callable[[Path], None]) -> None:
        """Makes a tree that `write` fills appear at its place, unless another process was quicker."""
        self.trees.mkdir(parents=True, exist_ok=True)
        with waiting(filelock.FileLock(self.trees / ".lock"), self._notify, "unpacks components"):
            self._clean_up()
            if place.is_dir() and is_intact(place):
                _note_use(place)
                return
            new = Path(tempfile.mkdtemp(prefix=NEW, dir=self.trees))
            try:
                write(new)
                _expect(new, place.name, names)
            except WaypostError:
                remove(new)
                raise
            _set_read_only(new)
            if place.exists():  # what is there is not what its name says
                self._notify(f"the cache's copy of {names} was changed: it is made again")
                place.rename(self.trees / f"{NEW}{place.name}")
            new.rename(place)
            self._clean_up()

    def _clean_up(self) -> None:
        for left in self.trees.glob(f"{NEW}*"):
            remove(left)


def _note_use(place: Path) -> None:
    """Notes when a tree was last used, for `cache gc`; a read-only cache still works."""
    with contextlib.suppress(OSError):
        os.utime(place)


def _expect(folder: Path, tree: str, names: str) -> None:
    if exact_tree(folder, digits=len(tree)) != tree:
        raise WaypostError(f"unpacking {names} did not give the tree {tree}")


def _set_read_only(folder: Path) -> None:
    """Takes away the right to write from a folder, the folders in it and their files."""
    for path, _, files in os.walk(folder):
        for file in (Path(path, name) for name in files):
            if not file.is_symlink():
                file.chmod(0o555 if file.stat().st_mode & 0o100 else 0o444)
        Path(path).chmod(0o555)
