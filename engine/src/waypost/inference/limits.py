"""Limits of a request, as sent and as decoded: whatever exceeds them is refused before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.inference.layout import Layout, TableError

MIB = 1024 * 1024
LARGEST_MIB = 32
"""Default limit of a body, in MiB."""
BECOMES = 4
"""Default limit of a decoded body, as a multiple of the limit of a body."""

_CELL_BYTES = 8


class RequestError(TableError):
    """A request that cannot be answered, whatever its table."""


@dataclass(frozen=True)
class Limits:
    """Limits of a request: number of `rows`, and `bytes` of the decoded table."""

    rows: int
    bytes: int = LARGEST_MIB * BECOMES * MIB

    def check_rows(self, rows: int, layout: Layout) -> None:
        """Raises RequestError (413) if there are too many rows, or their table is too large."""
        if rows > self.rows:
            raise RequestError(f"{rows:,} rows; {self.rows:,} are the limit", status=413, hint=_FEWER)
        if rows * len(layout.columns) * _CELL_BYTES > self.bytes:
            problem = f"{rows:,} rows of {len(layout.columns):,} columns"
            raise RequestError(f"{problem} are a table of more than {self._mib}", status=413, hint=_FEWER)

    def check_bytes(self, size: int) -> None:
        """Raises RequestError (413) if strings of that many bytes are too much."""
        if size > self.bytes:
            raise self.too_large()

    def too_large(self) -> RequestError:
        """Returns the error for a body that is too large when decoded."""
        problem = f"the body is larger than {self._mib} when unpacked"
        return RequestError(problem, status=413, hint=_FEWER)

    @property
    def _mib(self) -> str:
        return f"{self.bytes / MIB:,.0f} MiB"


_FEWER = "send fewer rows at once, or score a file: waypost score"
