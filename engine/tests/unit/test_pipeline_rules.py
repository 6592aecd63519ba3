"""What a change of a pipeline means for those who run it, and what a changelog demands."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.component import Output
from waypost.contracts.pipeline import Step
from waypost.interfaces.pipeline_interface import Pinned, PipelineFacts, facts_changes, leaves
from waypost.interfaces.semver import demanded, noted_changes, together


def steps(**uses: str) -> PipelineFacts:
    return PipelineFacts(steps={name: Step(uses=text) for name, text in uses.items()})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (steps(a="core/x", b="core/y"), steps(a="core/x"), ["breaking: step 'b' was removed"]),
        (steps(a="core/x"), steps(a="core/x", b="core/y"), ["added: step 'b'"]),
        (steps(a="core/x"), steps(a="core/y"), ["changed: step 'a': core/x became core/y"]),
        (steps(a="core/x@~=1.0"), steps(a="core/x@~=1.2"), []),
        (steps(a="core/x"), PipelineFacts(), []),
        (PipelineFacts(), steps(a="core/x"), []),
    ],
)
def test_steps(old: PipelineFacts, new: PipelineFacts, expected: list[str]) -> None:
    """A step that is gone breaks who reads its results; what a release does not say is not compared."""
    assert [str(c) for group in facts_changes(old, new).values() for c in group] == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (1, 2, ["changed: parameter 'a.b': default 1 became 2"]),
        (
            1,
            1.5,
            [
                "changed: parameter 'a.b': type int became float",
                "changed: parameter 'a.b': default 1 became 1.5",
            ],
        ),
        (
            1,
            "x",
            [
                "changed: parameter 'a.b': type int became string",
                "changed: parameter 'a.b': default 1 became 'x'",
            ],
        ),
        (
            "x",
            1,
            [
                "breaking: parameter 'a.b': type string became int",
                "changed: parameter 'a.b': default 'x' became 1",
            ],
        ),
        (None, 1, ["changed: parameter 'a.b': default None became 1"]),
        ([1], [1], []),
    ],
)
def test_values(old: Any, new: Any, expected: list[str]) -> None:
    """Another default gives other results; a type that takes less than before breaks who gave a value."""
    before, after = (PipelineFacts(defaults=leaves({"a": {"b": value}})) for value in (old, new))
    assert [str(c) for c in facts_changes(before, after).get("params.yaml", ())] == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Pinned("1.2.0"), Pinned("2.0.0"), "changed: core/x: 1.2.0 became 2.0.0, another major version"),
        (
            Pinned("1.2.0", "i"),
            Pinned("1.3.0", "j"),
            "changed: core/x: 1.2.0 became 1.3.0, with another interface",
        ),
        (Pinned("1.2.0"), Pinned("1.3.0", "j"), None),
        (Pinned("1.2.0", "i"), Pinned("1.2.1", "i"), None),
    ],
)
def test_components(old: Pinned, new: Pinned, expected: str | None) -> None:
    """Another major version of a component is no patch of the pipeline; an old record has no interfaces."""
    found = facts_changes(PipelineFacts(pins={"core/x": old}), PipelineFacts(pins={"core/x": new}))
    assert [str(c) for c in found.get("components", ())] == ([expected] if expected else [])


def test_a_component_is_one_whatever_is_asked_for() -> None:
    """A step that asks for another major version uses the same component; of one that is used in two
    versions, each is compared with what was asked for alike.
    """

    def changes(old: dict[str, str], new: dict[str, str]) -> list[str]:
        sides = (PipelineFacts(pins={k: Pinned(v) for k, v in side.items()}) for side in (old, new))
        return [str(change) for change in facts_changes(*sides).get("components", ())]

    told = "core/x: 1.2.0 became 2.0.0, another major version"
    assert changes({"core/x@~=1.0": "1.2.0"}, {"core/x@~=2.0": "2.0.0"}) == [f"changed: {told}"]
    assert changes({"core/x": "1.2.0"}, {"core/x@==2.0.0": "2.0.0"}) == [f"changed: {told}"]
    both = {"core/x@~=1.0": "1.2.0", "core/x@>=1": "2.0.0"}
    assert changes(both, both | {"core/x@>=1": "3.0.0"}) == [
        "changed: core/x@>=1: 2.0.0 became 3.0.0, another major version"
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"model": "m", "log": "l"}, {"model": "m"}, ["breaking: step 'a': output 'log' was removed"]),
        ({"model": "m"}, {"model": "m", "log": "l"}, ["added: step 'a': output 'log'"]),
        ({"model": "m"}, {"model": "n"}, ["breaking: step 'a': output 'model': path m became n"]),
        ({"model": "m"}, {"model": "m"}, []),
        (None, {"model": "m"}, []),
        ({"model": "m"}, None, []),
    ],
)
def test_outputs(old: dict[str, str] | None, new: dict[str, str] | None, expected: list[str]) -> None:
    """An output that a step no longer gives breaks who reads it, whatever its component's version is."""
    sides = [
        PipelineFacts(outputs={"a": {n: Output(path=p) for n, p in given.items()}} if given else None)
        for given in (old, new)
    ]
    assert [str(c) for c in facts_changes(*sides).get("outputs", ())] == expected


@pytest.mark.parametrize(
    ("notes", "bump"),
    [
        ("", "patch"),
        ("### Fixed\n- It was Removed and Added by mistake.", "patch"),
        ("### Changed\n- Other words.", "patch"),
        ("### Added\n- A verb.", "minor"),
        ("### Deprecated\n- A verb.", "minor"),
        ("### Added\n- A.\n\n### Removed\n- B.", "major"),
        ("### Changed\n- BREAKING: other results.", "major"),
        ("### Changed\n- **BREAKING** Other results.", "major"),
        ("### Fixed\n- Other results (BREAKING CHANGE: of rounding).", "major"),
        ("### Changed\n- A changelog that says BREAKING demands a major version.", "patch"),
        ("### Breaking changes\n- Other results.", "major"),
        ("### Removed\n\n### Added\n\n### Fixed\n- A typo in breaking news.", "patch"),
    ],
)
def test_a_changelog_sets_a_floor(notes: str, bump: str) -> None:
    """What is called added is a minor version at least, what is called removed or BREAKING a major one."""
    found = noted_changes(notes)
    assert demanded(change for group in found.values() for change in group) == bump
    assert together(found, found) == found
