"""What this machine gives to a cluster: cores, memory, devices, within what its job or container may use."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.cluster.connection import CPU, GPU, MEMORY
from waypost.system.gpus import visible_gpus
from waypost.system.machine import cores, total_memory

_MIB = 1 << 20
_OWN_MB = 512
"""What the worker itself takes, and Python with Arrow in it."""


@dataclass(frozen=True)
class Resources:
    """Whole cores, MiB of memory for steps and for what is scored (0: not known), devices."""

    cpus: int
    memory_mb: int
    gpus: int

    def on_dask(self) -> dict[str, int]:
        """Returns them by the names that tasks ask for."""
        return {CPU: self.cpus, MEMORY: self.memory_mb} | ({GPU: self.gpus} if self.gpus else {})


def available() -> Resources:
    """Returns what this process may use."""
    memory = (total_memory() or 0) // _MIB
    return Resources(cores(), max(memory - _OWN_MB, memory // 2), len(visible_gpus()))
