"""Reading of a file in any format: the columns, a piece at a time, and problems in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from waypost.contracts.mlmodel import Column, Kind
from waypost.errors import did_you_mean
from waypost.inference.delimited import type_of
from waypost.inference.dialect import Dialect, RequestedDialect
from waypost.inference.layout import Layout, TableError, check_names
from waypost.inference.table import short

if TYPE_CHECKING:
    import pyarrow as pa

Open = Callable[[], AbstractContextManager[tuple[Any, Any]]]
"""Opens a file at its beginning: (the file, its decompressed stream)."""


@dataclass(frozen=True)
class Problem:
    """A value, or a row, that the model cannot answer; `row` counts from 0."""

    row: int
    column: str
    words: str

    def error(self, row: int) -> TableError:
        """Returns the error, with another number of the row."""
        place = f"column {self.column!r}, row {row}" if self.column else f"row {row}"
        return TableError(f"{place}: {self.words}", column=self.column, row=row)


@dataclass(frozen=True)
class ColumnSelection:
    """The columns to read: the model's, or all if it names none, and the `carried` ones unchanged. `asked` is
    the requested dialect of a CSV.
    """

    layout: Layout
    carried: tuple[str, ...] = ()
    asked: RequestedDialect = field(default_factory=RequestedDialect)

    def columns(self, names: Sequence[str]) -> list[str]:
        """Returns the names of the columns. Raises TableError if one is missing or appears twice."""
        check_names(names, self.layout)
        counts = Counter(names)
        for name in self.carried:
            if name not in counts:
                problem = f"there is no column {name!r} to carry over"
                raise TableError(problem, column=name, hint=did_you_mean(name, names))
            if counts[name] > 1:
                raise TableError(f"column {name!r} appears twice", column=name)
        wanted = self.layout.names | set(self.carried)
        return [name for name in names if name in wanted or not self.layout.columns]

    def kept_as(self, name: str) -> str:
        """Returns the internal name of a carried-over column."""
        return f"\0{name}" if name in self._columns or not self._columns else name

    def asked_of(self, names: Sequence[str]) -> list[str]:
        """Returns the model's columns among those read."""
        if self._columns:
            return [name for name in names if name in self._columns]
        return [name for name in names if not name.startswith("\0")]

    def type(self, name: str) -> pa.DataType:
        """Returns the type of a column; string if the model does not know it."""
        return type_of(self._columns[name].type if name in self._columns else "")

    def kind(self, name: str) -> Kind | None:
        """Returns the kind of a column, or None if the model does not know it."""
        return self._columns[name].kind if name in self._columns else None

    def noun(self, name: str) -> str:
        """Returns the noun for a value of a column in messages."""
        column = self._columns[name]
        return {"integer": "whole number"}.get(column.kind, column.kind)

    @property
    def numbers(self) -> set[str]:
        """The numeric columns."""
        return {column.name for column in self.layout.columns if column.kind in {"number", "integer"}}

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {column.name: column for column in self.layout.columns}


@dataclass
class Piece:
    """Rows in the order of a file. A row of `problems` has nulls for wrong values; `malformed` are invalid
    lines; `read` is the number of bytes read so far.
    """

    batch: pa.RecordBatch
    problems: list[Problem] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    read: int = 0


def not_a_row(line: str, first: int, end: int) -> TableError:
    """Returns the error for an invalid line that stands somewhere between two rows of its file."""
    problem = "it has more or fewer values than the header names"
    return TableError(f"between row {first} and row {end}: {short(line.rstrip())} is not a row: {problem}")


@dataclass(frozen=True)
class Peek:
    """What is known of a file before its rows are read: its columns, the number of rows or None, the dialect
    of a CSV, and the rows of each row group of Parquet.
    """

    schema: pa.Schema
    rows: int | None = None
    dialect: Dialect = field(default_factory=Dialect)
    groups: tuple[int, ...] = ()
