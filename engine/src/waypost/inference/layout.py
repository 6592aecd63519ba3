"""The input columns of a model, and checks of a table's columns against them."""

from __future__ import annotations

import operator
import re
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from waypost.contracts.mlmodel import Column
from waypost.errors import WaypostError, nearest

Pick = Callable[[Sequence[Any]], tuple[Any, ...]]


class Picks(NamedTuple):
    """How to read rows with certain columns: the functions to their numbers and to their texts, and the
    position of each number and then of each text, -1 for a column that is not there.
    """

    numbers: Pick
    texts: Pick
    places: array[int]


# Limits for cached column orders: their number, and their characters.
_MOST_PICKS, _MOST_CHARACTERS = 64, 65_536
_MOST_PAIRS = 10_000  # names compared to find misspellings
_LONGEST_MESSAGE = 500
# Limits for the columns and the lengths of names in a request, or factors of the model's own.
_SPARE_COLUMNS, _SPARE_CHARACTERS, _TIMES_OWN = 1000, 1000, 10
_MOST_COLUMNS = 100_000


EXACT = 2**53
"""Integers up to here are exact in float64."""


class TableError(WaypostError):
    """A table does not fit the model; `column` and `row` (from 0) give the position, if it is one; `status`
    is the HTTP status.

    However long names and values are, the message stays a line that can be read and logged.
    """

    def __init__(
        self, message: str, *, column: str = "", row: int | None = None, hint: str = "", status: int = 400
    ) -> None:
        super().__init__(_cut(message), hint=_cut(hint))
        self.column = column
        self.row = row
        self.status = status

    def at_row(self, row: int) -> TableError:
        """Returns the same error with another number of its row."""
        message = re.sub(r", row \d+:", f", row {row}:", str(self), count=1)
        return TableError(message, column=self.column, row=row, hint=self.hint, status=self.status)


class OddError(TableError):
    """A table that the compiled form cannot read, but MLflow might: MLflow decides."""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"


@dataclass(frozen=True)
class Layout:
    """The columns of a model: `numbers` form the matrix, in this order, `texts` stay separate."""

    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(c.name for c in self.columns)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind not in ("text", "other"))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.kind == "text")

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.required)

    @cached_property
    def most_names(self) -> int:
        """Limit for the columns of a request; unknown ones are ignored."""
        if not self.columns:  # the model names no columns: cells are limited instead
            return _MOST_COLUMNS
        return max(_SPARE_COLUMNS, _TIMES_OWN * len(self.columns))

    @cached_property
    def longest_name(self) -> int:
        """Limit for the characters of a column name in a request."""
        return max(_SPARE_CHARACTERS, _TIMES_OWN * max(map(len, self.names), default=0))

    def check_bounds(self, names: Collection[str]) -> None:
        """Raises TableError (413) if there are far more columns than the model has, or longer names."""
        if len(names) > self.most_names:
            problem = f"{len(names):,} columns; {self.most_names:,} are the limit"
            raise TableError(
                problem, status=413, hint=f"the model has {len(self.columns):,}; /docs lists them"
            )
        if max(map(len, names), default=0) > self.longest_name:
            problem = f"the name of a column has more than {self.longest_name:,} characters"
            raise TableError(problem, status=413, hint="/docs lists the model's columns")

    @cached_property
    def strict(self) -> list[tuple[int, Column]]:
        """The positions of numeric columns that accept only integers (or booleans)."""
        kinds = {c.name: c for c in self.columns}
        found = [(i, kinds[name]) for i, name in enumerate(self.numbers)]
        return [(i, column) for i, column in found if column.kind != "number"]

    @cached_property
    def single(self) -> tuple[int, ...]:
        """The positions of 32-bit numeric columns: their values are rounded to that, as MLflow does."""
        kinds = {c.name: c.type for c in self.columns}
        return tuple(i for i, name in enumerate(self.numbers) if kinds[name] == "float")

    @cached_property
    def _last(self) -> list[tuple[list[str], tuple[str, ...]]]:
        return [([], ())]

    def known(self, names: Any) -> tuple[str, ...]:
        """Returns the column names if they equal those of the last request, else empty: comparing them is
        faster than checking each.
        """
        last, kept = self._last[0]
        return kept if names == last else ()

    def keep(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Returns column names, and remembers them if they are not too long."""
        if len(names) <= self.most_names and sum(map(len, names)) <= _MOST_CHARACTERS:
            self._last[0] = [*names], names
        return names

    @cached_property
    def _picks(self) -> dict[tuple[str, ...], Picks]:
        return {}

    def picks(self, names: tuple[str, ...]) -> Picks:
        """Returns how to read rows with these columns.

        Raises TableError if a required column is missing, one appears twice or looks misspelt, or there are
        far too many.
        """
        found = self._picks.get(names)
        if found is None:
            self.check_bounds(names)
            check_names(names, self)
            places = {name: place for place, name in enumerate(names)}
            numbers, texts = _pick(places, self.numbers), _pick(places, self.texts)
            found = Picks(
                numbers, texts, array("i", [places.get(name, -1) for name in (*self.numbers, *self.texts)])
            )
            if sum(map(len, names)) <= _MOST_CHARACTERS:
                self._remember(names, found)
        return found

    def _remember(self, names: tuple[str, ...], found: Picks) -> None:
        if len(self._picks) >= _MOST_PICKS:  # a client that uses ever new orders does not evict others
            self._picks.clear()
        self._picks[names] = found


def _pick(places: dict[str, int], wanted: tuple[str, ...]) -> Pick:
    found = [places.get(name) for name in wanted]
    if len(found) > 1 and None not in found:
        return operator.itemgetter(*found)
    return lambda row: tuple(None if place is None else row[place] for place in found)


def check_names(given: Sequence[str], layout: Layout) -> None:
    """Raises TableError if a required column is missing, or a name looks misspelt.

    An optional column may be omitted: its values count as missing. Other columns are ignored.
    """
    counts = Counter(given)
    for column in layout.columns:
        if counts[column.name] > 1:
            raise TableError(f"column {column.name!r} appears twice", column=column.name)
    absent = [c for c in layout.columns if c.name not in counts]
    unknown = counts.keys() - layout.names
    if required := next((c for c in absent if c.required), None):
        hint = nearest(required.name, unknown)
        raise TableError(f"column {required.name!r} is missing", column=required.name, hint=hint)
    check_misspelt(given, layout)


def check_misspelt(given: Sequence[str], layout: Layout) -> None:
    """Raises TableError if an unknown column looks like an optional one that is missing."""
    names = set(given)
    absent = [c for c in layout.columns if not c.required and c.name not in names]
    unknown = names - layout.names
    if not absent or len(absent) * len(unknown) > _MOST_PAIRS:
        return
    for column in absent:
        if hint := nearest(column.name, unknown):
            raise TableError(f"an unknown column looks like {column.name!r}", column=column.name, hint=hint)
