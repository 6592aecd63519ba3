"""What a CHANGELOG.md says of the versions between two others."""

from __future__ import annotations

import re
from itertools import zip_longest

from packaging.version import InvalidVersion, Version

_HEADING = re.compile(r"^##\s+\[?v?([^\]\s]+)\]?", re.MULTILINE)


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
