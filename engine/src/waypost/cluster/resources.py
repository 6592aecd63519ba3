"""What this machine gives to a cluster: cores, memory, devices, within what its job or container may use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from waypost.cluster.connection import CPU, GPU, MEMORY
from waypost.system.cgroups import limits
from waypost.system.machine import cores
from waypost.system.process import ProcessError, output_of

_MIB = 1 << 20
_OWN_MB = 512
"""What the worker itself takes, and Python with Arrow in it."""
_ASK_GPUS = ("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
_SECONDS = 20.0


@dataclass(frozen=True)
class Resources:
    """Whole cores, MiB of memory for steps and for what is scored, devices."""

    cpus: int
    memory_mb: int
    gpus: int

    def on_dask(self) -> dict[str, int]:
        """Returns them by the names that tasks ask for."""
        return {CPU: self.cpus, MEMORY: self.memory_mb} | ({GPU: self.gpus} if self.gpus else {})


def available(root: Path = Path("/")) -> Resources:
    """Returns what this process may use."""
    allowed = limits(root)
    cpus = cores() if allowed.cpus is None else min(cores(), int(allowed.cpus))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    memory = (total if allowed.memory is None else min(total, allowed.memory)) // _MIB
    return Resources(
        max(cpus, 1), max(memory - _OWN_MB, memory // 2), gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))
    )


def gpus(visible: str | None) -> int:
    """Returns how many devices there are; `visible` are those that CUDA is to see (None: all)."""
    if visible is None:
        return _installed()
    # What comes after a device that is not there is not seen either.
    names = [name.strip() for name in visible.split(",")]
    return next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))


def _installed() -> int:
    try:
        return len(output_of(_ASK_GPUS).split())
    except (OSError, ProcessError):  # there is no driver, or no device
        return 0
