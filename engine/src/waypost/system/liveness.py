"""Whether processes are alive, by names that are unique across machines."""

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
    """Returns an id of this machine's or container's process namespace."""
    space = ""
    with contextlib.suppress(OSError):
        space = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def process_name() -> str:
    """Returns a name of this process that is unique among living processes of all machines."""
    return f"{_machine()}-{os.getpid()}"


def is_gone(name: str) -> bool:
    """Returns whether the process with this name has ended; False for another machine's."""
    return lives_here(name) is False


def lives_here(name: str) -> bool | None:
    """Returns whether the process with this name lives on this machine, None if it is another machine's."""
    machine, _, pid = name.rpartition("-")
    return is_alive(int(pid)) if machine == _machine() else None
