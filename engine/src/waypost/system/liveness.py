"""Whether processes are alive, by names that hold on several machines."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import socket
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Returns whether a process with this id exists on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@functools.cache
def _machine() -> str:
    """Returns what tells this machine's processes from those of others, and of other containers."""
    space = ""
    with contextlib.suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def process_name() -> str:
    """Returns a name of this process that no living process has, on whatever machine."""
    return f"{_machine()}-{os.getpid()}"


def is_gone(name: str) -> bool:
    """Returns whether the process with such a name ended; of another machine's nothing is known."""
    machine, _, pid = name.rpartition("-")
    return machine == _machine() and not is_alive(int(pid))
