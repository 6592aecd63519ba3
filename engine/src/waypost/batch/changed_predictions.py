"""Differences between the predictions of two runs: number of rows, positions, old and new values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waypost import extras
from waypost.contracts.run_comparison import PredictionChange, Predictions, RunFacts
from waypost.tracking.registry import Registry

_FIRST, _MOST_MOVES = 10, 20


def prediction_changes(registry: Registry, before: RunFacts, after: RunFacts) -> tuple[PredictionChange, ...]:
    """Returns the tables of predictions, declared in contracts, that have changed."""
    return tuple(_found(registry, before, after))


def _found(registry: Registry, before: RunFacts, after: RunFacts) -> Iterator[PredictionChange]:
    for step, one in before.steps.items():
        other = after.steps.get(step)
        for name, was in one.predictions.items():
            now = other.predictions.get(name) if other else None
            if other and now and one.outputs.get(name) != other.outputs.get(name):
                yield _compared(f"{step}.{name}", registry, was, now)


def _compared(name: str, registry: Registry, was: Predictions, now: Predictions) -> PredictionChange:
    try:
        extras.require("serve", "comparing predictions")
    except extras.MissingExtraError as error:
        return PredictionChange(name, problem=f"not compared: {error}")
    columns = []
    for each in (was, now):
        path = registry.file(each.run_id, each.path)
        column = column_of(path, each.column) if path else None
        if column is None:
            problem = f"not compared: run {each.run_id} has no column {each.column!r} in {each.path}"
            return PredictionChange(name, problem=problem)
        columns.append(column)
    return changed(name, *columns)


def column_of(path: Path, name: str) -> Any:
    """Returns a column of a Parquet file, or None if there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=[name]).column(name)
    except (pa.ArrowException, OSError, KeyError):
        return None


def changed(name: str, before: Any, after: Any) -> PredictionChange:
    """Returns the differences between two columns, row by row; both are answers to the same rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(before) != len(after):
        problem = f"{len(before):,} rows became {len(after):,}: the tables are not the same"
        return PredictionChange(name, len(after), problem=problem)
    if before.type != after.type:
        before, after = (column.cast(pa.string()) for column in (before, after))
    differs = pc.fill_null(pc.not_equal(before, after), fill_value=False)
    differs = pc.or_(differs, pc.not_equal(before.is_null(), after.is_null()))
    places = pc.indices_nonzero(differs)
    first = tuple(row + 1 for row in places[:_FIRST].to_pylist())
    moves = () if pa.types.is_floating(before.type) else _moves(before.filter(differs), after.filter(differs))
    return PredictionChange(name, len(after), len(places), first, moves)


def _moves(before: Any, after: Any) -> tuple[tuple[str, str, int], ...]:
    """Returns the most frequent changes as (before, after, rows)."""
    import pyarrow as pa

    pairs = pa.table({"before": before, "after": after}).group_by(["before", "after"])
    counts = pairs.aggregate([([], "count_all")]).to_pylist()
    counts.sort(key=lambda row: (-row["count_all"], str(row["before"]), str(row["after"])))
    return tuple(
        (_shown(row["before"]), _shown(row["after"]), row["count_all"]) for row in counts[:_MOST_MOVES]
    )


def _shown(value: object) -> str:
    return "missing" if value is None else str(value)
