"""Temporary folders that say whose they are, so that the next process can sweep after a kill -9."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from waypost.sources.process import is_gone, process_name

_NAME = re.compile(r"waypost-([0-9a-f]{8}-\d+)-.*")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Gives a temporary folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"waypost-{process_name()}-") as folder:
        try:
            yield Path(folder)
        finally:
            make_removable(Path(folder))


def make_removable(folder: Path) -> None:
    """Lifts the write protection of folders, which a cache in here may have put on its trees."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)


def remove(folder: Path) -> None:
    """Removes a folder, the read-only ones in it too."""
    make_removable(folder)
    shutil.rmtree(folder)


def sweep() -> None:
    """Removes the temporary folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob("waypost-*-*"):
        owner = _NAME.fullmatch(folder.name)
        if owner and is_gone(owner[1]):
            # Another user's, or another process sweeps it: not ours to remove.
            with contextlib.suppress(OSError):
                remove(folder)
