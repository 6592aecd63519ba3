"""Reproducible sampling: the ID of a request decides, the same in each worker and later."""

from __future__ import annotations

import hashlib


def point(request: str, purpose: bytes) -> float:
    """Returns a number in [0, 1) for the id of a request, different for each purpose (16 bytes)."""
    digest = hashlib.blake2b(request.encode(), digest_size=8, person=purpose).digest()
    return int.from_bytes(digest, "big") / 2**64
