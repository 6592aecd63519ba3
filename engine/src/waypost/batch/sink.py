"""The output of results: files appear complete or not at all, local or by fsspec."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from waypost.errors import UsageError, WaypostError, redacted
from waypost.system.liveness import is_gone, process_name
from waypost.system.scratch import is_full

# Folders with results: the output itself, and these below it.
_FOLDERS = (".", "_errors", "_parts")
WORK = "_work"
"""Folder for files of parts from other machines; below it one for each process that distributes work."""
_WORK = re.compile(rf"{WORK}/(?P<owner>[0-9a-f]{{8}}-[0-9]+)-[0-9a-f]{{8}}/.*")
_REMOVERS = 8  # at the same time
_ROOM_HINT = "make room there; the same command continues"
_HALF_WRITTEN = re.compile(
    r"\.(?:part-[0-9]{5,}\.(?:parquet|csv|jsonl)|malformed\.txt|_(?:plan|manifest)\.json|[0-9]{5,}\.json)"
    r"\.(?P<owner>[0-9a-f]{8}-[0-9]+)-[0-9a-f]{8}"
)


def plain(fs: Any) -> Any:
    """Returns the file system that holds the files, below those that cache them."""
    while hasattr(fs, "fs"):
        fs = fs.fs
    return fs


def is_here(fs: Any) -> bool:
    """Returns whether a file system is the local one."""
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)


class Sink:
    """A folder for results, on this machine or behind a URL."""

    def __init__(self, url: str) -> None:
        """Raises UsageError if the URL cannot be written to."""
        import fsspec

        self.url = url
        try:
            fs, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError, OSError) as error:
            raise UsageError(f"{redacted(url)}: {error}") from error
        self.fs = plain(fs)
        self.is_local = is_here(self.fs)
        self.root = os.path.realpath(root) if self.is_local else root
        self.address = root if self.is_local else url
        """Its name on other machines: for a folder, the path as given, with links not resolved."""

    def place(self, name: str = "") -> str:
        """Returns the name of a file of this folder, or of the folder itself, in messages."""
        return f"{redacted(self.url).rstrip('/')}/{name}" if name else redacted(self.url)

    def names(self) -> set[str]:
        """Returns the names of the files, also in subfolders; none incomplete."""
        with self._told():
            if not self.fs.isdir(self.root):
                if self.fs.exists(self.root):
                    raise UsageError(f"{self.place()}: is a file, but results are a folder")
                return set()
            self.fs.invalidate_cache()
            found = {path.removeprefix(self.root).lstrip("/") for path in self.fs.find(self.root)}
        return {name for name in found if not (_is_hidden(name) or _WORK.fullmatch(name))}

    def write(self, name: str, content: Any) -> None:
        """Writes a file (bytes, or a buffer) that does not exist, or has the same content. Raises UsageError
        if it exists and differs, WaypostError.
        """
        view = memoryview(content)
        with self._told(name):
            if self.is_local:
                self._write_here(name, view)
            else:
                self.fs.pipe_file(
                    f"{self.root}/{name}", bytes(view)
                )  # an object store shows only complete files

    def _write_here(self, name: str, content: memoryview) -> None:
        file = Path(self.root, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = _beside(file)
        try:
            with new.open("xb") as opened:
                opened.write(content)
            self._name_here(new, name)
        finally:
            new.unlink(missing_ok=True)

    def _name_here(self, new: Path, name: str) -> None:
        """Gives a complete file its name, if no file or one with the same content has it."""
        file = Path(self.root, name)
        if _is_named(new, file):
            return
        if file.is_symlink() or (file.exists() and file.read_bytes() != new.read_bytes()):
            raise UsageError(f"{self.place(name)}: another process has written it in the meantime")
        new.replace(file)

    def new_work(self) -> str:
        """Creates a work folder for other machines; returns its name."""
        name = f"{WORK}/{process_name()}-{secrets.token_hex(4)}"
        with self._told(name):
            self.fs.makedirs(f"{self.root}/{name}", exist_ok=True)
        return name

    def put(self, name: str, content: Any) -> None:
        """Writes a file in an existing work folder, replacing any other. Raises WaypostError."""
        view = memoryview(content)
        with self._told(name):
            if not self.is_local:
                self.fs.pipe_file(f"{self.root}/{name}", bytes(view))
                return
            new = _beside(Path(self.root, name))
            try:
                new.write_bytes(view)
                new.replace(Path(self.root, name))
            finally:
                new.unlink(missing_ok=True)

    def adopt(self, place: str, name: str) -> None:
        """Gives a file of a work folder its name among the results. Raises as `write`."""
        with self._told(name):
            if self.is_local:
                Path(self.root, name).parent.mkdir(parents=True, exist_ok=True)
                self._name_here(Path(self.root, place), name)
            else:  # an object store copies it, and shows only complete files
                self.fs.mv(f"{self.root}/{place}", f"{self.root}/{name}")

    def remove_work(self, name: str = WORK) -> None:
        """Removes one work folder, or all."""
        with self._told(name), contextlib.suppress(FileNotFoundError):
            for path in self.fs.find(f"{self.root}/{name}"):
                if _WORK.fullmatch(path.removeprefix(self.root).lstrip("/")):
                    self.fs.rm_file(path)
        if self.is_local:
            for folder in sorted(Path(self.root, WORK).glob("*"), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                Path(self.root, WORK).rmdir()

    def read(self, name: str) -> bytes:
        """Returns a file's content. Raises WaypostError, UsageError if it is not a regular file."""
        with self._told(name):
            if self.is_local and self.fs.info(f"{self.root}/{name}")["type"] == "other":
                raise UsageError(f"{self.place(name)}: a pipe or a device, not a file")
            return bytes(self.fs.cat_file(f"{self.root}/{name}"))

    def digest(self, name: str) -> str:
        """Returns the sha256 (hex) of a file. Raises WaypostError."""
        return hashlib.sha256(self.read(name)).hexdigest()

    def remove(self, names: Iterable[str]) -> None:
        """Removes files, and subfolders that become empty. Raises WaypostError."""
        # One by one: `rm` would read a star in the folder's name as a pattern.
        remove = os.unlink if self.is_local else self.fs.rm_file
        with self._told(), ThreadPoolExecutor(_REMOVERS) as pool:
            for _ in pool.map(remove, [f"{self.root}/{name}" for name in names]):
                pass
        for folder in _FOLDERS[1:] if self.is_local else ():
            with contextlib.suppress(OSError):  # not empty, or missing
                Path(self.root, folder).rmdir()

    def sweep(self) -> None:
        """Removes incomplete files of ended processes of this machine."""
        for folder in _FOLDERS if self.is_local else ():
            with contextlib.suppress(OSError):
                for file in Path(self.root, folder).iterdir():
                    owner = _HALF_WRITTEN.fullmatch(file.name)
                    if owner and is_gone(owner["owner"]):
                        file.unlink(missing_ok=True)
        for folder_of_work in Path(self.root, WORK).glob("*") if self.is_local else ():
            owner = _WORK.fullmatch(f"{WORK}/{folder_of_work.name}/")
            if owner and is_gone(owner["owner"]):
                shutil.rmtree(folder_of_work, ignore_errors=True)

    @contextlib.contextmanager
    def _told(self, name: str = "") -> Iterator[None]:
        """Turns errors of the file system into one line."""
        try:
            yield
        except OSError as error:
            hint = _ROOM_HINT if is_full(error) else ""
            raise WaypostError(
                f"{self.place(name)}: cannot be read or written: {error}", hint=hint
            ) from error


def _is_hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def _beside(file: Path) -> Path:
    """Returns the temporary name of a file being written."""
    return file.with_name(f".{file.name}.{process_name()}-{secrets.token_hex(4)}")


def _is_named(new: Path, file: Path) -> bool:
    """Gives a file its name if that is free; returns whether it was, and could be done."""
    try:
        os.link(new, file)
    except OSError:  # the name is taken, or the file system has no links
        return False
    return True
