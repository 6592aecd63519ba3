"""What a worker offers to its cluster."""

from __future__ import annotations

import pytest

from waypost.cluster import resources
from waypost.cluster.resources import Resources
from waypost.system.gpus import Gpu


def test_a_worker_offers_what_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cores; memory but for what the worker takes itself; no GPU is no resource."""
    monkeypatch.setattr(resources, "cores", lambda: 3)
    monkeypatch.setattr(resources, "total_memory", lambda: 2 << 30)
    monkeypatch.setattr(resources, "visible_gpus", list)
    assert resources.available() == Resources(3, 2048 - 512, 0)
    assert resources.available().on_dask() == {"CPU": 3, "MEMORY_MB": 1536}
    monkeypatch.setattr(resources, "total_memory", lambda: 600 << 20)
    monkeypatch.setattr(resources, "visible_gpus", lambda: [Gpu("0", "GPU-1"), Gpu("3", "GPU-2")])
    assert resources.available().on_dask() == {"CPU": 3, "MEMORY_MB": 300, "GPU": 2}
    monkeypatch.setattr(resources, "total_memory", lambda: None)
    assert resources.available().memory_mb == 0
