"""Temporary folders that say whose they are, so that the next process can sweep after a kill -9."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from waypost.system.liveness import is_gone, process_name

_NAME = re.compile(r"waypost-([0-9a-f]{8}-\d+)-.*")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yields a temporary folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"waypost-{process_name()}-") as folder:
        try:
            yield Path(folder)
        finally:
            make_removable(Path(folder))


def writable_copy(root: Path, names: Iterable[str], into: Path) -> Path:
    """Copies folders of `root`, side by side, to a new folder in `into`, and returns that; what is in them
    can be written there, and links stay links.
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
    """Lifts the write protection of folders, which a cache in here may have put on its trees."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)


def remove(folder: Path) -> None:
    """Removes a folder, the read-only ones in it too."""
    make_removable(folder)
    shutil.rmtree(folder)


def remove_leftovers() -> None:
    """Removes the temporary folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob("waypost-*-*"):
        owner = _NAME.fullmatch(folder.name)
        if owner and is_gone(owner[1]):
            # Another user's, or another process sweeps it: not ours to remove.
            with contextlib.suppress(OSError):
                remove(folder)
