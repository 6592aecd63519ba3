"""How old a release must be before it is adopted automatically."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from packaging.version import Version

from waypost.contracts.versions import Requirement

_SPAN = re.compile(r"(\d{1,4})([hdw])")
_SECONDS = {"h": 3600, "d": 86400, "w": 604800}
# https://keepachangelog.com/en/1.1.0/: the names of its sections
_SECURITY = re.compile(r"^#+[ \t]*Security\b[^\n]*\n\s*[^#\s]", re.MULTILINE | re.IGNORECASE)


def seconds_of(text: str) -> int:
    """Returns the length of `7d`, `36h` or `2w` in seconds. Raises ValueError for other texts."""
    span = _SPAN.fullmatch(text)
    if span is None:
        raise ValueError(f"{text!r} is not a time such as 7d, 36h or 2w")
    return int(span[1]) * _SECONDS[span[2]]


def is_security_release(notes: str) -> bool:
    """Returns whether a release's changelog section has entries under Security."""
    return bool(_SECURITY.search(notes))


def is_asked_by_name(requirement: Requirement, version: Version) -> bool:
    """Returns whether a requirement allows only this version: its author has decided."""
    specifiers = list(requirement.specifier or ())
    return len(specifiers) == 1 and str(specifiers[0]) in (f"=={version}", f"==={version}")


def day_of(seconds: float) -> str:
    """Returns the day (UTC) of a time; the last possible one for a time out of range."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "9999-12-31"
