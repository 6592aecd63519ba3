"""Which runs of a tracking server are needed."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.retention import TAKEN_OVER, ServerRun, families, reasons

DAY = 86400.0
NOW = 100 * DAY


def run(run_id: str, day: float = 1, *, needs: tuple[str, ...] = (), **other: Any) -> ServerRun:
    content = {"kind": "pipeline", "status": "FINISHED", "pipeline": "grades", "experiment": "e"}
    return ServerRun(run_id=run_id, ended=day * DAY, needs=frozenset(needs), **{**content, **other})


def step(run_id: str, parent: str, day: float = 1, **other: Any) -> ServerRun:
    return run(run_id, day, kind="step", parent=parent, pipeline="", **other)


def kept(*runs: ServerRun, wanted: dict[str, str] | None = None, lock: str = "") -> dict[str, str]:
    return reasons(families(runs), wanted or {}, lock=lock, now=NOW, days=30)


NEW = run("new", 99)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([run("a")], {}),
        ([run("a", status="FAILED"), step("b", "a")], {}),
        ([run("a", 71)], {"a": "young"}),
        ([run("a", 70)], {"a": "young"}),
        ([run("a", 50, pipeline="other"), run("b", 40)], {"a": "newest of its pipeline"}),
        ([run("a"), step("b", "a", 71)], {"a": "young"}),
        ([run("a", status="RUNNING")], {"a": "running"}),
        ([run("a", status="SCHEDULED")], {"a": "running"}),
        ([run("a", status="KILLED"), step("b", "a", status="RUNNING")], {"a": "running"}),
        ([run("a", is_marked=True)], {"a": "marked to be kept"}),
        ([run("a"), step("b", "a", is_marked=True)], {"a": "marked to be kept"}),
        ([run("a", release="1.0.0")], {"a": "run of a release"}),
        ([run("a", release="1.0.0", status="FAILED")], {}),
        ([run("a", pipeline="other")], {"a": "newest of its pipeline"}),
        ([run("a", experiment="f")], {"a": "newest of its pipeline"}),
        ([run("a", lock="sha256:x")], {"a": "newest with this lock"}),
        ([run("a", lock="sha256:y")], {}),
    ],
)
def test_kept_for_itself(runs: list[ServerRun], expected: dict[str, str]) -> None:
    """A run is kept with all that is below it, for what it or any of those is."""
    assert kept(NEW, *runs, lock="sha256:x") == {"new": "newest of its pipeline", **expected}


def test_what_a_kept_run_took_a_result_from_is_kept() -> None:
    """However long the chain is; what nothing kept leads to goes, whatever it took over itself."""
    runs = [
        run("first"), step("load", "first"), step("train", "first"),
        run("second", 2, needs=("load",)), step("split", "second", 2),
        run("third", 3, needs=("load", "split")), step("other", "third", 3),
        run("newest", 60, needs=("split", "gone long ago")),
        run("lonely"), run("fourth", 4, needs=("lonely",)),
    ]  # fmt: skip
    assert kept(*runs) == {"newest": "newest of its pipeline", "second": TAKEN_OVER, "first": TAKEN_OVER}


def test_what_others_want() -> None:
    """A registered model's step keeps the run that it is part of, and so does a step of the index."""
    runs = [NEW, run("a"), step("b", "a"), run("c"), step("d", "c")]
    assert kept(*runs, wanted={"b": "made a registered model"}) == {
        "new": "newest of its pipeline",
        "a": "made a registered model",
    }


def test_families() -> None:
    """A sweep is one; a step whose run is gone is one of its own; a circle of parents does not hang."""
    runs = [
        run("sweep", kind="sweep"), run("one", parent="sweep"), step("s", "one"),
        step("orphan", "gone", 3), run("x", parent="y"), run("y", parent="x"),
        run("nested", parent="somebody else's", day=2),
    ]  # fmt: skip
    found = {family.top.run_id: sorted(r.run_id for r in family.members) for family in families(runs)}
    assert found["sweep"] == ["one", "s", "sweep"]
    assert found["orphan"] == ["orphan"]
    assert found["nested"] == ["nested"]
    assert sum(map(len, found.values())) == len(runs)
    in_order = [
        family.top.run_id for family in families([run("b"), run("new", 2), run("a"), step("s", "b", 3)])
    ]
    assert in_order == ["b", "new", "a"]
