"""Versions on a cluster: what does not fit is told at once, each thing once."""

from __future__ import annotations

import json

import pytest

from waypost.cluster.versions import differences, unlike

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
    assert found[2].hint == "install pyarrow 24.0 there, or that version here"


def test_many_workers() -> None:
    """A large cluster is not listed name by name."""
    old = {**OURS, "distributed": "2026.7.1"}
    [all_of_them] = differences(OURS, OURS, {f"n{i}": old for i in range(9)})
    assert all_of_them.place == "all 9 workers"
    [some] = differences(OURS, OURS, {f"n{i}": old for i in range(9)} | {"new": OURS})
    assert some.place == "workers n0, n1, n2, n3, n4 and 4 more"


def test_what_a_task_is_for() -> None:
    """A worker that joined later compares for itself: only what differs is told, with both versions."""
    assert unlike(OURS, {**OURS, "python": "3.11.9.final.0"}) == ""
    assert unlike(OURS, {**OURS, "waypost": None, "python": "3.12.1.final.0"}) == (
        "python 3.12, but 3.11 on the client, waypost is not installed, but 1.0 on the client"
    )


def test_a_task_of_another_version() -> None:
    """A task brings the versions that it is for; where they are others, its function is not called."""
    pytest.importorskip("distributed")
    from waypost.cluster.tasks import FailedError, Target, call_of, execute, installed, result_of

    assert len(result_of(call_of(Target("waypost.texts.digests", "digest_of"), {"a": 1})())) == 64
    for versions in ({**installed(), "waypost": "0.9"}, {**installed(), "python": "3.8.0"}):
        with pytest.raises(FailedError, match="on the client") as caught:
            result_of(execute("nowhere", "nothing", json.dumps({}), versions))
        assert caught.value.hint == "install the client's version, or stop this worker"
