"""preprocess: clean one table by a declarative recipe."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from componentkit.arguments import ComponentError
from componentkit.columns import as_text
from componentkit.step import Step
from componentkit.tables import require_columns, write_table

Type = Literal["string", "int", "float", "bool"]
_PANDAS_TYPES: dict[str, Any] = {"string": "str", "int": "Int64", "float": "float64", "bool": "boolean"}


class Recipe(BaseModel):
    """What to do, in this order; every key may be left out."""

    model_config = ConfigDict(extra="forbid")

    rename: dict[str, str] = {}
    dates: dict[str, str | None] = {}
    cast: dict[str, Type] = {}
    fill_missing: dict[str, str | int | float | bool] = {}
    join_text: dict[str, list[str]] = {}
    drop: list[str] = []


def clean(
    table: pd.DataFrame, recipe: Recipe, *, drop_duplicates: bool, keep: str
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Returns the cleaned table and the metrics; the given table is not changed.

    Order: duplicates, rename, dates, cast, fill_missing, join_text, filter, drop. Raises
    ComponentError that names rule and column where the recipe does not fit the table.
    """
    metrics: dict[str, float] = {"rows_before": len(table), "columns_before": table.shape[1]}
    result = table.drop_duplicates(ignore_index=True) if drop_duplicates else table.copy()
    metrics["rows_duplicate"] = len(table) - len(result)
    require_columns(result, list(recipe.rename), purpose="rename")
    result = result.rename(columns=recipe.rename)
    for column, form in recipe.dates.items():
        require_columns(result, [column], purpose="dates")
        result[column] = _converted(result[column], f"date ({form or 'ISO 8601'})", form)
    for column, kind in recipe.cast.items():
        require_columns(result, [column], purpose="cast")
        result[column] = _converted(result[column], kind)
    require_columns(result, list(recipe.fill_missing), purpose="fill_missing")
    metrics["values_filled"] = int(result[list(recipe.fill_missing)].isna().sum().sum())
    for column, value in recipe.fill_missing.items():
        result[column] = _filled(result[column], value)
    for name, columns in recipe.join_text.items():
        require_columns(result, columns, purpose="join_text")
        result[name] = _joined(result[columns])
    before = len(result)
    result = _filtered(result, keep)
    metrics["rows_filtered"] = before - len(result)
    require_columns(result, recipe.drop, purpose="drop")
    result = result.drop(columns=recipe.drop).reset_index(drop=True)
    return result, metrics | {"rows_after": len(result), "columns_after": result.shape[1]}


def _converted(column: pd.Series, kind: str, date_format: str | None = None) -> pd.Series:
    try:
        if kind.startswith("date"):
            return pd.to_datetime(column, format=date_format or "ISO8601")
        if kind == "string":  # a missing value stays missing
            return as_text(column)
        if kind == "bool" and not pd.api.types.is_bool_dtype(column):
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            column = column.map(lambda v: v if pd.isna(v) else words[str(v).strip().lower()])
        if kind in ("int", "float") and not pd.api.types.is_numeric_dtype(column):
            column = pd.to_numeric(column)
        return column.astype(_PANDAS_TYPES[kind])
    except (ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ComponentError(f"column {column.name!r} cannot be read as {kind}: {reason}") from error


def _filled(column: pd.Series, value: str | float | bool) -> pd.Series:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pandas 3 only warns where it changes the type
            return column.fillna(value)
    except (TypeError, ValueError, Warning) as error:
        raise ComponentError(
            f"fill_missing: column {column.name!r} ({column.dtype}) cannot hold {value!r}"
        ) from error


def _joined(columns: pd.DataFrame) -> pd.Series:
    """Joins texts with a blank, trimmed; missing ones count as empty."""
    first, *others = (columns[name].astype("object").fillna("").astype("str") for name in columns)
    joined = first.str.cat(pd.concat(others, axis="columns"), sep=" ") if others else first
    return joined.str.split().str.join(" ")


def _filtered(table: pd.DataFrame, keep: str) -> pd.DataFrame:
    if not keep:
        return table
    try:
        kept = table.query(keep)
    except Exception as error:  # pandas raises whatever the expression raises
        raise ComponentError(f"filter {keep!r}: {' '.join(str(error).split())}") from error
    if kept.empty:
        raise ComponentError(f"filter {keep!r}: no row is left of {len(table):,}")
    return kept


def run(step: Step) -> None:
    recipe = step.config("recipe", Recipe)
    cleaned, metrics = clean(
        step.table("data"),
        recipe,
        drop_duplicates=step.args.drop_duplicates,
        keep=step.args.filter,
    )
    with step.output("clean") as path:
        write_table(cleaned, path)
    step.metrics(metrics)
