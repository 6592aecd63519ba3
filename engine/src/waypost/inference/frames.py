"""Conversion of Arrow tables to the pandas frames that MLflow would build.

MLflow accepts few columns of another type (32-bit integers if the model needs a double). Here a column gets
the model's type if that changes no value. MLflow refuses the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from waypost.contracts.mlmodel import Column

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = {
    "double": "float64",
    "float": "float32",
    "long": "int64",
    "integer": "int32",
    "boolean": "bool",
    "string": "string",
}


def fitted(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Returns a table with the model's column types, as far as that changes no value."""
    import pyarrow as pa

    for column in columns:
        place = table.schema.get_field_index(column.name)
        if place < 0 or column.type not in _TYPES:
            continue
        wanted = getattr(pa, {"bool": "bool_"}.get(_TYPES[column.type], _TYPES[column.type]))()
        values = exact(table.column(place), wanted)
        if values is not None:
            table = table.set_column(place, column.name, values)
    return table


def exact(values: Any, wanted: pa.DataType) -> Any:
    """Returns equal values of another type, or None if there are none. Numbers with a missing value are
    unchanged if the type cannot hold one.
    """
    import pyarrow as pa
    import pyarrow.types as of

    given = values.type
    if given == wanted:
        return values
    if of.is_dictionary(given):
        return exact(values.cast(given.value_type), wanted)
    if of.is_null(given):
        return values.cast(wanted) if of.is_floating(wanted) or of.is_string(wanted) else None
    if of.is_string(wanted):
        return values.cast(wanted) if of.is_large_string(given) or of.is_string_view(given) else None
    is_number = of.is_integer(given) or of.is_boolean(given) or of.is_floating(given) or of.is_decimal(given)
    if of.is_boolean(wanted) or not is_number:
        return None
    if values.null_count and of.is_integer(wanted):
        return None
    try:
        converted = values.cast(wanted)
        back = converted.cast(given) if of.is_floating(given) and of.is_floating(wanted) else values
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return converted if back.equals(values) or _differ_in_nan_alone(back, values) else None


def _differ_in_nan_alone(one: Any, other: Any) -> bool:
    """Returns whether numbers are equal, with NaN equal to NaN."""
    import pyarrow.compute as pc

    if one.null_count != other.null_count:
        return False
    same = pc.or_(pc.equal(one, other), pc.and_(pc.is_nan(one), pc.is_nan(other)))
    return bool(pc.all(same).as_py() in (True, None))


def frame_of(table: pa.Table, columns: Sequence[Column]) -> Any:
    """Returns a table as a pandas frame, with the model's types if they fit."""
    return fitted(table, columns).to_pandas()
