"""Figures that a component logs for its run's report: tables, and how to draw them.

An output of the type `figures` is such a document (docs/report.md). A component declares what its figures are
about and how to draw them; nothing is concluded from their names.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from waypost.errors import Finding, FindingsError
from waypost.texts.json_text import read_json
from waypost.texts.limits import Limits
from waypost.texts.parsing import Strict, parse

TYPE = "figures"
"""The output type of such a document."""
MOST_BYTES = 4_000_000
_LIMITS = Limits(characters=MOST_BYTES, values=300_000, depth=10)
_MOST_ROWS, _MOST_COLUMNS, _MOST_FIGURES, _MOST_TABLES = 2000, 60, 100, 20

Part = Literal["data", "model", "other"]
Mark = Literal["table", "bar", "line", "point", "heat"]
Value = bool | int | float | str | None
Text = Annotated[str, StringConstraints(max_length=2000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Column(Strict):
    """A column of a figure's table; for booleans, `good` is the expected value."""

    name: Title
    unit: Annotated[str, StringConstraints(max_length=40)] = ""
    good: bool | None = None

    @property
    def label(self) -> str:
        """The name with the unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


class Figure(Strict):
    """A table, and the mark that draws it.

    `x`, `y`, `series`, `value` and `label` name columns. A bar has a name `x` and lengths `y`; lines and
    points have numbers `x` and `y`, and are grouped by `series`; a cell of a heat map is at `x` and `y`, its
    shade is `value` (0 to 1), its text `label`. With `diagonal` the line y = x is drawn, too.
    """

    title: Title
    description: Text = ""
    part: Part = "other"
    mark: Mark = "table"
    columns: tuple[Column, ...] = Field(min_length=1, max_length=_MOST_COLUMNS)
    rows: tuple[tuple[Value, ...], ...] = Field(default=(), max_length=_MOST_ROWS)
    x: str = ""
    y: tuple[str, ...] = ()
    series: str = ""
    value: str = ""
    label: str = ""
    diagonal: bool = False

    @field_validator("y", mode="before")
    @classmethod
    def _one_is_enough(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> Figure:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("two columns have the same name")
        for row in self.rows:
            if len(row) != len(names):
                raise ValueError(f"a row has {len(row)} values, there are {len(names)} columns")
        for named in (self.x, *self.y, self.series, self.value, self.label):
            if named and named not in names:
                raise ValueError(f"there is no column {named!r}")
        lacking = [key for key in _NEEDED[self.mark] if not getattr(self, key)]
        if lacking:
            raise ValueError(f"mark {self.mark} needs {' and '.join(lacking)}")
        if self.mark == "heat" and len(self.y) != 1:
            raise ValueError("mark heat needs exactly one y")
        return self

    def label_of(self, name: str) -> str:
        """Returns the name of a column with its unit, if it has one."""
        return next(column.label for column in self.columns if column.name == name)

    def column(self, name: str) -> list[Value]:
        """Returns the values of a column."""
        at = next(place for place, column in enumerate(self.columns) if column.name == name)
        return [row[at] for row in self.rows]


_NEEDED: dict[Mark, tuple[str, ...]] = {
    "table": (),
    "bar": ("x", "y"),
    "line": ("x", "y"),
    "point": ("x", "y"),
    "heat": ("x", "y", "value"),
}


class TableSize(Strict):
    """The size of a table: its name, rows, columns, and number of missing values."""

    name: Title
    rows: int = Field(ge=0)
    columns: int = Field(ge=0)
    missing: int | None = Field(default=None, ge=0)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


class Figures(Strict):
    """The document: sizes of the tables that the step read or wrote, and figures, most informative first."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    tables: tuple[TableSize, ...] = Field(default=(), max_length=_MOST_TABLES)
    figures: tuple[Figure, ...] = Field(default=(), max_length=_MOST_FIGURES)


def parse_figures(text: str, place: str) -> Figures:
    """Returns the figures of a document. Raises FindingsError that names every wrong key."""
    content = read_json(text, place, _LIMITS)
    if not isinstance(content, dict):
        raise FindingsError([Finding(place, "a mapping is expected at the top")])
    return parse(Figures, content, place)
