"""The memory of a command and all that it starts, at its peak."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable

import psutil

PR_SET_CHILD_SUBREAPER = 36
EVERY = 0.05  # seconds between two looks
_LAST_SECONDS = 10.0  # for what still runs when the command has ended


def peak_of(action: Callable[[], object]) -> float:
    """Runs `action` and returns the peak memory of the processes that it starts, in MiB.

    Memory is the sum of proportional set sizes: a page that forks share counts once. What a command
    leaves to run without a parent becomes a child of this process, and counts, too.
    """
    _adopt(1)
    others = _descendants()
    peak, done = 0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(EVERY):
            peak = max(peak, sum(_memory(process) for process in _descendants() - others))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        action()
    finally:
        done.set()
        watcher.join()
        _adopt(0)
        for process in _descendants() - others:  # adopted ones would stay as zombies
            with contextlib.suppress(psutil.Error):
                process.wait(_LAST_SECONDS)
    return peak / 2**20


def _adopt(wished: int) -> None:
    """Makes this process the parent of descendants that lose theirs, or leaves them to init again."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, wished, 0, 0, 0)


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _memory(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return int(process.memory_full_info().pss)
    return 0
