"""Which steps of a plan are executed, and what an argument becomes."""

from __future__ import annotations

import pytest

from tests.test_plan import LEARN, LOAD, planned
from waypost.contracts.pipeline import component_name
from waypost.contracts.plan import Location
from waypost.contracts.versions import parse_requirement, version_of
from waypost.errors import FindingsError

STEPS = {
    "load": LOAD,
    "learn": LEARN,
    "more": {"uses": "core/load", "with": {"url": "b.csv"}, "after": ["learn"]},
    "apart": {"uses": "core/load", "with": {"url": "c.csv"}},
}


@pytest.mark.parametrize(
    ("only", "start", "chosen"),
    [
        ([], None, {"load", "learn", "more", "apart"}),
        (["learn"], None, {"learn"}),
        ([], "learn", {"learn", "more"}),
        ([], "apart", {"apart"}),
        (["load", "more"], "learn", {"more"}),
    ],
)
def test_selection(only: list[str], start: str | None, chosen: set[str]) -> None:
    """`--from` takes a step and all that depend on it, `--steps` those named, both what is in both."""
    plan, _ = planned(STEPS)
    assert plan is not None
    assert plan.select(only, start) == chosen


def test_what_a_step_needs() -> None:
    """A step and all that it needs, directly or not."""
    plan, _ = planned(STEPS)
    assert plan is not None
    assert plan.needed_for(["more"]) == {"load", "learn", "more"}


def test_numbered_names_sort_as_steps_run() -> None:
    """A step's shown name begins with its number, as wide as the largest one."""
    few, _ = planned(STEPS)
    many, _ = planned({f"s{n}": LOAD for n in range(12)})
    assert few is not None
    assert many is not None
    assert few.numbered("apart") == "4 apart"
    shown = [many.numbered(step.name) for step in many.steps]
    assert shown[0] == "01 s0"
    assert shown == sorted(shown)


@pytest.mark.parametrize(("only", "start"), [(["lern"], None), ([], "lern")])
def test_unknown_steps(only: list[str], start: str | None) -> None:
    """A step that is not there is named with the nearest one."""
    plan, _ = planned(STEPS)
    assert plan is not None
    with pytest.raises(FindingsError, match="no step 'lern'; did you mean 'learn'"):
        plan.select(only, start)


def test_arguments_by_type() -> None:
    """A path and a URI are places, any other value is a text; every mistake of a step is told."""
    plan, findings = planned({"load": {"uses": "core/load", "with": {"url": "a", "tries": 4}}})
    assert not findings
    assert plan is not None
    assert plan.step("load").arguments == {"url": Location("a"), "tries": "4"}
    _, findings = planned({"load": {"uses": "core/load", "with": {"urk": 1, "trie": 2, "tries": "x"}}})
    assert len(findings) == 4
    twice = {"url": "${steps.x}", "tries": "${steps.y}"}
    assert len(planned({"load": {"uses": "core/load", "with": twice}})[1]) == 2


def test_paths_may_be_plain() -> None:
    """A path given as a text is a place, too; a mapping for anything but a path is refused."""
    learn = {"uses": "core/learn", "with": {"data": "x.csv", "depth": {"a": 1}}}
    plan, findings = planned({"learn": learn})
    assert plan is not None
    assert plan.step("learn").arguments["data"] == Location("x.csv")
    assert any("not a mapping" in finding for finding in findings)


@pytest.mark.parametrize(
    ("uses", "name"), [("core/load", "load"), ("core/load@~=1/2", "load"), ("core/load@a/b", "load")]
)
def test_names_in_uses(uses: str, name: str) -> None:
    """The component's name stands between the first slash and the requirement."""
    assert component_name(uses) == name


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v1.2.3", "1.2.3"),
        ("1.2.3", "1.2.3"),
        ("1.2.3v", None),
        ("v1.2", None),
        ("v1.2.3.4", None),
        ("v1!1.2.3", None),
        ("v1.2.3+x", None),
        ("x", None),
    ],
)
def test_tags_that_are_versions(tag: str, version: str | None) -> None:
    """vX.Y.Z and X.Y.Z; no epoch, no local part, no other number of parts."""
    found = version_of(tag)
    assert (str(found) if found else None) == version


def test_a_branch_allows_no_version() -> None:
    """A branch and a commit are no specifiers: no version fits them."""
    from packaging.version import Version

    assert not parse_requirement("main").allows(Version("1.0.0"))
    assert not parse_requirement("a" * 40).allows(Version("1.0.0"))
