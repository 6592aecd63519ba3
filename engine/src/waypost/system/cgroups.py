"""What a container, a unit of systemd or a job of Slurm may take: the limits of Linux' control groups."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ROOT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # the first version says so by a number that no machine has


@dataclass(frozen=True)
class Bounds:
    """Processors (which may be 1.5), bytes of memory, and how many of these are left; None: no limit."""

    cpus: float | None = None
    memory: int | None = None
    left: int | None = None


def bounds(root: Path = _ROOT, own: Path = _OWN) -> Bounds:
    """Returns the least of the limits of the groups that this process is in, and of those above them."""
    cpus, memory, left = [], [], []
    for folder in _folders(root, own):
        if (limit := _cpus(folder)) is not None:
            cpus.append(limit)
        for most, used, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            if (limit := _number(folder / most)) is not None and limit < _UNLIMITED:
                memory.append(limit)
                # What was read and is not in use goes before anything has to.
                left.append(limit - (_number(folder / used) or 0) + _stat(folder, cache))
    return Bounds(min(cpus, default=None), min(memory, default=None), min(left, default=None))


def _folders(root: Path, own: Path) -> Iterator[Path]:
    """Gives the folders of the groups: of the second version there is one, of the first one a controller."""
    for line in (_text(own) or "").splitlines():
        _, names, path = line.split(":", 2)
        top = root / names if names else root
        if names and not top.is_dir():
            top = next((root / name for name in names.split(",") if (root / name).is_dir()), top)
        place = top / path.strip("/")
        yield from (each for each in (place, *place.parents) if each == top or top in each.parents)


def _cpus(folder: Path) -> float | None:
    """Returns how many processors a group may keep busy."""
    words = (_text(folder / "cpu.max") or "").split()
    if not words:
        words = [_text(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    with contextlib.suppress(ValueError, ZeroDivisionError):
        quota, period = map(int, words)
        return quota / period if quota > 0 else None
    return None


def _stat(folder: Path, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", _text(folder / "memory.stat") or "", re.MULTILINE)
    return int(found[1]) if found else 0


def _number(file: Path) -> int | None:
    with contextlib.suppress(ValueError):  # "max", or nothing
        return int(_text(file) or "")
    return None


def _text(file: Path) -> str | None:
    with contextlib.suppress(OSError, ValueError):
        return file.read_text(encoding="ascii").strip()
    return None
