"""Retention of a log of predictions: which files are removed, by the time in their names and by size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_FORM = "%Y%m%dT%H%M%S"
# The names of the log's files; other files are never touched.
_NAME = re.compile(r"(?:predictions|feedback)-(\d{8}T\d{6})-[0-9a-f]{8}-\d+-\d+\.parquet")


@dataclass(frozen=True)
class Retention:
    """Files are kept for `days`, and up to `size` bytes in total; None: no limit."""

    days: float | None = None
    size: int | None = None

    @property
    def is_bounded(self) -> bool:
        return self.days is not None or self.size is not None


def outlived(files: Iterable[tuple[str, int]], kept: Retention, now: datetime) -> list[str]:
    """Returns the names of the files to remove, the oldest first.

    Args: `files` are (name, bytes) of everything in the folder.
    """
    ours = sorted((moment, name, size) for name, size in files if (moment := _moment(name)))
    gone = [name for moment, name, _ in ours if kept.days is not None and now - moment > timedelta(kept.days)]
    left = ours[len(gone) :]
    total = sum(size for *_, size in left)
    for _, name, size in left:
        if kept.size is None or total <= kept.size:
            break
        gone.append(name)
        total -= size
    return gone


def _moment(name: str) -> datetime | None:
    """Returns when a file of the log was written, None for any other file."""
    hit = _NAME.fullmatch(name)
    try:
        return datetime.strptime(hit[1], _FORM).replace(tzinfo=UTC) if hit else None
    except ValueError:
        return None


def remove_outlived(folder: Path, kept: Retention) -> None:
    """Removes files of a log that are too old, or exceed the total size. Raises OSError.

    Several processes may do so at once; links and folders are never touched.
    """
    if not kept.is_bounded or not folder.is_dir():
        return
    files = []
    for path in folder.iterdir():
        if not path.is_symlink() and path.is_file():
            try:
                files.append((path.name, path.stat().st_size))
            except FileNotFoundError:  # another process removed it
                continue
    for name in outlived(files, kept, datetime.now(UTC)):
        (folder / name).unlink(missing_ok=True)
