"""How old a release has to be, and which releases do not wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from packaging.version import Version

from waypost.contracts.component import parse_component
from waypost.contracts.cooldown import day_of, is_asked_by_name, is_security_release, seconds_of
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.versions import Release, parse_requirement
from waypost.errors import FindingsError
from waypost.pins.cooling import _notes


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604800), ("36h", 129600), ("2w", 1209600), ("0d", 0)])
def test_spans(text: str, seconds: int) -> None:
    """A time is a number and a unit."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("source", ["{git: ../x.git, version: '*', cooldown: 7}", "{path: ., cooldown: 7d}"])
def test_what_is_no_cooldown_is_told(source: str) -> None:
    """A number without a unit, and a cooldown for what has no releases."""
    with pytest.raises(FindingsError, match="cooldown"):
        parse_pipeline(f"name: x\ncomponents: {{core: {source}}}\nsteps: {{a: {{uses: core/a}}}}")


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ("### Security\n- mends CVE-2026-1", True),
        ("### Fixed\n- x\n\n### Security fixes\n- y", True),
        ("### Security\n\n### Fixed\n- x", False),
        ("### Fixed\n- Security of x", False),
    ],
)
def test_which_release_mends_security(notes: str, expected: bool) -> None:
    """One whose changelog has entries under Security; an empty heading, or the word alone, says nothing."""
    assert is_security_release(notes) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("==1.2.0", True), ("1.2.0", True), ("==1.2.*", False), ("~=1.2", False)]
)
def test_whoever_names_a_version_has_decided(text: str, expected: bool) -> None:
    """A requirement of one version does not wait for it."""
    assert is_asked_by_name(parse_requirement(text), Version("1.2.0")) is expected


def test_days() -> None:
    """A moment is a day, however far away."""
    assert day_of(0) == "1970-01-01"
    assert day_of(1e20) == "9999-12-31"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{since: 1.10, use: core/b}", "deprecated since 1.10: use core/b instead"),
        ("{since: 2}", "deprecated since 2"),
        ("true", "deprecated"),
        ("false", "None"),
        ("null", "None"),
    ],
)
def test_deprecated(written: str, said: str) -> None:
    """A contract says since when, and what to use instead; strangers may say only yes or no."""
    text = f"name: a\ndeprecated: {written}\nentry_points: {{main: {{command: x}}}}"
    assert str(parse_component(text, "MLproject").deprecated) == said


def test_the_changelog_is_that_of_the_product() -> None:
    """Components in a folder of a product are released with it: its changelog says what mends security, and
    no file of that name in their own folder.
    """
    texts = {"libs/core/CHANGELOG.md": "## [1.1.0]\n### Security\n- x\n", "libs/core/parts/CHANGELOG.md": ""}
    release = Release(Version("1.1.0"), "core-v1.1.0", "0" * 40)
    mirror: Any = SimpleNamespace(
        inside="libs/core/parts",
        path=lambda name: f"libs/core/{name}",
        releases=lambda: (release,),
        text=lambda path, _: texts[path],
    )
    assert is_security_release(_notes(mirror, release))
