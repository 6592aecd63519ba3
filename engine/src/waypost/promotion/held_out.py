"""Held-out rows, on which a model was evaluated, for its proof."""

from __future__ import annotations

from typing import Any

from waypost.contracts.mlmodel import MLmodel
from waypost.inference.example import fits
from waypost.inference.probes import ColumnValues
from waypost.inference.proof import count_of
from waypost.tracking.origins import ModelOrigin
from waypost.tracking.registry import Registry

_PROOF_ROWS = 5000


def held_out_rows(registry: Registry, origin: ModelOrigin, mlmodel: MLmodel) -> ColumnValues | None:
    """Returns rows that the model was evaluated on, or None if there are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [column.name for column in mlmodel.inputs]
    if not names:
        return None
    for step in origin.steps.values():
        uses_model = any(run == origin.maker.run_id for run, _ in step.inputs.values())
        for run_id, path in step.inputs.values() if uses_model else ():
            if not path.endswith(".parquet") or (file := registry.file(run_id, path)) is None:
                continue
            table = pq.read_table(file).slice(0, _PROOF_ROWS)
            if set(names) <= set(table.schema.names):
                return _fitting({name: _plain(table[name], pa) for name in names}, mlmodel)
    return None


def _fitting(rows: ColumnValues, mlmodel: MLmodel) -> ColumnValues:
    """Returns the rows that fit the types of the model's columns."""
    kinds = [(rows[column.name], column.kind) for column in mlmodel.inputs]
    kept = [row for row in range(count_of(rows)) if all(fits(values[row], kind) for values, kind in kinds)]
    return {name: [values[row] for row in kept] for name, values in rows.items()}


def _plain(column: Any, pa: Any) -> list[Any]:
    """Returns a column as values of JSON: numbers, strings, booleans, None."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    values: list[Any] = column.to_pylist()
    return values
