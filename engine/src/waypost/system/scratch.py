"""Temporary folders named after their process, so that the next one can clean up after a kill -9."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from waypost.system.liveness import is_gone, process_name

_ROOM_BYTES = 1 << 20
_NAME = re.compile(r"waypost-([0-9a-f]{8}-\d+)-.*")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yields a temporary folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"waypost-{process_name()}-") as folder:
        try:
            yield Path(folder)
        finally:
            make_removable(Path(folder))


def is_in_scratch(text: str) -> bool:
    """Tells whether a path or URI leads into a temporary folder of ours, which goes with its process."""
    return any(_NAME.fullmatch(part) for part in text.split("/"))


def writable_copy(root: Path, names: Iterable[str], into: Path) -> Path:
    """Copies folders of `root` to a new folder in `into` and returns it; everything in it is writable, and
    links stay links.
    """
    place = Path(tempfile.mkdtemp(dir=into))
    for name in names:
        if (root / name).is_dir():
            shutil.copytree(root / name, place / name, symlinks=True)
    for path, _, files in os.walk(place):
        Path(path).chmod(0o755)
        for file in (Path(path, name) for name in files):
            if not file.is_symlink():
                file.chmod(file.stat().st_mode | 0o200)
    return place


def make_removable(folder: Path) -> None:
    """Makes folders writable; a cache below may have write-protected its trees."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)


def remove(folder: Path) -> None:
    """Removes a folder, including read-only ones in it."""
    make_removable(folder)
    shutil.rmtree(folder)


def is_full(error: OSError) -> bool:
    """Returns whether an error says that a disk or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def check_room(folder: Path) -> None:
    """Raises OSError if there is no room for 1 MiB in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(_ROOM_BYTES))
        file.flush()


def remove_leftovers() -> None:
    """Removes the temporary folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob("waypost-*-*"):
        owner = _NAME.fullmatch(folder.name)
        if owner and is_gone(owner[1]):
            # Another user's, or being removed by another process.
            with contextlib.suppress(OSError):
                remove(folder)
