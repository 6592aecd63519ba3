"""Waiting for locks of the cache, with a message."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import filelock

from waypost.errors import WaypostError
from waypost.sources.refusals import CACHE_HINT

Notify = Callable[[str], None]
_PATIENCE_SECONDS = 0.3


@contextlib.contextmanager
def waiting(lock: filelock.BaseFileLock, notify: Notify, doing: str) -> Iterator[None]:
    """Holds a lock; reports whom it waits for."""
    try:
        lock.acquire(timeout=_PATIENCE_SECONDS)
    except filelock.Timeout:
        notify(f"another process {doing}: waiting for it")
        lock.acquire()
    except OSError as error:
        message = f"the cache cannot be written to: {lock.lock_file}: {error.strerror}"
        raise WaypostError(message, hint=CACHE_HINT) from error
    try:
        yield
    finally:
        lock.release()
