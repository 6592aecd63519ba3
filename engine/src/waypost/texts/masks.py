"""Masking of secret values in output, such as the log of a step that prints its arguments."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from waypost.texts.sealed import Variable

_LEAST = 4  # shorter values are not masked: `1` is everywhere


class Masks:
    """Replaces the values of variables by `${oc.env:NAME}`: as they are, and as URLs, JSON, Python and base64
    have them; of one with several lines each line.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._names = {
            form.encode(errors="surrogateescape"): str(Variable(name)).encode()
            for name, value in values.items()
            if len(value) >= _LEAST
            for form in _forms(value)
            if len(form) >= _LEAST
        }
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, longest_first))) if longest_first else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """Returns a text without the values."""
        return self.line(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")

    def line(self, line: bytes) -> bytes:
        """Returns a line of a file without the values."""
        return self._pattern.sub(lambda hit: self._names[hit[0]], line) if self._pattern else line


def _forms(value: str) -> set[str]:
    parts = {value, *value.splitlines()}
    encoded = {base64.b64encode(value.encode(errors="surrogateescape")).decode()}
    for part in parts:
        encoded |= {quote(part, safe=""), quote(part), quote_plus(part), json.dumps(part)[1:-1]}
        encoded |= {json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1]}
    return {form.strip() for form in parts | encoded}
