"""What this machine offers a cluster: cores, memory, devices, within the limits of its job or container."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.cluster.connection import CPU, GPU, MEMORY
from waypost.system.gpus import visible_gpus
from waypost.system.machine import cores, total_memory

_MIB = 1 << 20
_OWN_MB = 512
"""Memory of the worker itself: Python with Arrow."""


@dataclass(frozen=True)
class Resources:
    """Whole cores, MiB of memory for steps and scoring (0: unknown), devices."""

    cpus: int
    memory_mb: int
    gpus: int

    def on_dask(self) -> dict[str, int]:
        """Returns them under the names that tasks ask for."""
        return {CPU: self.cpus, MEMORY: self.memory_mb} | ({GPU: self.gpus} if self.gpus else {})


def available() -> Resources:
    """Returns the resources that this process may use."""
    memory = (total_memory() or 0) // _MIB
    return Resources(cores(), max(memory - _OWN_MB, memory // 2), len(visible_gpus()))
