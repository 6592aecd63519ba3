"""What this machine has to give."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path


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
