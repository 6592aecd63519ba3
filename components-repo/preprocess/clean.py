"""preprocess: clean one table by a declarative recipe."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from componentkit.arguments import ComponentError
from componentkit.columns import as_numbers, as_text, kind_of, text_of, why_not_numeric
from componentkit.delimited import CsvOptions
from componentkit.expressions import evaluated, rows_for
from componentkit.figures import columns_figure, table_size
from componentkit.step import Step
from componentkit.tables import require_columns, write_table

Type = Literal["string", "int", "float", "bool"]
_PANDAS_TYPES: dict[str, Any] = {"string": "str", "int": "Int64", "float": "float64", "bool": "boolean"}
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Bins(BaseModel):
    """Numbers parted at edges: a bin holds its lower edge; what is outside of all bins is missing."""

    model_config = ConfigDict(extra="forbid")

    column: str
    edges: list[float] = Field(min_length=2)
    labels: list[str] | None = None

    @model_validator(mode="after")
    def _fit(self) -> Bins:
        if sorted(set(self.edges)) != self.edges:
            raise ValueError("the edges are to rise from one to the next")
        if self.labels is not None and len(self.labels) != len(self.edges) - 1:
            raise ValueError(f"{len(self.edges)} edges make {len(self.edges) - 1} bins: name as many labels")
        return self


class Recipe(BaseModel):
    """What to do, in this order; every key may be left out. `csv` says how a CSV is written."""

    model_config = ConfigDict(extra="forbid")

    csv: CsvOptions | None = None
    rename: dict[str, str] = {}
    dates: dict[str, str | None] = {}
    cast: dict[str, Type] = {}
    fill_missing: dict[str, str | int | float | bool] = {}
    join_text: dict[str, list[str]] = {}
    derive: dict[str, str] = {}
    bins: dict[str, Bins] = {}
    drop: list[str] = []
    units: dict[str, str] = {}


def clean(
    table: pd.DataFrame, recipe: Recipe, *, drop_duplicates: bool, keep: str
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Returns the cleaned table and the metrics; the given table is not changed.

    Order: duplicates, rename, dates, cast, fill_missing, join_text, derive, bins, filter, drop, units. Raises
    ComponentError that names rule and column where the recipe does not fit the table.
    """
    metrics: dict[str, float] = {"rows_before": len(table), "columns_before": table.shape[1]}
    result = table.drop_duplicates(ignore_index=True) if drop_duplicates else table.copy(deep=False)
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
    infinite = 0
    for name, expression in recipe.derive.items():
        result[name], found = _derived(expression, result, name)
        infinite += found
    if recipe.derive:
        metrics["values_infinite"] = infinite
    for name, bins in recipe.bins.items():
        require_columns(result, [bins.column], purpose=f"bins: {name}")
        result[name] = _binned(result[bins.column], bins)
    before = len(result)
    result = _filtered(result, keep)
    metrics["rows_filtered"] = before - len(result)
    require_columns(result, recipe.drop, purpose="drop")
    result = result.drop(columns=recipe.drop).reset_index(drop=True)
    require_columns(result, list(recipe.units), purpose="units")
    if recipe.units:  # kept in the Parquet file, beside the columns
        result.attrs["units"] = dict(recipe.units)
    return result, metrics | {"rows_after": len(result), "columns_after": result.shape[1]}


def _converted(column: pd.Series, kind: str, date_format: str | None = None) -> pd.Series:
    try:
        if kind.startswith("date"):
            return pd.to_datetime(column, format=date_format or "ISO8601")
        if kind == "string":  # a missing value stays missing
            return as_text(column)
        if kind == "bool" and not pd.api.types.is_bool_dtype(column):
            column = column.map(lambda v: v if pd.isna(v) else _TRUTHS[str(v).strip().lower()])
        if kind in ("int", "float") and not pd.api.types.is_numeric_dtype(column):
            column = pd.to_numeric(column)
        return column.astype(_PANDAS_TYPES[kind])
    except (ValueError, TypeError, KeyError) as error:
        reason = _misfit(column, kind, date_format) or " ".join(str(error).split())
        raise ComponentError(f"column {column.name!r} cannot be read as {kind}: {reason}") from error


def _misfit(column: pd.Series, kind: str, date_format: str | None) -> str:
    """Returns the first value that is none of a kind, its row, and what reads it; empty where none is."""
    if kind in ("int", "float") and kind_of(column) == "text":
        return why_not_numeric(column)
    if kind.startswith("date"):
        fits = pd.to_datetime(column, format=date_format or "ISO8601", errors="coerce").notna()
        mend = "name its form, such as %d.%m.%Y"
    elif kind == "bool":
        fits = column.map(lambda v: str(v).strip().lower() in _TRUTHS)
        mend = f"these are read: {', '.join(_TRUTHS)}"
    else:
        fits = pd.to_numeric(column, errors="coerce") % 1 == 0
        mend = "cast it to float"
    wrong = ~fits & column.notna()
    if not wrong.any():
        return ""
    row = int(wrong.to_numpy().argmax())
    return f"{str(column.iloc[row])!r} in row {row + 1:,}; {mend}"


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


def _derived(expression: str, table: pd.DataFrame, name: str) -> tuple[pd.Series, int]:
    """Returns (values, how many were infinite and are missing now, such as those of a division by 0)."""
    found = evaluated(expression, table, purpose=f"derive: {name}")
    values = found if isinstance(found, pd.Series) else pd.Series(found, index=table.index)
    if not pd.api.types.is_float_dtype(values.dtype):
        return values, 0
    infinite = values.abs() == float("inf")
    return values.mask(infinite), int(infinite.sum())


def _binned(column: pd.Series, bins: Bins) -> pd.Series:
    """Returns the text of the bin that each number is in, such as "18 to 65"."""
    pairs = zip(bins.edges, bins.edges[1:], strict=False)
    labels = bins.labels or [f"{text_of(low)} to {text_of(high)}" for low, high in pairs]
    found = pd.cut(as_numbers(column), bins.edges, right=False, labels=labels, ordered=False)
    return found.astype("object").astype("str").where(found.notna(), None).astype("str")


def _filtered(table: pd.DataFrame, keep: str) -> pd.DataFrame:
    if not keep:
        return table
    kept = table[rows_for(keep, table, purpose=f"filter {keep!r}")]
    if kept.empty:
        raise ComponentError(f"filter {keep!r}: no row is left of {len(table):,}")
    return kept


def run(step: Step) -> None:
    recipe = step.config("recipe", Recipe)
    cleaned, metrics = clean(
        step.table("data", recipe.csv),
        recipe,
        drop_duplicates=step.args.drop_duplicates,
        keep=step.args.filter,
    )
    if infinite := int(metrics.get("values_infinite", 0)):
        step.warn(f"derive: {infinite:,} values are infinite, and missing now: is something divided by 0?")
    with step.output("clean") as path:
        write_table(cleaned, path)
    step.hand_over([columns_figure(cleaned)], [table_size("clean", cleaned)])
    step.metrics(metrics)
