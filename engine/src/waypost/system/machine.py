"""What this machine has to give."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

# What threads and libraries reserve and do not use.
_RESERVED_BYTES, _RESERVED_BYTES_PER_CORE = 4 << 30, 256 << 20


def cores() -> int:
    """Returns how many processor cores this process may use."""
    with contextlib.suppress(AttributeError):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def packages() -> list[Path]:
    """Returns the folders where this interpreter's packages are installed."""
    return [Path(entry) for entry in sys.path if entry.endswith("site-packages")]


def available_memory() -> int | None:
    """Returns the bytes that can be had without swapping, None where the system does not tell."""
    with contextlib.suppress(OSError):
        found = re.search(
            r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE
        )
        return int(found[1]) * 1024 if found else None
    return None


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Ends this process by SIGALRM after so many seconds, and lets it have no more memory than is available.

    Native code cannot hold the signal up. Only the main thread may ask for this.
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
