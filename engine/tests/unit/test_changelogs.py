"""What stands in a changelog, and what a release makes of it."""

from __future__ import annotations

import pytest
from packaging.version import Version

from waypost.interfaces.changelog import has_unreleased, lines_between, rotated, unreleased

BEFORE = """# Changelog

## [Unreleased]

- more

## [1.0.0] - 2026-01-01

- first

[Unreleased]: https://example.org/o/r/compare/v1.0.0...HEAD
[1.0.0]: https://example.org/o/r/releases/v1.0.0
"""


def test_link_references_are_no_content() -> None:
    """They say nothing of what changed: neither of [Unreleased], nor in the lines of a version."""
    assert unreleased("## [Unreleased]\n\n[Unreleased]: https://example.org/compare/v1.0.0...HEAD\n") == ""
    assert unreleased("## [Unreleased]\n\n### Added\n\n[x]: https://example.org\n") == ""
    assert unreleased(BEFORE) == "- more"
    assert lines_between(BEFORE, Version("0.9.0"), Version("1.0.0")) == "## [1.0.0] - 2026-01-01\n\n- first"


def test_links_of_a_new_version() -> None:
    """[Unreleased] compares with the new version from now on, which has a link of its own."""
    assert rotated(BEFORE, "1.1.0", "2026-02-02").splitlines()[-3:] == [
        "[Unreleased]: https://example.org/o/r/compare/v1.1.0...HEAD",
        "[1.1.0]: https://example.org/o/r/compare/v1.0.0...v1.1.0",
        "[1.0.0]: https://example.org/o/r/releases/v1.0.0",
    ]


@pytest.mark.parametrize(
    ("address", "links"),
    [
        (
            "https://x.org/-/compare/engine-v1.2.3...main",
            ["engine-v2.0.0...main", "engine-v1.2.3...engine-v2.0.0"],
        ),
        ("https://x.org/compare/1.2.3..HEAD", ["2.0.0..HEAD", "1.2.3..2.0.0"]),
        ("https://x.org/commits/main", ["main"]),
        ("https://x.org/branches/compare/HEAD..v1.2.3", ["HEAD..v1.2.3"]),
    ],
)
def test_addresses(address: str, links: list[str]) -> None:
    """Tags with a prefix or none; an address of another form stays as it is."""
    text = rotated(f"## [Unreleased]\n- a\n\n[unreleased]: {address}", "2.0.0", "d")
    assert [line.rpartition("/")[2] for line in text.splitlines() if line.startswith(("[u", "[2"))] == links


def test_a_link_of_the_new_version_that_is_there_stays() -> None:
    """Nothing is said twice."""
    text = f"{BEFORE}[1.1.0]: https://example.org/mine\n"
    assert rotated(text, "1.1.0", "d").count("[1.1.0]: ") == 1


def test_the_end_of_the_file_stays() -> None:
    """A last line without a line break has none afterwards, and the new link stands on a line of its own."""
    text = rotated("## [Unreleased]\n- a\n\n[Unreleased]: https://x.org/compare/v1.0.0...HEAD", "2.0.0", "d")
    assert text.split("\n")[-2:] == [
        "[Unreleased]: https://x.org/compare/v2.0.0...HEAD",
        "[2.0.0]: https://x.org/compare/v1.0.0...v2.0.0",
    ]


HIDDEN = """# Changelog
<!--
## [Unreleased]
-->
## [Unreleased]
- With a file:
  ```
## not a heading
  ```
- More.

~~~~
```
## 9.9.9
~~~~
## [1.0.0]
- First.
"""


def test_a_heading_in_code_or_in_a_comment_is_none() -> None:
    """What is shown as code, or not at all, divides no section: the notes of a release are whole."""
    notes = unreleased(HIDDEN)
    assert notes.startswith("- With a file:")
    assert notes.endswith("~~~~")
    assert "- More." in notes
    assert lines_between(HIDDEN, Version("0"), Version("99")) == "## [1.0.0]\n- First."
    assert "-->\n## [Unreleased]\n\n## [1.1.0] - d\n- With" in rotated(HIDDEN, "1.1.0", "d")


@pytest.mark.parametrize("text", ["```", "<!--", "~~~", "-->", "`" * 99])
def test_what_is_never_closed_hides_nothing(text: str) -> None:
    """A mark that stands alone changes nothing."""
    assert unreleased(f"## [Unreleased]\n- A.\n{text}\n## [1.0.0]\n- B.\n") == f"- A.\n{text}"
    assert unreleased(f"{text}\n## [Unreleased]\n- A.\n") == "- A."


@pytest.mark.parametrize(
    ("text", "is_there", "notes"),
    [
        ("## [Unreleased]\n<!-- write here -->\n### Added\n", True, ""),
        ("## [Unreleased]\n```\nwaypost run\n```\n", True, "```\nwaypost run\n```"),
        ("Unreleased\n----------\n- A.\n", False, ""),
        ("### [Unreleased]\n- A.\n", False, ""),
        ("## Unreleased - soon\n* Ä „ö“ 日本.", True, "* Ä „ö“ 日本."),
    ],
)
def test_nothing_is_told_from_no_heading(text: str, is_there: bool, notes: str) -> None:
    """A comment says nothing; a heading of another form is not there, whatever stands below it."""
    assert (has_unreleased(text), unreleased(text)) == (is_there, notes)
