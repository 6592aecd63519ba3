"""A first set of rules from a table, for a person to read and to correct."""

from __future__ import annotations

from typing import Any

import pandas as pd
import yaml

from componentkit.columns import kind_of, plain, text_of

MOST_CATEGORIES = 20
_TYPES = {"whole": "number", "number": "number", "boolean": "bool", "text": "string", "date": "date"}


def suggested(table: pd.DataFrame) -> str:
    """Returns rules that a table keeps, as the YAML that `checks` takes."""
    columns = [_column(plain(table[name])) for name in table]
    rules = {"rows": {"minimum": max(len(table) // 2, 1)}, "columns": columns}
    return str(yaml.safe_dump(rules, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120))


def _column(values: pd.Series) -> dict[str, Any]:
    kind = kind_of(values)
    rule: dict[str, Any] = {"name": str(values.name)}
    present = values.dropna()
    # Booleans of which some are missing, and numbers among texts, are of no one type in a table.
    if kind in _TYPES and (kind != "boolean" or present.size == values.size) and present.size:
        rule["type"] = _TYPES[kind]
    share = float(values.isna().mean())
    rule["missing"] = round(min(1.0, share * 1.5), 3) if share else 0
    distinct = present.nunique()
    if kind in ("whole", "number") and present.size:
        rule |= {"minimum": float(present.min()), "maximum": float(present.max())}
    if kind == "text" and 0 < distinct <= MOST_CATEGORIES and distinct < present.size:
        rule["categories"] = sorted(map(text_of, present.unique()))
    if kind in ("whole", "text") and distinct == values.size > 1:
        rule["unique"] = True
    return rule
