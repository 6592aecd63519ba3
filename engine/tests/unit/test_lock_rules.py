"""What a lock is, and when it is no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.contracts.lock import (
    Pin,
    lock_text,
    make_lock,
    parse_lock,
    requirement_findings,
    selected,
    staleness,
    wanted,
)
from waypost.contracts.pipeline import Pipeline
from waypost.errors import IntegrityError

PIN = {
    "git": "../c.git",
    "requirement": "~=1.0",
    "version": "1.0.0",
    "tag": "v1.0.0",
    "commit": "a" * 40,
    "released": "2026-01-01",
    "tree": "b" * 40,
    "shared": {},
    "interface": "sha256:i",
    "environment": "sha256:e",
}


def pipeline(**uses: str) -> Pipeline:
    steps = {name: {"uses": text} for name, text in uses.items()}
    sources = {"core": {"git": "../c.git", "version": "~=1.0"}, "own": {"path": "parts"}}
    return Pipeline.model_validate({"name": "p", "components": sources, "steps": steps})


def pins(*uses: str, **other: Any) -> dict[str, Pin]:
    return {name: Pin.model_validate(PIN | other) for name in uses}


def test_only_git_sources_are_locked() -> None:
    """Folders have no versions; a source that is not declared is the plan's business."""
    assert list(wanted(pipeline(a="core/a", b="own/b", c="none/c", d="core/d@==2.0.0"))) == [
        "core/a",
        "core/d@==2.0.0",
    ]


def test_the_text_is_one() -> None:
    """Sorted keys, two spaces, letters as they are: the same bytes for the same lock."""
    asked = pipeline(b="core/ü", a="core/a")
    text = lock_text(make_lock(asked, pins("core/ü", "core/a"), "1.0.0"))
    content = json.loads(text)
    assert text == json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert text.index("core/a") < text.index("core/ü")
    assert parse_lock(text, "waypost lock").components == pins("core/ü", "core/a")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<<<<<<< ours\n{}", "it has merge conflict markers"),
        ("{", "not valid JSON: Expecting property name"),
        ("[]", "no schema number"),
        ("{}", "no schema number"),
        ('{"schema": "1"}', "no schema number"),
        ('{"schema": 3, "engine": "9.0"}', r"written by a newer Waypost \(9.0, schema 3; this one reads 2\)"),
        ('{"schema": 1}', "this key is required"),
    ],
)
def test_a_file_that_is_no_lock(text: str, problem: str) -> None:
    """Each way to be no lock has its own words."""
    with pytest.raises(IntegrityError, match=problem) as caught:
        parse_lock(text, "waypost lock")
    category = "lock-newer" if "newer" in problem else "lock-edited"
    assert {finding.category for finding in caught.value.findings} == {category}


def test_every_component_is_compared() -> None:
    """All that is stale is told at once, in the order of the pipeline, and what is not used any more."""
    asked = pipeline(a="core/a", b="core/b", c="core/c", d="core/d")
    locked = (
        pins("core/a", "core/old") | pins("core/b", git="../other.git") | pins("core/c", requirement="~=2.0")
    )
    found = [f.problem for f in staleness(asked, make_lock(asked, locked, "1"), "waypost lock")]
    assert found == [
        "core/b: pipeline.yaml says git: ../c.git, the lock has ../other.git",
        "core/c: pipeline.yaml asks for ~=1.0, the lock is for ~=2.0",
        "pipeline.yaml uses core/d, which is not in the lock",
        "core/old is no longer used by pipeline.yaml",
    ]


def test_a_slip_in_uses_is_near_what_the_lock_has() -> None:
    """Of a name that the lock does not have, the nearest one that nothing uses any more is asked for."""
    lock = make_lock(pipeline(a="core/segregate"), pins("core/segregate"), "1")
    found = staleness(pipeline(a="core/segregat"), lock, "waypost lock")
    assert found[0].hint == "did you mean 'core/segregate'? else resolve it again: waypost lock"
    assert (
        staleness(pipeline(a="core/train"), lock, "waypost lock")[0].hint == "resolve it again: waypost lock"
    )


def test_a_lock_of_other_requirements() -> None:
    """A lock with these pins that was made of other requirements was edited by hand."""
    asked = pipeline(a="core/a")
    lock = make_lock(asked, pins("core/a"), "1")
    assert staleness(asked, lock, "waypost lock") == []
    edited = lock.model_copy(update={"requirements": "sha256:other"})
    assert [f.category for f in staleness(asked, edited, "waypost lock")] == ["lock-edited"]


@pytest.mark.parametrize(
    ("uses", "words"),
    [
        ("core/a", []),
        ("core/a@main", ["pipeline.yaml: uses core/a@main", "'main' is a branch"]),
        ("core/a@=>1", ["pipeline.yaml: uses core/a@=>1", "not a version requirement"]),
    ],
)
def test_what_cannot_be_locked(uses: str, words: list[str]) -> None:
    """Branches and texts that are no requirement are named with their place."""
    found = [str(finding) for finding in requirement_findings(pipeline(a=uses))]
    assert len(found) == bool(words)
    assert all(word in found[0] for word in words)


def test_all_that_cannot_be_locked() -> None:
    """One wrong requirement does not hide the next."""
    found = requirement_findings(pipeline(a="core/a@=>1", b="core/b@main", c="core/c@=>2"))
    assert len(found) == 3


USES = ["core/a", "core/b", "own/a", "core/a@==2.0.0", "old/c@f/x"]


@pytest.mark.parametrize(
    ("names", "meant", "unknown"),
    [
        ([], USES, []),
        (["old"], ["old/c@f/x"], []),
        (["core"], ["core/a", "core/b", "core/a@==2.0.0"], []),
        (["a"], ["core/a", "own/a", "core/a@==2.0.0"], []),
        (["core/a"], ["core/a", "core/a@==2.0.0"], []),
        (["core/a@==2.0.0"], ["core/a@==2.0.0"], []),
        (["x", "b"], ["core/b"], ["x"]),
        (["b", "own"], ["core/b", "own/a"], []),
    ],
)
def test_names_of_components(names: list[str], meant: list[str], unknown: list[str]) -> None:
    """A name may be a source, a component or both; one that means nothing is returned."""
    assert selected(names, USES) == (set(meant), unknown)


def test_a_pin_is_shown_by_its_version() -> None:
    """A pin without a version is shown by the first twelve digits of its commit."""
    assert str(Pin.model_validate(PIN)) == "1.0.0"
    assert str(Pin.model_validate(PIN | {"version": ""})) == "a" * 12
