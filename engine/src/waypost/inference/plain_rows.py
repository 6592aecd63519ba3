"""Features of one row from the cells of parsed JSON, by the extension. What is not plain goes the longer way,
which has the messages.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import Any

from waypost.inference.features import Kind, Row
from waypost.inference.layout import Layout, TableError
from waypost.inference.preprocessing import Plan


class PlainRows:
    """Reads rows in a layout. Thread-safe.

    Parts that the extension does not know are written by their own functions.
    """

    def __init__(self, extension: Any, plan: Plan, layout: Layout, kind: Kind) -> None:
        self._picks = layout.picks
        places = list(accumulate((part.width for part in plan.parts), initial=0))
        steps = [part.plain_steps(layout, at) for part, at in zip(plan.parts, places, strict=False)]
        self._others = [
            part.cells(layout, at, kind)
            for part, at, known in zip(plan.parts, places, steps, strict=False)
            if known is None
        ]
        numbers = b"".join(known.numbers for known in steps if known)
        texts = tuple(text for known in steps if known for text in known.texts)
        size = array(kind.code).itemsize
        counts = len(layout.numbers), len(layout.texts)
        self._write = extension.Features(size, places[-1], *counts, numbers, texts).write
        self._blank: Row[float] = array(kind.code, bytes(size * places[-1]))

    def features(self, names: tuple[str, ...], cells: list[Any]) -> Row[float] | None:
        """Returns the features of a row with named columns, None if it is not plain."""
        out = self._blank[:]
        try:
            numbers, texts, places = self._picks(names)
            if len(cells) != len(names) or not self._write(cells, places, out):
                return None
            if self._others:
                values, words = numbers(cells), texts(cells)
                for write in self._others:
                    write(values, words, out)
        except (TableError, OverflowError):
            return None
        return out


def plain_rows(extension: Any, plan: Plan, layout: Layout, kind: Kind) -> PlainRows | None:
    """Returns the reader of rows for a plan, None without the extension, or if plan or columns need more."""
    if not hasattr(extension, "Features") or plan.after or layout.single or layout.strict:
        return None
    return PlainRows(extension, plan, layout, kind)
