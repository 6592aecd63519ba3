"""Requests for the original: their limits are checked here, everything else by MLflow's own reader.

The reader's result can be far larger than the body: rows padded to the longest, or an array of strings that
each take the size of the longest. So the size is computed before MLflow reads it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from waypost.inference.columnar import PARQUET
from waypost.inference.delimited import header
from waypost.inference.layout import Layout, check_misspelt
from waypost.inference.limits import Limits, RequestError
from waypost.serving.json_tables import checked_object, form_of, wants_probabilities
from waypost.serving.protocol import CSV, JSON

Check = Callable[[str, bytes, Layout, Limits], bytes]
"""Returns the content of a Parquet or Arrow body as plain Parquet. Raises TableError."""

# Input of a language model comes without a table (MLflow's "unified" input).
_PLAIN_KEYS = ("messages", "prompt", "input")
_CELL, _CHARACTER = 8, 4


def asked(
    kind: str, body: bytes, layout: Layout, params: Sequence[str], limits: Limits, check: Check
) -> tuple[str, bytes | dict[str, Any], bool]:
    """Returns (content type, body, whether probabilities are requested) for MLflow's reader.

    Args: `params` are the model's parameters. Raises TableError, RequestError.
    """
    if kind == JSON:
        content = checked_object(_parsed(body))
        return JSON, content, _checked(content, layout, params, limits)
    if kind == CSV:
        _check_csv(body, layout, limits)
        return CSV, body, False
    return PARQUET, check(kind, body, layout, limits), False


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not valid JSON: {error}") from error


def _checked(content: dict[str, Any], layout: Layout, params: Sequence[str], limits: Limits) -> bool:
    """Returns whether probabilities are requested, which MLflow does not support."""
    if any(key in content for key in _PLAIN_KEYS):
        limits.check_bytes(size_of(list(content.values())))
        return False
    form = form_of(content)
    given = content[form]
    names = _names(form, given)
    if names is not None:
        layout.check_bounds(names)
        check_misspelt(names, layout)
        if layout.columns and isinstance(given, list):
            limits.check_rows(len(given), layout)
    limits.check_bytes(size_of(given, is_array=form in ("instances", "inputs")))
    return wants_probabilities(content, params)


def _names(form: str, given: Any) -> Sequence[str] | None:
    """Returns the names of a body's columns, or None if it has none."""
    if form == "dataframe_split":
        names = given.get("columns") if isinstance(given, dict) else None
        return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else None
    if isinstance(given, dict):
        return list(given)
    if isinstance(given, list) and given and all(isinstance(row, dict) for row in given):
        return list(dict.fromkeys(name for row in given for name in row))
    return None


def size_of(given: Any, *, is_array: bool = False) -> int:
    """Returns the maximal number of bytes of a value of parsed JSON, as a table or as arrays.

    Args: `is_array`: each string of a column takes the size of its longest.
    """
    if isinstance(given, dict) and not is_array and isinstance(rows := given.get("data"), list):
        columns = given.get("columns")
        return _rows_size(rows, len(columns) if isinstance(columns, list) else 0)
    if isinstance(given, dict):
        lists = [values if isinstance(values, list) else [values] for values in given.values()]
        longest = max(map(len, lists), default=1)  # shorter ones may be repeated
        return sum(_column_size(values, is_array) for values in lists) + len(lists) * longest * _CELL
    if not isinstance(given, list):
        return _CELL
    if given and all(isinstance(row, dict) for row in given):
        return _records_size(given, is_array)
    return _rows_size(given, 0) + (_column_size(given, is_array) if is_array else 0)


def _rows_size(rows: Iterable[Any], width: int) -> int:
    """Returns the size of rows, each as wide as the widest."""
    lengths = [len(row) if isinstance(row, (list, dict)) else 1 for row in rows]
    return len(lengths) * max([width, *lengths]) * _CELL


def _records_size(rows: list[dict[str, Any]], is_array: bool) -> int:
    longest: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            size = len(value) if is_array and isinstance(value, str) else 0
            longest[name] = max(size, longest.get(name, 0))
    return len(rows) * sum(_CELL + _CHARACTER * size for size in longest.values())


def _column_size(values: list[Any], is_array: bool) -> int:
    """Returns the size of an array of values, however deeply nested."""
    count = longest = 0
    left = [values]
    while left:
        for value in left.pop():
            if isinstance(value, list):
                left.append(value)
            else:
                count += 1
                longest = max(longest, len(value) if isinstance(value, str) else 0)
    return count * (_CELL + (_CHARACTER * longest if is_array else 0))


def _check_csv(body: bytes, layout: Layout, limits: Limits) -> None:
    """Raises RequestError, TableError if a CSV has too many columns, or rows."""
    names = header(body)
    layout.check_bounds(names)
    check_misspelt(names, layout)
    lines = body.count(b"\n") + body.count(b"\r")
    if lines <= limits.rows and lines * len(names) * _CELL <= limits.bytes:
        return
    text = io.TextIOWrapper(io.BytesIO(body), "utf-8", errors="replace", newline="")
    try:
        rows = sum(1 for row in csv.reader(text) if row) - 1
    except csv.Error as error:
        raise RequestError(f"the body is not valid {CSV}: {error}") from error
    limits.check_rows(rows, layout if layout.columns else Layout(()))
    limits.check_bytes(rows * len(names) * _CELL)
