"""Fingerprints of files, which tell whether they changed without reading them: size, times, inode.

As git does with its index: a file that was changed within the clock's tick of being looked at could
be changed once more without a trace, so a state is to be trusted only when it is older than that.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable

TICK_SECONDS = 0.05
_GONE = "gone"


def fingerprint(paths: Iterable[os.PathLike[str] | str], *, deep: bool = True) -> tuple[str, float]:
    """Returns a digest of the state of files and folders (`deep`: with all that is in them), and when
    the last of them changed (seconds since 1970).
    """
    found = hashlib.sha256()
    newest = 0.0
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(path) for path in paths]
    while waiting:
        path = waiting.pop()
        try:
            states = [os.lstat(path)]
            if stat.S_ISLNK(states[0].st_mode):
                states.append(os.stat(path))
        except OSError:
            states = []
        for state in states:
            facts = (state.st_mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
            found.update(f"{path}\0{facts}\0".encode(errors="surrogateescape"))
            newest = max(newest, state.st_mtime, state.st_ctime)
        if not states:
            found.update(f"{path}\0{_GONE}\0".encode(errors="surrogateescape"))
        elif deep and stat.S_ISDIR(states[-1].st_mode):
            place = (states[-1].st_dev, states[-1].st_ino)
            if place not in seen:  # a link can lead back up
                seen.add(place)
                waiting += sorted(os.path.join(path, name) for name in os.listdir(path))
    return found.hexdigest(), newest
