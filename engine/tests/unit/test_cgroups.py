"""What a container, a batch job or a service may use: read from the files that Linux has for that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from waypost.cluster.resources import Resources, available, gpus
from waypost.system.cgroups import Limits, limits

GIB = 1 << 30


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Limits()),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, Limits()),
        (  # a container: the top is its own
            {
                "proc/self/cgroup": "0::/",
                "sys/fs/cgroup/cpu.max": "150000 100000",
                "sys/fs/cgroup/memory.max": f"{2 * GIB}",
            },
            Limits(1.5, 2 * GIB),
        ),
        (  # a batch job: the limit stands above the step that this process is in
            {
                "proc/self/cgroup": "0::/system.slice/job_7/step_0/user/task_0",
                "sys/fs/cgroup/system.slice/job_7/memory.max": f"{8 * GIB}",
                "sys/fs/cgroup/system.slice/job_7/step_0/memory.max": "max",
                "sys/fs/cgroup/system.slice/job_7/cpu.max": "400000 100000",
                "sys/fs/cgroup/system.slice/job_7/step_0/user/task_0/cpu.max": "max 100000",
            },
            Limits(4.0, 8 * GIB),
        ),
        (  # a container whose path is that of the machine outside
            {"proc/self/cgroup": "0::/docker/abc", "sys/fs/cgroup/memory.max": f"{GIB}"},
            Limits(None, GIB),
        ),
        (  # the first version, whose controllers lie apart
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/job\n9:memory:/job\n1:name=systemd:/x",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "250000",
                "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
                "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{3 * GIB}",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            Limits(2.5, 3 * GIB),
        ),
        ({"proc/self/cgroup": "0::/../../x", "sys/fs/cgroup/cpu.max": "x y"}, Limits()),
    ],
)
def test_limits(files: dict[str, str], expected: Limits, tmp_path: Path) -> None:
    """The least limit on the way up counts, in both versions; what is no limit is none."""
    assert limits(tree(tmp_path, files)) == expected


def test_a_worker_offers_what_it_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole cores, at least one; memory but for what the worker takes itself; no GPU is no resource."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    files = {
        "proc/self/cgroup": "0::/",
        "sys/fs/cgroup/cpu.max": "50000 100000",
        "sys/fs/cgroup/memory.max": f"{2 * GIB}",
    }
    offered = available(tree(tmp_path, files))
    assert offered == Resources(1, 2048 - 512, 0)
    assert offered.on_dask() == {"CPU": 1, "MEMORY_MB": 1536}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert available(tmp_path).on_dask()["GPU"] == 2


@pytest.mark.parametrize(
    ("visible", "count"), [("", 0), ("-1", 0), ("0", 1), ("0,2", 2), ("0,-1,2", 1), ("GPU-8932f937,GPU-2", 2)]
)
def test_devices_that_cuda_is_to_see(visible: str, count: int) -> None:
    """CUDA_VISIBLE_DEVICES names devices by number or UUID; one that is not there hides those after it."""
    assert gpus(visible) == count


@pytest.mark.parametrize(("script", "count"), [("printf '0\\n1\\n'", 2), ("exit 9", 0), (None, 0)])
def test_devices_that_are_there(
    script: str | None, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that variable nvidia-smi counts; where it is not there, or finds no driver, there is none."""
    if script:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin" if script else str(tmp_path))
    assert gpus(None) == count
