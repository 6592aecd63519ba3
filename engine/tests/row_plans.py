"""Plans for the features of one row as the extension takes them, hostile ones too, and the plain rule."""

from __future__ import annotations

import math
import random
import struct
from array import array
from typing import Any

import numpy as np

from waypost.inference.features import code_of, number_step

NUMBERS = [0.0, -0.0, 1, True, False, -7, 0.1, 1e-45, 1e300, -1e300, 3.5e38, 2**63, 2**70, 10**400, 16777217]
ODD = ["1", "", [], {}, "a\0", b"a", (1,), 1j]
TEXTS = ["a", "b", "", "\u00e9", "\u6771", "a\0", "A", "\U0001f600"]
_NUMBER, _CODE = struct.Struct("=4I3d"), struct.Struct("=2Id")

Plan = tuple[int, int, int, int, bytes, Any]
"""What `waypost_walk.Features` takes."""


def plan(choose: random.Random) -> Plan:
    """Returns a plan that is right."""
    width, columns, words = choose.randint(1, 9), choose.randint(1, 4), choose.randint(0, 3)

    def code() -> bytes:
        pairs = [
            (choose.randrange(width), choose.choice([1.0, -1.0, math.nan]))
            for _ in range(choose.randrange(3))
        ]
        return code_of(pairs)

    def by_length(text: str | None) -> Any:
        return code_of([(len(text or "") % width, 0.25)]) if text != "A" else "not bytes"

    numbers = b"".join(
        number_step(
            choose.randrange(columns),
            choose.randrange(width),
            choose.choice([None, 0.5, math.nan]),
            choose.choice([0.0, 3.25]),
            choose.choice([1.0, 1e-30]),
        )
        for _ in range(choose.randrange(8))
    )
    texts = tuple(
        (
            choose.randrange(words),
            {text: code() for text in choose.sample([*TEXTS, None], 4)},
            choose.choice([code(), None, by_length]),
        )
        for _ in range(choose.randrange(4) if words else 0)
    )
    return choose.choice([4, 8]), width, columns, words, numbers, texts


def changed(given: Plan, choose: random.Random) -> Plan:
    """Returns a plan with something wrong in it, mostly."""
    kind, width, columns, words, numbers, texts = given
    at = choose.randrange(7)
    if at == 0:
        return choose.randrange(20), width, columns, words, numbers, texts
    if at == 1:
        return kind, choose.choice([0, 1, width + 1]), columns, words, numbers, texts
    if at == 2:
        return kind, width, choose.randrange(3), choose.randrange(2), numbers, texts
    if at == 3 and numbers:
        found = bytearray(numbers)
        found[choose.randrange(len(found))] = choose.randrange(256)
        return kind, width, columns, words, bytes(found), texts
    if at == 4:
        return kind, width, columns, words, numbers + bytes(choose.randrange(80)), texts
    odd = choose.choice([(choose.randrange(-2, 9), {"a": 1, None: b"1" * 33}, b""), (0, {}), (1, [], b""), 3])
    return kind, width, columns, words, numbers, (*texts, odd)


def row(given: Plan, choose: random.Random) -> tuple[list[Any], array[int]]:
    """Returns the cells of a row, some of them odd, and the places of the columns, some of them wrong."""
    _, _, columns, words, *_ = given
    share = choose.choice([0.0, 0.0, 0.1])

    def value(usual: list[Any]) -> Any:
        if choose.random() < 0.2:
            return None
        return choose.choice([*ODD, *NUMBERS] if choose.random() < share else usual)

    cells = [value(NUMBERS[:9]) for _ in range(columns)] + [value(TEXTS) for _ in range(words)]
    places = array("i", range(columns + words))
    if places and choose.random() < share * 3:
        places[choose.randrange(len(places))] = choose.choice([-1, 99, 2**31 - 1, -(2**31)])
    return cells, places


def plainly(given: Plan, cells: list[Any], places: array[int]) -> bytes | None:
    """Returns the features as plainly as they can be said, None where the row is not plain."""
    kind, width, columns, _, numbers, texts = given
    out = np.zeros(width, np.float32 if kind == 4 else np.float64)
    try:
        of = [None if place < 0 else cells[place] for place in places]
        assert all(type(cell) in (float, int, bool, type(None)) for cell in of[:columns])
        assert all(type(cell) in (str, type(None)) for cell in of[columns:])
        for column, at, fills, _, fill, less, by in _NUMBER.iter_unpack(numbers):
            value = of[column]
            assert value is not None or fills
            found = ((fill if value is None else value) - less) / by
            assert _fits(found, kind) or (value is None and math.isnan(found))
            out[at] = found
        for column, codes, others in texts:
            text = of[columns + column]
            code = codes[text] if text in codes else others(text) if callable(others) else others
            assert isinstance(code, bytes)
            for at, _, value in _CODE.iter_unpack(code[: len(code) // _CODE.size * _CODE.size]):
                assert _fits(value, kind) or math.isnan(value)
                out[at] = value
    except (AssertionError, IndexError, OverflowError):
        return None
    return out.tobytes()


def _fits(value: float, kind: int) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.float32(value) if kind == 4 else value))


def outcome(native: Any, given: Plan, choose: random.Random) -> str:
    """Hands a plan and a row to the extension: `refused`, or `answered` as by the plain rule."""
    try:
        features = native.Features(*given)
    except (ValueError, TypeError, OverflowError):
        return "refused"
    for _ in range(4):
        cells, places = row(given, choose)
        out = bytearray(given[0] * given[1])
        expected = plainly(given, cells, places)
        assert features.write(cells, places, out) == (expected is not None), (given, cells, places)
        assert expected in (None, bytes(out)), (given, cells, places)
    return "answered"
