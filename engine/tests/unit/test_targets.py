"""What `run` and `reproduce` are pointed at."""

from __future__ import annotations

import pytest

from waypost.contracts.target import Target, library_target, parse_target
from waypost.errors import UsageError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://h/o/r@1.4.13", Target("https://h/o/r", "", "1.4.13")),
        ("https://h/o/r#grades@~=1.4", Target("https://h/o/r", "grades", "~=1.4")),
        ("https://h/o/r#/grades/@latest", Target("https://h/o/r", "grades", "*")),
        ("git@h:o/r.git@1.0.0", Target("git@h:o/r.git", "", "1.0.0")),
        ("github:o/r@1.0.0", Target("https://github.com/o/r", "", "1.0.0")),
        ("../r@1.0.0", Target("/srv/r", "", "1.0.0")),
        ("/srv/r@1.0.0", Target("/srv/r", "", "1.0.0")),
    ],
)
def test_releases(text: str, target: Target) -> None:
    """URL, folder and version; relative paths are relative to where one is."""
    assert parse_target(text, "/srv/here") == target


@pytest.mark.parametrize("version", ["1.4.13", "~=1.4", "*"])
@pytest.mark.parametrize(
    "url", ["https://h/o/r", "git@h:o/r.git", "git@h:r.git", "ssh://git@h/o/r", "/srv/r"]
)
def test_libraries(url: str, version: str) -> None:
    """Without a version it is the newest release, whatever signs the URL has."""
    text = url if version == "*" else f"{url}@{version}"
    assert library_target(text, "/srv/here") == Target(url, "", version)


@pytest.mark.parametrize("text", ["pipeline", "pipeline@1.0.0", "git@h:o/r.git", "@1.0.0"])
def test_folders(text: str) -> None:
    """What is no URL is a folder."""
    assert parse_target(text, "/srv/here") is None


@pytest.mark.parametrize("text", ["https://h/o/r", "github:o/r", "https://me:secret@h/r"])
def test_a_url_needs_a_version(text: str) -> None:
    """A URL without a version is refused with the forms of one, and without its credentials."""
    with pytest.raises(UsageError, match="which version") as caught:
        parse_target(text, "/srv/here")
    assert "secret" not in str(caught.value)
    assert "URL@latest" in caught.value.hint


def test_a_target_is_shown_as_it_is_written() -> None:
    """A target has one text, without credentials."""
    assert str(Target("https://me:secret@h/r", "grades", "1.0.0")) == "https://h/r#grades@1.0.0"
    assert str(Target("https://h/r", "", "1.0.0")) == "https://h/r@1.0.0"
    assert str(Target("https://h/r", "", "*")) == "https://h/r@latest"
