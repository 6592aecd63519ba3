"""Declared rules about one table, executed with pandera."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import pandera.pandas as pa
from pydantic import BaseModel, ConfigDict, Field

from componentkit.arguments import ComponentError
from componentkit.columns import NOUNS, as_text, kind_of, text_of
from componentkit.expressions import names_in, rows_for
from componentkit.tables import near

EXAMPLES = 5
Kind = Literal["int", "float", "number", "string", "bool", "date"]
_IS_KIND = {
    "int": pd.api.types.is_integer_dtype,
    "float": pd.api.types.is_float_dtype,
    "number": lambda s: pd.api.types.is_numeric_dtype(s) and not pd.api.types.is_bool_dtype(s),
    "string": pd.api.types.is_string_dtype,
    "bool": pd.api.types.is_bool_dtype,
    "date": pd.api.types.is_datetime64_any_dtype,
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Column(_Strict):
    """Rules for one column; `missing` is the largest share of missing values, 0 to 1.

    `newest_within_days`: the newest date is no older than that on the day `as_of`.
    """

    name: str
    type: Kind | None = None
    minimum: float | None = None
    maximum: float | None = None
    categories: list[Any] | None = None
    missing: float = Field(default=1.0, ge=0, le=1)
    finite: bool = True
    unique: bool = False
    newest_within_days: float | None = Field(default=None, ge=0)
    optional: bool = False


class Rows(_Strict):
    minimum: int | None = None
    maximum: int | None = None


class Drift(_Strict):
    """Columns to compare with the reference; `alpha` holds for all tests together (Holm)."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    numeric: list[str] = []
    categorical: list[str] = []


class Checks(_Strict):
    rows: Rows | None = None
    columns: list[Column] = []
    unique: list[list[str]] = []
    relations: list[str] = []
    drift: Drift | None = None


@dataclass(frozen=True)
class Result:
    """One check: `column` is empty for a rule about the table, `count` the rows that broke it."""

    rule: str
    column: str
    passed: bool
    count: int = 0
    examples: tuple[Any, ...] = ()
    detail: str = ""

    def line(self) -> str:
        text = f"column {self.column!r}: {self.rule}" if self.column else self.rule
        if self.detail:
            text += f": {self.detail}"
        if self.count:
            text += f": {self.count:,} {'row' if self.count == 1 else 'rows'}"
        if self.examples:
            text += f", such as {', '.join(map(repr, self.examples))}"
        return text


def rule_results(data: pd.DataFrame, checks: Checks, as_of: str = "") -> list[Result]:
    """Returns a result for every rule of `rows`, `columns`, `unique` and `relations`.

    Raises ComponentError where a rule needs a date `as_of`, and there is none.
    """
    results = list(_row_results(len(data), checks.rows)) if checks.rows else []
    for column in checks.columns:
        results += _column_results(data, column, as_of)
    for key in checks.unique:
        absent = [name for name in key if name not in data]
        label = f"unique together: {', '.join(key)}"
        if absent:
            detail = f"no column {', '.join(map(repr, absent))}{near(absent[0], data.columns)}"
            results.append(Result(label, "", passed=False, detail=detail))
            continue
        repeated = data[data.duplicated(key, keep=False)]
        examples = tuple(map(tuple, repeated[key].drop_duplicates().head(EXAMPLES).to_numpy().tolist()))
        results.append(Result(label, "", repeated.empty, len(repeated), examples))
    return results + [_relation(data, text) for text in checks.relations]


def _relation(data: pd.DataFrame, text: str) -> Result:
    """Returns whether a relation holds in each row that has all its values."""
    holds = rows_for(text, data, purpose=f"relations: {text!r}")
    names = [name for name in names_in(text) if name in data]
    broken = data[~holds & data[names].notna().all(axis="columns")]
    examples = tuple(map(tuple, broken[names].drop_duplicates().head(EXAMPLES).to_numpy().tolist()))
    return Result(f"relation {text}", "", broken.empty, len(broken), examples, ", ".join(names))


def _row_results(rows: int, bounds: Rows) -> Iterable[Result]:
    detail = f"found {rows:,}"
    if (least := bounds.minimum) is not None:
        yield Result(f"at least {least:,} rows", "", rows >= least, detail=detail)
    if (most := bounds.maximum) is not None:
        yield Result(f"at most {most:,} rows", "", rows <= most, detail=detail)


