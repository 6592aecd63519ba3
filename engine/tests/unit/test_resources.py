"""What steps ask of a machine: the keys, what the machine has, and whether that is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from waypost.contracts.pipeline import FILE, parse_pipeline
from waypost.contracts.resources import MIB, Resources, lacks
from waypost.contracts.schedule_line import Capacity, Demand
from waypost.errors import FindingsError
from waypost.system.cgroups import Bounds, bounds
from waypost.system.gpus import VISIBLE, Gpu, Gpus, gpus_in

TEXT = """\
name: grades
components:
  core: {{git: ../core, version: ~=1.0}}
steps:
  train: {{uses: core/train, {keys}}}
"""


def parsed(keys: str) -> Resources:
    return parse_pipeline(TEXT.format(keys=keys)).steps["train"].resources


def test_what_a_step_asks_for() -> None:
    """Processors, memory and GPUs; what is not said is not asked for."""
    assert parsed("resources: {cpus: 4, memory_mb: 16000, gpus: 1}") == Resources(
        cpus=4, memory_mb=16000, gpus=1
    )
    assert parsed("resources: {}") == parsed("cache: true") == Resources()


@pytest.mark.parametrize(
    ("keys", "finding"),
    [
        ("resources: {cpu: 4}", "steps.train.resources.cpu: unknown key; did you mean 'cpus'?"),
        ("resources: {gpu: 1}", "steps.train.resources.gpu: unknown key; did you mean 'gpus'?"),
        ("resource: {cpus: 4}", "steps.train.resource: unknown key; did you mean 'resources'?"),
        ("cpus: 4", "steps.train.cpus: unknown key; it belongs to steps.NAME.resources.cpus"),
        ("resources: {cpus: 0}", "steps.train.resources.cpus: Input should be greater than 0"),
        ("resources: {gpus: 0.5}", "steps.train.resources.gpus: Input should be a valid integer"),
        (
            "resources: {memory_mb: 200}, limits: {memory_mb: 100}",
            "steps.train: resources.memory_mb, 200, is more than limits.memory_mb allows",
        ),
    ],
)
def test_what_nobody_can_ask_for(keys: str, finding: str) -> None:
    """Slips are told with the nearest key, values that make no sense with their place."""
    with pytest.raises(FindingsError) as caught:
        parsed(keys)
    assert str(caught.value.findings[0]).startswith(f"pipeline.yaml: {finding}")


def test_memory_that_is_asked_for_counts() -> None:
    """What a step needed last counts where it does not say what it needs."""
    assert Resources(memory_mb=5).demand(9) == Demand(memory=5 * MIB)
    assert Resources(cpus=2).demand(9) == Demand(2, 9)
    assert Resources(gpus=1).demand(0) == Demand(gpus=1)


def test_what_a_machine_does_not_have() -> None:
    """All that is asked for in vain is told at once, with the key; what nobody can tell is let through."""
    steps = {"a": Resources(cpus=8, memory_mb=100), "b": Resources(gpus=2), "c": Resources()}
    there = Capacity(4, 4, 100 * MIB, 1)
    assert [str(finding) for finding in lacks(steps, there, "this machine", FILE)] == [
        "pipeline.yaml: steps.a.resources.cpus: it asks for 8, this machine has 4; run it on a larger"
        " machine, or ask for less",
        "pipeline.yaml: steps.b.resources.gpus: it asks for 2, this machine has 1; run it on a larger"
        " machine, or ask for less",
    ]
    assert list(lacks(steps, Capacity(4), "this machine", FILE)) == []


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def said(root: Path, own: Path) -> tuple[float | None, list[tuple[int, int]]]:
    found = bounds(root, own)
    return found.cpus, [(group.most, group.left) for group in found.memory]


def test_limits_of_the_second_version(tmp_path: Path) -> None:
    """The least of a group and of those above it; memory that is only cached is not lost."""
    root, own = tmp_path / "root", tmp_path / "own"
    own.write_text("0::/a/b\n")
    write(root / "a", cpu__max="150000 100000", memory__max="1000", memory__current="900")
    write(root / "a", memory__stat="anon 5\ninactive_file 300\nactive_file 7")
    write(root / "a" / "b", cpu__max="max 100000", memory__max="max", memory__current="10")
    assert said(root, own) == (1.5, [(1000, 400)])
    own.write_text("0::/\n")
    assert bounds(root, own) == Bounds()
    assert bounds(root, tmp_path / "nothing") == Bounds()


def test_limits_of_the_first_version(tmp_path: Path) -> None:
    """Each controller has a folder of its own; a number that no machine has is no limit."""
    root, own = tmp_path / "root", tmp_path / "own"
    own.write_text("4:memory:/job\n1:cpu,cpuacct:/job\n0::/\n")
    write(root / "memory" / "job", memory__limit_in_bytes="2000", memory__usage_in_bytes="500")
    write(root / "memory", memory__limit_in_bytes=str(0x7FFFFFFFFFFFF000), memory__usage_in_bytes="5")
    write(root / "cpu" / "job", cpu__cfs_quota_us="400000", cpu__cfs_period_us="100000")
    write(root / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert said(root, own) == (4.0, [(2000, 1500)])


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["GPU-a", "GPU-b"]),
        ("", []),
        ("-1", []),
        ("1", ["1"]),
        ("1, 0", ["1", "0"]),
        ("0,-1,1", ["0"]),
        ("0,0", ["0"]),
        ("GPU-b,MIG-c", ["GPU-b", "MIG-c"]),
        ("NoDevFiles", []),
    ],
)
def test_gpus_that_are_visible(visible: str | None, names: list[str]) -> None:
    """CUDA_VISIBLE_DEVICES says which; without it they are the driver's, and all have one identity."""
    known = ["GPU-a", "GPU-b"]
    found = gpus_in(visible, known)
    assert [gpu.name for gpu in found] == names
    assert {gpu.identity for gpu in found} <= {*known, "MIG-c"}
    assert gpus_in("3", []) == [Gpu("3", "3")], "no driver is there to ask"


def test_each_gpu_has_one_holder(tmp_path: Path) -> None:
    """Two processes, here two pools, never have the same GPU; what is given back can be had."""
    known = ["GPU-a", "GPU-b"]
    mine, theirs = Gpus(tmp_path, lambda: gpus_in(None, known)), Gpus(tmp_path, lambda: gpus_in("1,0", known))
    assert (mine.free(), theirs.free()) == (2, 2)
    assert mine.take("r/train", 1)
    assert mine.variables("r/train") == {VISIBLE: "GPU-a"}
    assert (mine.free(), theirs.free()) == (2, 1)
    assert not theirs.take("s/train", 2)
    assert theirs.take("s/train", 1)
    assert theirs.variables("s/train") == {VISIBLE: "1"}
    assert not mine.take("r/other", 1)
    assert mine.variables("r/other") == mine.variables("r/nobody") == {}
    theirs.close()
    assert mine.take("r/other", 1)
    mine.give_back("r/train")
    mine.give_back("r/train")
    assert (mine.free(), theirs.free()) == (2, 1)
    mine.close()
    assert theirs.free() == 2
