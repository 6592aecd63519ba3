"""What is read of a file, whatever its form: which columns, a piece at a time, and what is wrong in it."""

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
from waypost.inference.dialect import Asked, Dialect
from waypost.inference.layout import Layout, TableError, check_names

if TYPE_CHECKING:
    import pyarrow as pa

Open = Callable[[], AbstractContextManager[tuple[Any, Any]]]
"""Opens a file at its beginning: (the file, what it holds when it is unpacked)."""


@dataclass(frozen=True)
class Problem:
    """A value, or a whole row, that the model cannot be asked about; `row` counts from 0."""

    row: int
    column: str
    words: str

    def error(self, row: int) -> TableError:
        """Returns the error that names the row, by another number."""
        place = f"column {self.column!r}, row {row}" if self.column else f"row {row}"
        return TableError(f"{place}: {self.words}", column=self.column, row=row)


@dataclass(frozen=True)
class Wanted:
    """What is read: the columns of the model, all where it names none, and the `carried` ones as they stand.
    `asked` is what was said of a CSV.
    """

    layout: Layout
    carried: tuple[str, ...] = ()
    asked: Asked = field(default_factory=Asked)

    def columns(self, names: Sequence[str]) -> list[str]:
        """Returns the names that are read. Raises TableError if one is missing, or there twice."""
        check_names(names, self.layout)
        counts = Counter(names)
        for name in self.carried:
            if name not in counts:
                problem = f"there is no column {name!r}, which is to be carried over"
                raise TableError(problem, column=name, hint=did_you_mean(name, names))
            if counts[name] > 1:
                raise TableError(f"column {name!r} appears twice", column=name)
        wanted = self.layout.names | set(self.carried)
        return [name for name in names if name in wanted or not self.layout.columns]

    def kept_as(self, name: str) -> str:
        """Returns what a carried column is called beside the model's columns."""
        return f"\0{name}" if name in self._columns or not self._columns else name

    def asked_of(self, names: Sequence[str]) -> list[str]:
        """Returns those of the columns that were read that the model is asked about."""
        if self._columns:
            return [name for name in names if name in self._columns]
        return [name for name in names if not name.startswith("\0")]

    def type(self, name: str) -> pa.DataType:
        """Returns what a text of a column becomes; of one that the model does not know it stays one."""
        return type_of(self._columns[name].type if name in self._columns else "")

    def kind(self, name: str) -> Kind | None:
        """Returns what the model takes a column for, None where it does not know it."""
        return self._columns[name].kind if name in self._columns else None

    def noun(self, name: str) -> str:
        """Returns what a value of a column is called in messages."""
        column = self._columns[name]
        return {"integer": "whole number"}.get(column.kind, column.kind)

    @property
    def numbers(self) -> set[str]:
        """The columns that hold numbers."""
        return {column.name for column in self.layout.columns if column.kind in {"number", "integer"}}

    @cached_property
    def _columns(self) -> dict[str, Column]:
        return {column.name: column for column in self.layout.columns}


@dataclass
class Piece:
    """Rows in the order of a file. A row of `problems` has nulls for what is wrong; `malformed` are lines
    that are no rows; `read` is how many bytes of the file are behind it.
    """

    batch: pa.RecordBatch
    problems: list[Problem] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)
    read: int = 0


@dataclass(frozen=True)
class Peek:
    """What a file says of itself before its rows are read: its columns, the number of rows where it knows it,
    of a CSV how it is written, and of Parquet the rows of each row group.
    """

    schema: pa.Schema
    rows: int | None = None
    dialect: Dialect = field(default_factory=Dialect)
    groups: tuple[int, ...] = ()
