"""JSON for people: as `json.dumps` writes it, but for what fits into a line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.texts.pretty_json import Compact, json_text


@pytest.mark.parametrize(
    "value", [1, "é", [], {}, {"b": [1, {"é": None}], "a": {"c": []}}, [[1], [{"z": 1, "y": 2}]]]
)
def test_as_json_writes_it(value: Any) -> None:
    """An indent of two, sorted keys, letters as they are: the bytes of a record of 1.0."""
    assert json_text(value) == json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)


def test_what_is_compact() -> None:
    """Below it whatever fits into a line is one, with sorted keys; what does not has a line for each part."""
    wide = {"b": "x" * 100, "a": "y" * 100}
    text = json_text({"plain": {"k": [1]}, "c": Compact({"z": {"b": 1, "a": [1, 2]}, "w": wide})})
    assert text.splitlines() == [
        "{",
        '  "c": {',
        '    "w": {',
        f'      "a": "{"y" * 100}",',
        f'      "b": "{"x" * 100}"',
        "    },",
        '    "z": {"a": [1, 2], "b": 1}',
        "  },",
        '  "plain": {',
        '    "k": [',
        "      1",
        "    ]",
        "  }",
        "}",
    ]


def test_how_long_a_line_may_be() -> None:
    """150 characters with what stands before it, and not one more."""
    room = 150 - len('  {"a": ""}')
    assert json_text([Compact({"a": "x" * room})]).count("\n") == 2
    assert json_text([Compact({"a": "x" * (room + 1)})]).count("\n") == 4
