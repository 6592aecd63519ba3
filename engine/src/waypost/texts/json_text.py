"""Untrusted JSON as plain values: within limits, and without duplicate keys."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from waypost.errors import Finding, FindingsError
from waypost.texts.limits import GENERATED, HALF_A_CHARACTER, Limits, is_unicode, shortened, unreadable

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_MARKS = ",[{"


def read_json(text: str, place: str, limits: Limits = GENERATED, *, with_nan: bool = False) -> Any:
    """Returns the value of a JSON text. Raises FindingsError; keys that stand twice are refused, and NaN and
    infinity but `with_nan`, as Python and pandas write them.
    """
    try:
        return _value(text, limits, with_nan=with_nan)
    except RecursionError as error:
        raise FindingsError([Finding(place, f"not valid JSON: {limits.too_deep}")]) from error
    except ValueError as error:
        raise FindingsError([Finding(place, f"not valid JSON: {error}")]) from error


def writable(content: Any) -> Any:
    """Returns plain values with NaN and infinity as the texts "NaN", "Infinity" and "-Infinity": JSON has no
    numbers for them.
    """
    if isinstance(content, dict):
        return {key: writable(child) for key, child in content.items()}
    if isinstance(content, (list, tuple)):
        return [writable(child) for child in content]
    if isinstance(content, float) and not math.isfinite(content):
        return "NaN" if math.isnan(content) else "Infinity" if content > 0 else "-Infinity"
    return content


def _value(text: str, limits: Limits, *, with_nan: bool) -> Any:
    if problem := unreadable(text, limits) or _too_many(text, limits):
        raise ValueError(problem)
    value = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=float if with_nan else _no_constant,
        parse_int=lambda digits: int(_number(digits, limits)),
        parse_float=lambda digits: _finite(_number(digits, limits)),
    )
    _check_levels(value, limits)
    return value


def _too_many(text: str, limits: Limits) -> str:
    """Returns the problem of a text with too many values, before any is built."""
    if _count(text) <= limits.values or _count(_STRING.sub("", text)) <= limits.values:
        return ""
    return f"more than {limits.values:,} values"


def _count(text: str) -> int:
    return sum(map(text.count, _MARKS))


def _check_levels(value: Any, limits: Limits) -> None:
    """Raises ValueError where a value is nested too deeply, or has a text that is none."""
    pending: list[tuple[Any, int]] = [(value, 1)]
    while pending:
        found, level = pending.pop()
        if isinstance(found, str):
            if not is_unicode(found):
                raise ValueError(HALF_A_CHARACTER)
        elif isinstance(found, (dict, list)):
            if level > limits.depth:
                raise ValueError(limits.too_deep)
            children = [*found, *found.values()] if isinstance(found, dict) else found
            pending += [(child, level + 1) for child in children]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"key {shortened(twice)!r} appears twice")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _number(digits: str, limits: Limits) -> str:
    if len(digits) > limits.number:
        raise ValueError(f"a number of {len(digits):,} characters, more than {limits.number:,}")
    return digits


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{shortened(digits)} is larger than any number here")
    return value
