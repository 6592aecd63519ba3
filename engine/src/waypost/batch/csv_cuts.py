"""Positions at which a CSV can be cut: ends of rows, found without parsing values.

A line break within quotes does not end a row. An odd number of quotes before it means that it is within
quotes, provided that each quote that opens a value by that count is where a value begins: after a separator,
a line break, or the quote that it doubles. Then quotes open, close and double as they do for Arrow's reader,
by induction over all of them from the first byte on.

Not cut are: a file with a quote elsewhere (`5" pipe`), one with a carriage return without a line feed, and
one in an encoding in which such bytes may be parts of other letters.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

from waypost.inference.dialect import SAMPLE_BYTES, Dialect

LEAST_BYTES = 1 << 20
MOST_RANGES = 4096
_TRANSPARENT = re.compile(r"utf-8|ascii|iso8859-\d+|cp125\d|koi8-[rut]")
"""Encodings in which a byte below 128 is always that ASCII character."""
_QUOTE, _FEED, _RETURN = b'"\n\r'
_SIGNS = {"\n", "\r", '"'}


class Cuts(BaseModel):
    """Ranges of whole rows. The header is what comes before byte `header`; each range has its number of
    `rows`, and ends before its byte in `ends`.
    """

    model_config = ConfigDict(frozen=True)

    header: int
    rows: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()

    def holding(self, within: range) -> tuple[int, int, int, int]:
        """Returns (first byte, byte after the last, number of the first row, rows) of the ranges that contain
        the rows `within`, at least one.
        """
        stops = list(accumulate(self.rows))
        first = next(i for i, stop in enumerate(stops) if stop > within.start)
        last = next(i for i, stop in enumerate(stops) if stop >= within.stop)
        begin = self.ends[first - 1] if first else self.header
        row = stops[first] - self.rows[first]
        return begin, self.ends[last], row, stops[last] - row


def cuts_of(file: IO[bytes], size: int, dialect: Dialect) -> Cuts | None:
    """Returns the ranges of a file of `size` bytes, or None if only parsing shows where rows end."""
    separator = dialect.separator
    if not _is_transparent(dialect.encoding) or separator in _SIGNS or not separator.isascii():
        return None
    scan = _Scan(ord(separator), SAMPLE_BYTES)
    blocks = _blocks(file, max(LEAST_BYTES, -(-size // MOST_RANGES)))
    return scan.found() if all(scan.takes(block) for block in blocks) else None


def _is_transparent(encoding: str) -> bool:
    try:
        return bool(_TRANSPARENT.fullmatch(codecs.lookup(encoding).name))
    except LookupError:
        return False


def _blocks(file: IO[bytes], size: int) -> Iterator[bytes]:
    """Yields a file in blocks that end with a line feed, except the last one."""
    while block := file.read(size):
        yield block if block.endswith(b"\n") else block + file.readline()


@dataclass
class _Scan:
    """The state after `read` bytes. `is_quoted`: within quotes; `rows` and `ends` are those of `Cuts`."""

    separator: int
    most_header: int
    is_quoted: bool = False
    header: int = 0
    read: int = 0
    rows: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def takes(self, block: bytes) -> bool:
        """Processes the next block; returns whether the file can still be cut."""
        if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
            return False
        begin = len(codecs.BOM_UTF8) if not self.read and block.startswith(codecs.BOM_UTF8) else 0
        if not self._takes_lines(block[begin:], self.read + begin):
            return False
        self.read += len(block)
        if not block.endswith(b"\n"):  # the file ends without a line feed
            self._cut(1, self.read)
        return True

    def _takes_lines(self, text: bytes, begin: int) -> bool:
        """Processes a block by its quotes and line feeds; it begins at byte `begin` of the file."""
        import numpy as np

        signs = np.frombuffer(text, np.uint8)
        quotes = np.flatnonzero(signs == _QUOTE) if b'"' in text else np.empty(0, np.intp)
        opening = quotes[self.is_quoted :: 2]
        before = signs[opening[opening > 0] - 1]
        if not ((before == self.separator) | (before == _FEED) | (before == _QUOTE)).all():
            return False
        feeds = np.flatnonzero(signs == _FEED)
        ends = feeds[~_are_blank(signs, feeds, is_quoted=self.is_quoted)]
        if self.is_quoted or len(quotes):
            ends = ends[(np.searchsorted(quotes, ends) + self.is_quoted) % 2 == 0]
        self.is_quoted = bool((len(quotes) + self.is_quoted) % 2)
        if not self.header and len(ends):
            self.header, ends = begin + int(ends[0]) + 1, ends[1:]
        self._cut(len(ends), begin + int(ends[-1]) + 1 if len(ends) else 0)
        return 0 < self.header <= self.most_header

    def _cut(self, rows: int, end: int) -> None:
        if rows:
            self.rows.append(rows)
            self.ends.append(end)

    def found(self) -> Cuts | None:
        """Returns the ranges of the file, after its last block."""
        if self.is_quoted or not self.header:
            return None
        return Cuts(header=self.header, rows=tuple(self.rows), ends=tuple(self.ends))


def _are_blank(signs: Any, feeds: Any, *, is_quoted: bool) -> Any:
    """Returns which line feeds end a blank line; the text starts with a new line."""
    import numpy as np

    first = ord("x") if is_quoted else _FEED
    padded = np.concatenate([np.array([_FEED, first], np.uint8), signs])
    before, earlier = padded[feeds + 1], padded[feeds]
    return (before == _FEED) | ((before == _RETURN) & (earlier == _FEED))
