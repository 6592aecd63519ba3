"""What a difference between two interfaces demands of the version."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from waypost.contracts.component import Component
from waypost.interfaces.interface import (
    Change,
    component_with,
    interface_changes,
    interface_digest,
    interface_of,
)
from waypost.interfaces.record import Record
from waypost.interfaces.semver import (
    Bump,
    bump_between,
    bumped,
    demanded,
    library_changes,
    pipeline_changes,
)

RECORD: dict[str, Any] = {
    "kind": "components",
    "name": "c",
    "version": "1.0.0",
    "date": "2026-01-01",
    "engine": "1.0.0",
    "made_with": {},
    "trees": {},
    "notes": "",
}


def component(entry: str = "main", **main: Any) -> Component:
    return Component.model_validate({"name": "c", "entry_points": {entry: {"command": "x", **main}}})


def changes(before: dict[str, Any], after: dict[str, Any], entry: str = "main") -> list[str]:
    old, new = (component(entry, parameters={"p": side}) for side in (before, after))
    return [str(change) for change in interface_changes(old, new)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"minimum": 1}, {"minimum": 2}, "breaking: parameter 'p': minimum 1 became 2"),
        ({"minimum": 2}, {"minimum": 1}, "changed: parameter 'p': minimum 2 became 1"),
        ({"minimum": 2}, {}, "changed: parameter 'p': minimum 2 became none"),
        ({}, {"minimum": 2}, "breaking: parameter 'p': minimum none became 2"),
        ({"maximum": 1}, {"maximum": 2}, "changed: parameter 'p': maximum 1 became 2"),
        ({"maximum": 2}, {"maximum": 1}, "breaking: parameter 'p': maximum 2 became 1"),
        ({"maximum": 2}, {}, "changed: parameter 'p': maximum 2 became none"),
        ({}, {"maximum": 2}, "breaking: parameter 'p': maximum none became 2"),
        ({"choices": ["a"]}, {"choices": ["a", "b"]}, "added: parameter 'p': choice 'b'"),
        ({"choices": ["a", "b"]}, {"choices": ["a"]}, "breaking: parameter 'p': choice 'b' was removed"),
        ({"choices": ["a"]}, {}, "changed: parameter 'p': any value from now on"),
        ({}, {"choices": ["a", "b"]}, "breaking: parameter 'p': only a, b from now on"),
        ({}, {"format": "uri"}, "changed: parameter 'p': format none became uri"),
        ({"format": "uri"}, {}, "changed: parameter 'p': format uri became none"),
        ({"type": "int"}, {"type": "float"}, "changed: parameter 'p': type int became float"),
        ({"type": "float"}, {"type": "int"}, "breaking: parameter 'p': type float became int"),
        ({}, {"default": "x"}, "changed: parameter 'p': it is optional now, default 'x'"),
    ],
)
def test_parameters(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    """What takes less than before breaks its users; what takes more does not."""
    assert changes(before, after) == [expected]


def test_equal_limits_are_no_change() -> None:
    """The same limits, written as 1 and 1.0, are the same interface."""
    assert changes({"minimum": 1, "maximum": 2}, {"minimum": 1.0, "maximum": 2.0}) == []


def test_other_entry_points_are_named() -> None:
    """A change says its entry point unless that is `main`."""
    assert changes({"minimum": 2}, {"minimum": 1}, "score") == [
        "changed: parameter 'p': minimum 2 became 1 of entry point 'score'"
    ]


def test_the_digest_ignores_the_order() -> None:
    """An interface is the same in whatever order its parameters are written, and comes back from a record."""
    one, two = {"a": {"type": "int"}, "b": {"default": 1}}, {"b": {"default": 1}, "a": {"type": "int"}}
    first, second = component(parameters=one), component(parameters=two)
    assert interface_digest(first) == interface_digest(second)
    assert interface_digest(component_with("c", interface_of(first))) == interface_digest(first)
    assert interface_digest(component(parameters={"a": {"type": "int"}})) != interface_digest(first)


@pytest.mark.parametrize(
    ("kinds", "bump"),
    [
        ([], "patch"),
        (["added"], "minor"),
        (["changed"], "minor"),
        (["breaking"], "major"),
        (["added", "breaking"], "major"),
    ],
)
def test_the_least_bump(kinds: list[Any], bump: Bump) -> None:
    """Breaking demands a major version, any other change a minor one, none a patch."""
    assert demanded([Change(kind, "x") for kind in kinds]) == bump


@pytest.mark.parametrize(
    ("version", "bump", "following"),
    [
        ("1.2.3", "major", "2.0.0"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("2.0.0rc1", "patch", "2.0.0"),
        ("2.0.0rc1", "major", "2.0.0"),
    ],
)
def test_the_next_version(version: str, bump: Bump, following: str) -> None:
    """One part is raised by one, those behind it begin again; a pre-release becomes its release."""
    assert bumped(Version(version), bump) == Version(following)


@pytest.mark.parametrize(
    ("old", "new", "bump"),
    [
        ("1.2.3", "2.2.3", "major"),
        ("1.2.3", "1.3.3", "minor"),
        ("1.2.3", "1.2.4", "patch"),
        ("2.0.0", "1.9.9", "major"),
    ],
)
def test_what_was_raised(old: str, new: str, bump: Bump) -> None:
    """The foremost part that differs counts."""
    assert bump_between(Version(old), Version(new)) == bump


def test_components_come_and_go() -> None:
    """A removed component is breaking, a new one an addition, an equal one nothing."""
    kept = component(parameters={"p": {"type": "int"}})
    released = {
        n: {"tree": "t", "environment": "e", "interface": interface_of(kept)} for n in ("kept", "gone")
    }
    record = Record.model_validate({**RECORD, "components": released})
    found = library_changes(record, {"new": kept, "kept": kept})
    assert {name: [str(c) for c in some] for name, some in found.items()} == {
        "gone": ["breaking: the component was removed"],
        "new": ["added: the component is new"],
    }
    assert list(found) == ["gone", "new"]


COLUMN = {"name": "a", "type": "double"}


@pytest.mark.parametrize(
    ("side", "old", "new", "expected"),
    [
        ("inputs", [COLUMN], [], "changed: column 'a' of the model's inputs was removed"),
        ("outputs", [COLUMN], [], "breaking: column 'a' of the model's outputs was removed"),
        ("inputs", [], [COLUMN], "breaking: column 'a' of the model's inputs"),
        ("inputs", [], [COLUMN | {"required": False}], "added: column 'a' of the model's inputs"),
        ("outputs", [], [COLUMN], "added: column 'a' of the model's outputs"),
        (
            "inputs",
            [COLUMN],
            [COLUMN | {"type": "long"}],
            "breaking: column 'a' of the model's inputs: type double became long",
        ),
    ],
)
def test_signatures(side: str, old: list[Any], new: list[Any], expected: str) -> None:
    """A column that is asked for anew breaks its users, one that is given up on the way out, too."""
    other = {"inputs": "outputs", "outputs": "inputs"}[side]
    before, after = {side: old, other: [{"type": "long"}]}, {side: new, other: [{"type": "long"}]}
    found = pipeline_changes(Record.model_validate(RECORD), (), before, after)
    assert [str(change) for change in found["model"]] == [expected]


def test_what_a_metric_declares() -> None:
    """Turning a metric round breaks who compares by it; to say more, or another unit, does not."""

    def declared(**facts: str) -> Component:
        return component(metrics={"m": {"kind": "time", **facts}})

    sides = [
        (declared(better="lower"), declared(better="higher"), "breaking"),
        (declared(better="lower"), declared(), "breaking"),
        (declared(), declared(better="lower"), "changed"),
        (declared(unit="s"), declared(unit="ms"), "changed"),
        (declared(unit="s"), declared(), "changed"),
    ]
    for old, new, kind in sides:
        assert [change.kind for change in interface_changes(old, new)] == [kind]


def test_what_an_interface_holds() -> None:
    """Types of outputs and facts of metrics, where a contract declares them: what is not said is left out."""
    said = component(
        outputs={"t": {"path": "t.csv", "type": "table"}, "x": {"path": "x"}},
        metrics={"m": {"kind": "time"}, "n": "a count of something"},
    )
    main = interface_of(said)["main"]
    assert (main["types"], main["metrics"]) == ({"t": "table"}, {"m": {"kind": "time"}})
    assert set(interface_of(component())["main"]) == {"parameters", "outputs"}
