"""The benchmarks find what they measure with, wherever the repository's folders stand."""

from __future__ import annotations

from benchmarks import bench, deploy_model


def test_peers_get_our_versions() -> None:
    """Peers are installed with the pandas, pyarrow and scikit-learn that are locked for development."""
    names = [pin.split("==")[0] for pin in bench.pinned_here()]
    assert sorted(names) == ["pandas", "pyarrow", "scikit-learn"]


def test_what_is_measured_is_there() -> None:
    """The reference pipeline and the library stand where the benchmarks look for them."""
    assert deploy_model.ROOT == bench.ROOT
    for file in ("pipeline/pipeline.yaml", "components-repo/train_random_forest/MLproject"):
        assert (bench.ROOT / file).is_file()
