"""The benchmarks find what they measure with, wherever the repository's folders stand."""

from __future__ import annotations

import shlex
import subprocess
import sys

import psutil
from benchmarks import bench, deploy_model, simulate
from benchmarks.memory import peak_of


def test_peers_get_our_versions() -> None:
    """Peers are installed with the pandas, pyarrow and scikit-learn that are locked for development."""
    names = [pin.split("==")[0] for pin in bench.pinned_here()]
    assert sorted(names) == ["pandas", "pyarrow", "scikit-learn"]


def test_what_is_measured_is_there() -> None:
    """The reference pipeline and the library stand where the benchmarks look for them."""
    assert deploy_model.ROOT == bench.ROOT
    for file in ("pipeline/pipeline.yaml", "components-repo/train_random_forest/MLproject"):
        assert (bench.ROOT / file).is_file()


def test_what_is_simulated_adds_up() -> None:
    """Each step is executed once, with the requests that were counted; lost workers cost time, not steps."""
    costs = simulate.Costs(look_up=1, lease=4, start=2, end=10)
    found = simulate.Simulation([simulate.layers(10, 3)], 8, costs).run()
    assert found.steps == 30
    assert found.requests == 30 * (costs.a_step + simulate.OF_THE_STEP) + costs.open + costs.close
    sweep = simulate.Simulation(simulate.points(20, 3), 8, costs, losses=10.0).run()
    assert sweep.steps == 1 + 20 * 2, "what the points have in common runs once"
    assert sweep.lost > 0
    assert sweep.seconds > simulate.Simulation(simulate.points(20, 3), 8, costs).run().seconds


def test_what_is_simulated_was_measured() -> None:
    """The requests of the simulation are those that were counted, and each kind has a time."""
    known = simulate.costs()
    assert known["now"].a_step < known["before"].a_step == 21
    assert 0.001 < known["now"].seconds < 1


def test_memory_of_all_processes() -> None:
    """The peak memory of a command counts all that it starts, also what outlives its parent; nothing of it is
    left, and later orphans are not ours.
    """

    def holding(seconds: float, before: str = "") -> list[str]:
        code = f"{before}; import time; kept = b'x' * 60_000_000; time.sleep({seconds})"
        return [sys.executable, "-c", code.strip("; ")]

    before = set(psutil.Process().children())  # other tests' servers
    start = f"import subprocess; subprocess.Popen({holding(0.6)})"
    assert 115 < peak_of(lambda: subprocess.run(holding(0.3, start), check=True)) < 200
    orphaned = [shlex.join([sys.executable, "-c", start]), "sleep 0.5"]
    assert 57 < peak_of(lambda: subprocess.run("; ".join(orphaned), shell=True, check=True)) < 100
    assert set(psutil.Process().children()) <= before
    subprocess.run([sys.executable, "-c", start], check=True)
    assert set(psutil.Process().children()) <= before
