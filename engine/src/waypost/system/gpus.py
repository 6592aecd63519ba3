"""The GPUs of this machine, and which Waypost process holds which."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filelock

from waypost.system.process import ProcessError, bytes_of
from waypost.texts.digests import digest_of

VISIBLE = "CUDA_VISIBLE_DEVICES"
_QUERY = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
_SECONDS = 20.0  # a driver may have to be loaded first


@dataclass(frozen=True)
class Gpu:
    """A GPU: `name` is how CUDA_VISIBLE_DEVICES selects it, `identity` is the same for all processes."""

    name: str
    identity: str


def visible_gpus() -> list[Gpu]:
    """Returns the GPUs that this process may use: those in CUDA_VISIBLE_DEVICES, else all that the driver
    knows.
    """
    return gpus_in(os.environ.get(VISIBLE), _known())


def gpus_in(visible: str | None, known: list[str]) -> list[Gpu]:
    """Returns the GPUs in a value of CUDA_VISIBLE_DEVICES (None: not set); `known` are the identities of all
    GPUs, in order. CUDA ignores everything after an invalid name.
    """
    if visible is None:
        return [Gpu(identity, identity) for identity in known]
    found: list[Gpu] = []
    for name in (part.strip() for part in visible.split(",")):
        is_index = name.isdecimal()
        if not is_index and not name.startswith(("GPU-", "MIG-")):
            break
        place = int(name) if is_index else len(known)
        found.append(Gpu(name, known[place] if place < len(known) else name))
    return list(dict.fromkeys(found))


@functools.cache
def _known() -> list[str]:
    with contextlib.suppress(OSError, ProcessError):
        return bytes_of(_QUERY, timeout=_SECONDS).decode(errors="replace").split()
    return []


class Gpus:
    """The GPUs of this process's steps, each under a lock: a GPU belongs to one Waypost process.

    The locks are files in `folder`, held by the operating system: they end with their holder. GPUs are
    detected on first use.
    """

    def __init__(self, folder: Path, find: Callable[[], list[Gpu]] = visible_gpus) -> None:
        self._folder = folder
        self._find = find
        self._locks: dict[Gpu, filelock.BaseFileLock] | None = None
        self._held: dict[str, list[Gpu]] = {}
        self._ours: set[Gpu] = set()

    def free(self) -> int:
        """Returns the number of GPUs that no other process holds now; those of this process count as free."""
        return sum(gpu in self._ours or _is_free(lock) for gpu, lock in self._all().items())

    def take(self, holder: str, count: int) -> bool:
        """Assigns GPUs to a holder if enough are free; nobody else can have them until `give_back`."""
        taken = self._held[holder] = []
        for gpu, lock in self._all().items():
            if len(taken) < count and gpu not in self._ours and _lock(lock):
                taken.append(gpu)
                self._ours.add(gpu)
        if len(taken) == count:
            return True
        self.give_back(holder)
        return False

    def variables(self, holder: str) -> dict[str, str]:
        """Returns the variables that limit a process to the GPUs of a holder."""
        held = self._held.get(holder)
        return {VISIBLE: ",".join(gpu.name for gpu in held)} if held else {}

    def give_back(self, holder: str) -> None:
        for gpu in self._held.pop(holder, ()):
            self._ours.discard(gpu)
            self._all()[gpu].release()

    def close(self) -> None:
        for holder in list(self._held):
            self.give_back(holder)

    def _all(self) -> dict[Gpu, filelock.BaseFileLock]:
        if self._locks is None:
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
            self._locks = {gpu: filelock.FileLock(self._file(gpu)) for gpu in self._find()}
        return self._locks

    def _file(self, gpu: Gpu) -> Path:
        """Returns the lock file: machines may share the cache folder, and use the same GPU names."""
        return self._folder / f"gpu-{digest_of([socket.gethostname(), gpu.identity])[:24]}.lock"


def _lock(lock: filelock.BaseFileLock) -> bool:
    """Returns whether a lock is ours now; in a read-only cache nothing is locked, and nobody is blocked."""
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return False
    except OSError:
        return True
    return True


def _is_free(lock: filelock.BaseFileLock) -> bool:
    is_free = _lock(lock)
    if is_free:
        lock.release()
    return is_free
