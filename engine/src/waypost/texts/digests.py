"""Digests of plain values."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(content: Any) -> str:
    """Returns the sha256 (hex) of the canonical JSON of plain values."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # A path that is not UTF-8 has surrogates for its bytes.
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
