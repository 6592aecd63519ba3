"""What a CHANGELOG.md says of the versions between two others."""

from __future__ import annotations

import re
from itertools import zip_longest

from packaging.version import InvalidVersion, Version

_HEADING = re.compile(r"^##\s+\[?v?([^\]\s]+)\]?", re.MULTILINE)
_UNRELEASED = re.compile(r"^##\s+\[?Unreleased\]?[^\n]*", re.MULTILINE | re.IGNORECASE)


def lines_between(text: str, old: Version, new: Version) -> str:
    """Returns the sections of the versions after `old` up to `new`, newest first.

    Source of the form: https://keepachangelog.com/en/1.1.0/
    """
    headings = list(_HEADING.finditer(text))
    kept = []
    for heading, following in zip_longest(headings, headings[1:]):
        end = following.start() if following else len(text)
        try:
            version = Version(heading[1])
        except InvalidVersion:
            continue
        if old < version <= new:
            kept.append(text[heading.start() : end].strip())
    return "\n\n".join(kept)


def unreleased(text: str) -> str:
    """Returns what stands under [Unreleased], without the headings that have nothing below them."""
    body = _section(text)
    if body is None:
        return ""
    kept = body if re.search(r"^\s*[-*]\s|^(?!#)\S", body, re.MULTILINE) else ""
    return kept.strip()


def rotated(text: str, version: str, day: str) -> str:
    """Returns the text with [Unreleased] empty and its content under the new version.

    Raises ValueError where there is no [Unreleased].
    """
    heading = _UNRELEASED.search(text)
    if heading is None:
        raise ValueError("no heading ## [Unreleased]")
    return f"{text[: heading.end()]}\n\n## [{version}] - {day}{text[heading.end() :]}"


def _section(text: str) -> str | None:
    heading = _UNRELEASED.search(text)
    if heading is None:
        return None
    following = _HEADING.search(text, heading.end())
    return text[heading.end() : following.start() if following else len(text)]
