"""gh's English: it ends with 1 whatever is wrong, and says what in words, and the API's status in numbers.

Seen with gh 2.60 to 2.83.
"""

from __future__ import annotations

# Of an asset's digest without attestations the API says 404, and so do newer versions of gh.
_ABSENT = ("release not found", "HTTP 404")


def is_absent(words: str) -> bool:
    """Tells whether what was asked for is not there, or not to be seen by who asks."""
    return any(word in words for word in _ABSENT)
