"""The processors and memory of this machine, within the limits of its container."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from waypost.system.cgroups import Bounds, bounds

# Address space that threads and libraries reserve but do not use.
_RESERVED_BYTES, _RESERVED_BYTES_PER_CORE = 4 << 30, 256 << 20


def cores() -> int:
    """Returns the number of processor cores that this process or its container may use."""
    found = os.cpu_count() or 1
    with contextlib.suppress(AttributeError):  # not on macOS
        found = len(os.sched_getaffinity(0))
    limit = _bounds().cpus
    return found if limit is None else max(min(found, int(limit)), 1)


def packages() -> list[Path]:
    """Returns the folders with this interpreter's installed packages."""
    return [Path(entry) for entry in sys.path if entry.endswith("site-packages")]


def available_memory() -> int | None:
    """Returns the memory available without swapping, in bytes; None if the system does not report it."""
    return _least(_meminfo("MemAvailable"), *(group.left for group in _bounds().memory))


def total_memory() -> int | None:
    """Returns the memory limit of this process or its container, in bytes; None if unknown."""
    return _least(_meminfo("MemTotal"), *(group.most for group in _bounds().memory))


@functools.cache
def _bounds() -> Bounds:
    """Returns the limits of this process, looked up once; their current usage is read each time."""
    return bounds()


def _least(*found: int | None) -> int | None:
    return min((each for each in found if each is not None), default=None)


def _meminfo(name: str) -> int | None:
    with contextlib.suppress(OSError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        found = re.search(rf"^{name}: +(\d+) kB", text, re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    return None


def give_memory_back() -> None:
    """Returns freed memory to the system: glibc keeps memory that a thread freed for that thread.

    It takes about 20 ms, without holding the interpreter lock.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Ends this process by SIGALRM after `seconds`, and limits its memory to what is available now.

    Native code cannot delay the signal. Only the main thread may use this.
    """
    if sys.platform == "win32":
        yield
        return
    import resource

    room, most = resource.getrlimit(resource.RLIMIT_AS)
    if (free := available_memory()) is not None:
        size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        limit = size + free + _RESERVED_BYTES + cores() * _RESERVED_BYTES_PER_CORE
        limits = [limit, *(given for given in (room, most) if given != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), most))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (room, most))
