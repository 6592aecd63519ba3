"""Limits of Linux control groups, such as those of a container, a systemd unit or a Slurm job."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # cgroup v1 uses a huge number for "unlimited"


@dataclass(frozen=True)
class MemoryLimit:
    """A group's limit of `most` bytes, and the files with its current usage."""

    most: int
    used: Path
    stat: Path
    cached: str

    @property
    def left(self) -> int:
        """Bytes left now; page cache counts as free."""
        found = re.search(rf"^{self.cached} (\d+)$", _text(self.stat), re.MULTILINE)
        return self.most - (_number(self.used) or 0) + (int(found[1]) if found else 0)


@dataclass(frozen=True)
class Bounds:
    """The limits of a process's control groups and their parents: processors (may be fractional; None: no
    limit), and memory.
    """

    cpus: float | None = None
    memory: tuple[MemoryLimit, ...] = ()


def bounds(root: Path = _ROOT, own: Path = _OWN) -> Bounds:
    """Returns the limits of this process."""
    cpus, memory = [], []
    for folder in _folders(root, own):
        if (limit := _cpus(folder)) is not None:
            cpus.append(limit)
        for most, used, cached in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            if (number := _number(folder / most)) is not None and number < _UNLIMITED:
                memory.append(MemoryLimit(number, folder / used, folder / "memory.stat", cached))
    return Bounds(min(cpus, default=None), tuple(memory))


def _folders(root: Path, own: Path) -> Iterator[Path]:
    """Yields the groups' folders: one for cgroup v2, one per controller for v1."""
    for line in _text(own).splitlines():
        _, names, path = line.split(":", 2)
        top = root / names if names else root
        if names and not top.is_dir():
            top = next((root / name for name in names.split(",") if (root / name).is_dir()), top)
        place = top / path.strip("/")
        yield from (each for each in (place, *place.parents) if each == top or top in each.parents)


def _cpus(folder: Path) -> float | None:
    """Returns the number of processors that a group may use."""
    words = _text(folder / "cpu.max").split()
    if not words:
        words = [_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
    with contextlib.suppress(ValueError, ZeroDivisionError):
        quota, period = map(int, words)
        return quota / period if quota > 0 else None
    return None


def _number(file: Path) -> int | None:
    with contextlib.suppress(ValueError):  # "max", or nothing
        return int(_text(file))
    return None


def _text(file: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return file.read_text(encoding="ascii").strip()
    return ""
