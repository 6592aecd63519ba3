"""Rows that test a compiled form: constants of its preprocessing, and values that it has never seen."""

from __future__ import annotations

import math
import random
from typing import Any

from waypost.contracts.mlmodel import Column
from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.coded import Coded
from waypost.inference.compiled import Compiled
from waypost.inference.features import Numbers
from waypost.inference.layout import EXACT
from waypost.inference.preprocessing import Part, refused_by
from waypost.inference.steps import Chain, constants_of
from waypost.inference.words import Words

_PROBES = 2000
_UNSEEN = ("", " ", "never seen before", "Zürich", "ＡＢＣ", "İstanbul ΟΔΟΣ", "naïve café 東京", "a\x00b")
_UNSEEN_NUMBERS = (0.5, -1.0, 1e6)

ColumnValues = dict[str, list[Any]]
"""Values by column, with None for missing ones."""


def probe_sets(compiled: Compiled, rows: ColumnValues) -> list[ColumnValues]:
    """Returns rows with missing values, rows without, and if values may be refused, rows without those: a
    single one makes the original refuse all rows.
    """
    found = [_probes(compiled, rows, with_missing=missing) for missing in (True, False)]
    unseen, missing = refused_by(compiled.content.plan)
    if unseen or missing:
        found.append(_probes(compiled, rows, with_missing=True, tame=(unseen, missing)))
    return found


def _probes(
    compiled: Compiled,
    rows: ColumnValues,
    *,
    with_missing: bool,
    tame: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset()),
) -> ColumnValues:
    """Returns rows of the model's own constants and of values that it has never seen.

    Args: tame: the columns without unseen values, and those without missing ones.
    """
    choose = random.Random(0)  # noqa: S311 (the same probes every time)
    known = _known_values(compiled, choose, tame[0])
    probes: ColumnValues = {}
    for column in compiled.layout.columns:
        given = rows.get(column.name, ()) if column.name not in tame[0] else ()
        seen = (v for v in given if isinstance(v, (str, int)) or _is_number(v))
        values = _fitting(column, [*known[column.name], *seen], is_tame=column.name in tame[0])
        if with_missing and column.kind in ("number", "text") and column.name not in tame[1]:
            values += [None] * max(1, len(values) // 10)
        probes[column.name] = choose.choices(values, k=_PROBES)
    return probes


def _known_values(compiled: Compiled, choose: random.Random, tame: frozenset[str]) -> dict[str, list[Any]]:
    """Returns values near the constants of the model's preprocessing, by column, in some without unseen
    ones.
    """
    known: dict[str, list[Any]] = {c.name: [] for c in compiled.layout.columns}
    for part in compiled.content.plan.parts:
        of = _of_numbers(part, choose) or _of_categories(part, tame)
        for name, values in (of if of is not None else _of_words(part, choose)).items():
            known[name] += values
    return known


def _of_numbers(part: Part, choose: random.Random) -> dict[str, list[Any]]:
    if isinstance(part, Chain):
        return {
            name: [*constants, *(choose.gauss(0, 1) for _ in range(100))]
            for name, constants in constants_of(part).items()
        }
    if not isinstance(part, Numbers):
        return {}
    middles = part.subtract or part.fill or [0.0] * len(part.columns)
    scales = part.divide or [abs(m) + 1 for m in middles]
    places = zip(part.columns, middles, scales, strict=True)
    return {
        name: [middle + scale * choose.gauss(0, 1.5) for _ in range(200)] for name, middle, scale in places
    }


def _of_categories(part: Part, tame: frozenset[str]) -> dict[str, list[Any]] | None:
    found: dict[str, list[Any]] = {}
    match part:
        case Codes() | OneHot():
            pairs = zip(part.columns, part.categories, strict=True)
            found = {name: [*values, *_UNSEEN] for name, values in pairs}
        case NumberCategories():
            for name, numbers in zip(part.columns, part.categories, strict=True):
                real = [value for value in numbers if value != part.fill]
                found[name] = [*real, *(value + 1 for value in real), 0.5]
        case Coded():
            unseen = _UNSEEN if part.is_text else _UNSEEN_NUMBERS
            for name, coding in zip(part.columns, part.codings, strict=True):
                found[name] = [*coding.known, *(() if name in tame else unseen)]
        case _:
            return None
    return found


def _of_words(part: Part, choose: random.Random) -> dict[str, list[Any]]:
    if not isinstance(part, Words):
        return {}
    words = [*part.vocabulary, *_UNSEEN]
    texts = (" ".join(choose.choices(words, k=choose.randint(0, 6))) for _ in range(200))
    return {part.column: [*texts, *(text.upper() for text in words[:50]), *_UNSEEN]}


def _is_number(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _fitting(column: Column, values: list[Any], *, is_tame: bool = False) -> list[Any]:
    """Returns the values that fit a column, at least one; for a tame column only given ones."""
    if is_tame and values and column.kind in ("number", "text"):
        return values
    match column.kind:
        case "text":
            return values or list(_UNSEEN)
        case "boolean":
            return [False, True]
        case "integer":
            most = 2**31 - 1 if column.type == "integer" else EXACT - 1
            return [max(min(int(value), most), -most) for value in [*values, 0]]
        case "number":
            return [*values, 0.0]
        case "other":
            return [None]
