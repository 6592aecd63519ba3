"""What a request may bring, and what it may become: whatever is above is refused before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.inference.layout import Layout, TableError

MIB = 1024 * 1024
LARGEST_MIB = 32
"""A body may have so many MiB, unless that is said otherwise."""
BECOMES = 4
"""A body may become so many times as large as it may be, unless that is said otherwise."""

_CELL_BYTES = 8


class RequestError(TableError):
    """A request that cannot be answered, whatever the table in it is."""


@dataclass(frozen=True)
class Limits:
    """What a request may ask for: `rows` at most, which become a table of `bytes` at most."""

    rows: int
    bytes: int = LARGEST_MIB * BECOMES * MIB

    def check_rows(self, rows: int, layout: Layout) -> None:
        """Raises RequestError (413) if there are more rows than may be, or than the table may hold."""
        if rows > self.rows:
            raise RequestError(f"{rows:,} rows; {self.rows:,} are the limit", status=413, hint=_FEWER)
        if rows * len(layout.columns) * _CELL_BYTES > self.bytes:
            problem = f"{rows:,} rows of {len(layout.columns):,} columns"
            raise RequestError(f"{problem} are a table of more than {self._mib}", status=413, hint=_FEWER)

    def check_bytes(self, size: int) -> None:
        """Raises RequestError (413) if texts of that many bytes are too much."""
        if size > self.bytes:
            raise self.too_large()

    def too_large(self) -> RequestError:
        """Returns the error for a body that becomes too large."""
        problem = f"unpacked, the body is larger than {self._mib} when it is unpacked"
        return RequestError(problem, status=413, hint=_FEWER)

    @property
    def _mib(self) -> str:
        return f"{self.bytes / MIB:,.0f} MiB"


_FEWER = "send fewer rows at once, or score a file: waypost score"
