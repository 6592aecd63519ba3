"""Figures for the report of a run: tables, and how each is drawn. An output of the type `figures` is a
document of them (docs/report.md of Waypost).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

MOST_ROWS = 2000
_DIGITS = 6  # significant ones: more cannot be seen


def figure(
    title: str, columns: Sequence[str | Mapping[str, Any]], rows: Iterable[Sequence[Any]], **drawn: Any
) -> dict[str, Any]:
    """Returns a figure: a table with named columns, and how it is `drawn` (mark, part, x, y, …).

    A column is its name, or a mapping with `name`, `unit` and `good`.
    """
    named = [{"name": column} if isinstance(column, str) else dict(column) for column in columns]
    values = [[_value(cell) for cell in row] for row in rows][:MOST_ROWS]
    return {"title": title[:200], "columns": named, "rows": values, **drawn}


def table_size(name: str, table: pd.DataFrame, sha256: str = "") -> dict[str, Any]:
    """Returns what a table is: rows, columns, and how many of its values are missing."""
    missing = int(table.isna().to_numpy().sum())
    found = {"name": name, "rows": len(table), "columns": table.shape[1], "missing": missing}
    return {**found, "sha256": sha256} if sha256 else found


def columns_figure(table: pd.DataFrame) -> dict[str, Any]:
    """Returns what each column of a table holds."""
    rows = [
        (name, str(table[name].dtype), float(table[name].isna().mean()), int(table[name].nunique()))
        for name in table
    ]
    columns = ["column", "type", "share missing", "different values"]
    description = "Type, share of missing values and number of different values of each column."
    return figure("Columns", columns, rows, part="data", description=description)


def document(figures: Iterable[Mapping[str, Any]], tables: Iterable[Mapping[str, Any]] = ()) -> str:
    """Returns the document as JSON; the same figures give the same bytes."""
    content = {"schema": 1, "tables": list(tables), "figures": list(figures)}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"


def _value(cell: Any) -> Any:
    """Returns a cell as JSON has it: numbers with as many digits as can be seen, nothing for what is none."""
    if hasattr(cell, "item"):
        cell = cell.item()
    if isinstance(cell, float):
        return float(f"{cell:.{_DIGITS}g}") if math.isfinite(cell) else None
    return cell if cell is None or isinstance(cell, (bool, int)) else str(cell)[:2000]
