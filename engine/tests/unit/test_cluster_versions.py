"""Versions on a cluster: what does not fit is told at once, each thing once."""

from __future__ import annotations

from waypost.cluster.versions import differences

OURS = {"python": "3.11.7.final.0", "waypost": "1.0", "distributed": "2026.8.0", "pyarrow": "24.0"}


def test_equal_versions() -> None:
    """Only the first two numbers of Python matter; the scheduler needs no Waypost and no Arrow."""
    scheduler = {"python": "3.11.2.final.0", "distributed": "2026.8.0", "waypost": None, "pyarrow": None}
    assert differences(OURS, scheduler, {"a": {**OURS, "python": "3.11.9.final.0"}}, ["pyarrow"]) == []


def test_each_difference_is_told_once() -> None:
    """Workers that differ alike stand in one line, with what is here and what mends it."""
    scheduler = {**OURS, "python": "3.12.1.final.0"}
    old, bare = {**OURS, "pyarrow": "21.0"}, {**OURS, "waypost": None}
    found = differences(OURS, scheduler, {"b": old, "a": old, "c": OURS, "d": bare}, ["pyarrow"])
    assert [str(finding).partition(";")[0] for finding in found] == [
        "scheduler: python 3.12, here 3.11",
        "worker d: waypost is not installed, here 1.0",
        "workers a, b: pyarrow 21.0, here 24.0",
    ]
    assert found[2].hint == "install pyarrow 24.0 there, or their version here"


def test_many_workers() -> None:
    """A large cluster is not listed name by name."""
    old = {**OURS, "distributed": "2026.7.1"}
    [all_of_them] = differences(OURS, OURS, {f"n{i}": old for i in range(9)})
    assert all_of_them.place == "all 9 workers"
    [some] = differences(OURS, OURS, {f"n{i}": old for i in range(9)} | {"new": OURS})
    assert some.place == "workers n0, n1, n2, n3, n4 and 4 more"
