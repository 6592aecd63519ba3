"""JSON for people: sorted, indented, and compact where a long list would fill screens."""

from __future__ import annotations

import json
from typing import Any

_WIDTH = 150


class Compact(dict[str, Any]):
    """A mapping in which everything that fits into a line is one."""


def json_text(value: Any) -> str:
    """Returns what `json.dumps` with an indent of 2 and sorted keys does, but for what is `Compact`."""
    return _text(value, "", compact=False)


def _text(value: Any, indent: str, *, compact: bool) -> str:
    compact = compact or isinstance(value, Compact)
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not value or (compact and len(indent) + len(line) <= _WIDTH):
        return line
    deeper = f"{indent}  "
    if isinstance(value, dict):
        keys = {key: json.dumps(key, ensure_ascii=False) for key in sorted(value)}
        parts = [f"{text}: {_text(value[key], deeper, compact=compact)}" for key, text in keys.items()]
    else:
        parts = [_text(each, deeper, compact=compact) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inside = f",\n{deeper}".join(parts)
    return f"{opening}\n{deeper}{inside}\n{indent}{closing}"