def _column_results(data: pd.DataFrame, column: Column, as_of: str) -> list[Result]:
    name = column.name
    if name not in data:
        if column.optional:
            return [Result("optional", name, passed=True, detail="no such column")]
        return [Result("required", name, passed=False, detail=f"no such column{near(name, data.columns)}")]
    values = data[name]
    share = float(values.isna().mean())
    results = [
        Result("required", name, passed=True),
        Result(
            f"missing at most {column.missing:.1%}",
            name,
            share <= column.missing,
            detail=f"found {share:.1%}",
        ),
    ]
    if column.type:
        passed = bool(_IS_KIND[column.type](values))
        results.append(Result(f"type {column.type}", name, passed, detail=f"is {values.dtype}"))
        if not passed:  # a range of the wrong type says nothing
            return results
    if column.newest_within_days is not None:
        results.append(_freshness(values, column.newest_within_days, as_of))
    return results + _value_results(values, column)


def _freshness(values: pd.Series, days: float, as_of: str) -> Result:
    """Returns whether the newest date is fresh enough on a given day: now would be another one each time."""
    try:
        day = pd.Timestamp(as_of) if as_of else None
    except ValueError as error:
        raise ComponentError(f"as_of {as_of!r} is no date: write it as 2026-01-31") from error
    if day is None or pd.isna(day):
        raise ComponentError(
            f"column {values.name!r}: newest_within_days needs as_of, the day that it counts from, such as"
            " as_of: 2026-01-31"
        )
    rule = f"newest at most {days:g} days before {as_of}"
    if kind_of(values) != "date" or values.isna().all():
        why = "all values are missing" if values.isna().all() else f"holds {NOUNS[kind_of(values)]}, no dates"
        return Result(rule, str(values.name), passed=False, detail=why)
    newest = pd.to_datetime(values.dropna()).max()
    age = (day.tz_localize(newest.tz) - newest) / pd.Timedelta(1, unit="D")
    said = f"{age:g} days before" if age >= 0 else f"{-age:g} days after"
    return Result(rule, str(values.name), bool(age <= days), detail=f"found {newest}, {said}")


def _value_results(values: pd.Series, column: Column) -> list[Result]:
    """Runs the rules about single values through pandera and gathers all that broke."""
    rules: dict[str, pa.Check] = {}
    found = found_in(values)
    if column.finite and pd.api.types.is_float_dtype(values.dtype):
        rules["finite numbers"] = pa.Check(lambda s: s.abs() != float("inf"))
    if column.minimum is not None:
        rules[f"at least {column.minimum:g}"] = pa.Check.ge(column.minimum)
    if column.maximum is not None:
        rules[f"at most {column.maximum:g}"] = pa.Check.le(column.maximum)
    if column.categories is not None:
        known = {text_of(value) for value in column.categories}
        rules["one of the known categories"] = pa.Check(lambda s: as_text(s).isin(known) | s.isna())
    if column.unique:
        rules["unique"] = pa.Check(lambda s: ~s.duplicated(keep=False))
    results = []
    for rule, rule_check in rules.items():
        broken: pd.Series = values.iloc[:0]
        detail = found
        try:
            pa.SeriesSchema(checks=rule_check, nullable=True).validate(values, lazy=True)
        except pa.errors.SchemaErrors as error:
            cases = error.failure_cases
            broken = cases["failure_case"]
            if cases["index"].isna().all():  # the rule itself could not be evaluated
                results.append(Result(rule, column.name, passed=False, detail=str(broken.iloc[0])))
                continue
        examples = tuple(broken.drop_duplicates().head(EXAMPLES))
        passed = broken.empty
        results.append(Result(rule, column.name, passed, len(broken), examples, detail))
    return results


def found_in(values: pd.Series) -> str:
    """Returns what a column holds in a few words: from the least to the largest, or how many values."""
    if kind_of(values) in ("whole", "number", "date") and values.notna().any():
        least, most = values.min(), values.max()
        if kind_of(values) != "date":
            return f"found {least:g} to {most:g}"
        return f"found {least} to {most}"
    return f"found {as_text(values).nunique():,} different"
