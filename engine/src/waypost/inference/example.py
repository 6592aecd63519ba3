"""A model's input example: real rows if it is a table, and never a reason to refuse the model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from waypost.contracts.mlmodel import Column, Kind
from waypost.errors import FindingsError
from waypost.texts.json_text import read_json

_FILE = "input_example.json"
_MOST_BYTES = 16 << 20
_MOST_ROWS = 5000
_LARGEST_INTEGER = 2**63


def example_rows(folder: Path, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Returns the rows of an input example that fit the columns, with None for missing values."""
    names, rows = _table(folder / _FILE)
    found = []
    for row in rows[:_MOST_ROWS]:
        if isinstance(row, list) and len(row) == len(names):
            given = dict(zip(names, row, strict=True))
            values = {column.name: given.get(column.name) for column in columns}
            if all(fits(values[column.name], column.kind) for column in columns):
                found.append(values)
    return found


def _table(file: Path) -> tuple[list[str], list[Any]]:
    """Returns (names, rows) of a table in pandas' split orientation; empty for anything else."""
    try:
        is_small = file.is_file() and file.stat().st_size <= _MOST_BYTES
        content = read_json(file.read_text(encoding="utf-8"), str(file), with_nan=True) if is_small else {}
        names, rows = content["columns"], content["data"]
    except (OSError, ValueError, KeyError, TypeError, FindingsError):
        return [], []
    is_table = isinstance(names, list) and isinstance(rows, list)
    return (names, rows) if is_table and all(isinstance(name, str) for name in names) else ([], [])


def fits(value: Any, kind: Kind) -> bool:
    """Returns whether a column of a kind can hold a value."""
    match kind:
        case "text":
            return value is None or isinstance(value, str)
        case "boolean":
            return isinstance(value, int) and value in (0, 1)
        case "integer":
            return isinstance(value, int) and -_LARGEST_INTEGER <= value < _LARGEST_INTEGER
        case "other":
            return True
        case "number":
            # NaN is not larger than any number, and counts as missing.
            return value is None or (isinstance(value, (int, float)) and not abs(value) > sys.float_info.max)
