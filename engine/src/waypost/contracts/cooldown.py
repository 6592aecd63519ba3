"""How old a release has to be before it is taken by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from packaging.version import Version

from waypost.contracts.versions import Requirement

_SPAN = re.compile(r"(\d{1,4})([hdw])")
_SECONDS = {"h": 3600, "d": 86400, "w": 604800}
# https://keepachangelog.com/en/1.1.0/: what its sections are called
_SECURITY = re.compile(r"^#+[ \t]*Security\b[^\n]*\n\s*[^#\s]", re.MULTILINE | re.IGNORECASE)


def seconds_of(text: str) -> int:
    """Returns how long `7d`, `36h` or `2w` is. Raises ValueError for another text."""
    span = _SPAN.fullmatch(text)
    if span is None:
        raise ValueError(f"{text!r} is no time such as 7d, 36h or 2w")
    return int(span[1]) * _SECONDS[span[2]]


def is_security_release(notes: str) -> bool:
    """Returns whether a changelog's section of a release has entries under Security."""
    return bool(_SECURITY.search(notes))


def is_asked_by_name(requirement: Requirement, version: Version) -> bool:
    """Returns whether a requirement means this version alone: whoever writes that has decided."""
    specifiers = list(requirement.specifier or ())
    return len(specifiers) == 1 and str(specifiers[0]) in (f"=={version}", f"==={version}")


def day_of(seconds: float) -> str:
    """Returns the day (UTC) of a moment; the last that there is for one that is far away."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "9999-12-31"
