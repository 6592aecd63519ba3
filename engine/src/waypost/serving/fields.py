"""The fields of the form on /docs: the kind of each column, and its known values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from waypost.contracts.mlmodel import Column, MLmodel
from waypost.inference.layout import EXACT

Kind = Literal["number", "integer", "boolean", "text", "time", "json"]
Value = str | int | float | bool | None

MOST_FIELDS = 200  # more fields make no usable form: the request is written as JSON
_MOST_CHOICES = 200
_TIMES = ("datetime",)


class ColumnMetadata(BaseModel):
    """A model's metadata of a column, below `columns`."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    description: str = ""
    minimum: FiniteFloat | None = None
    maximum: FiniteFloat | None = None
    categories: list[Value] = []


_DESCRIBED = TypeAdapter(dict[str, ColumnMetadata])


@dataclass(frozen=True)
class Field:
    """A column in a form. `minimum` and `maximum` are those of the training data, `choices` the model's known
    categories, `common` the values listed in its metadata, `seen` the smallest and largest in its example.
    """

    name: str
    kind: Kind
    required: bool
    value: Any
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Value, ...] = ()
    common: tuple[Value, ...] = ()
    seen: tuple[float, float] | None = None

    @property
    def may_miss(self) -> bool:
        """Whether a value may be missing in a row."""
        return self.kind in ("number", "text") or not self.required


def fields_of(
    mlmodel: MLmodel, rows: Sequence[Mapping[str, Any]], known: Mapping[str, Sequence[Value]]
) -> tuple[Field, ...]:
    """Returns the fields of a form; none for a model without columns, or with too many for a form.

    Args: `rows` are those of the model's example, of which the first fills the form; `known` are categories.
    """
    if len(mlmodel.inputs) > MOST_FIELDS:
        return ()
    described = _described(mlmodel)
    return tuple(
        _field(column, rows, known.get(column.name, ()), described.get(column.name, ColumnMetadata()))
        for column in mlmodel.inputs
    )


def _described(mlmodel: MLmodel) -> dict[str, ColumnMetadata]:
    """Returns the metadata of columns; empty if it has another structure."""
    try:
        return _DESCRIBED.validate_python((mlmodel.metadata or {}).get("columns", {}))
    except ValidationError:
        return {}


def _field(
    column: Column, rows: Sequence[Mapping[str, Any]], known: Sequence[Value], described: ColumnMetadata
) -> Field:
    kind = _kind(column)
    value = rows[0].get(column.name) if rows else None
    choices = _choices(kind, known)
    if choices and value is not None and value not in choices:
        choices = (*choices, value)
    return Field(
        name=column.name,
        kind=kind,
        required=column.required,
        value=bool(value) if kind == "boolean" else value,
        description=described.description,
        minimum=described.minimum,
        maximum=described.maximum,
        choices=choices,
        common=tuple(described.categories),
        seen=_range([row.get(column.name) for row in rows]) if kind in ("number", "integer") else None,
    )


def _kind(column: Column) -> Kind:
    if column.kind != "other":
        return column.kind
    return "time" if column.type in _TIMES else "json"


def _choices(kind: Kind, known: Sequence[Value]) -> tuple[Value, ...]:
    if kind not in ("number", "integer", "text") or len(known) > _MOST_CHOICES:
        return ()
    values = [value for value in known if not (isinstance(value, float) and not math.isfinite(value))]
    is_whole = kind == "integer" and all(isinstance(v, float) and v.is_integer() for v in values)
    return tuple(int(value) for value in values if value is not None) if is_whole else tuple(values)


def _range(values: Sequence[Any]) -> tuple[float, float] | None:
    """Returns the smallest and largest number; none if there is only one, or one is not exact."""
    numbers = [v for v in values if isinstance(v, (int, float)) and math.isfinite(v) and abs(v) <= EXACT]
    return (min(numbers), max(numbers)) if len(set(numbers)) > 1 else None
