"""What the report of the run shows of the checks: their results, and the distributions that drift is seen
in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from check_data.distributions import SIDES, Column, columns_with_values, shares_by_bin, shares_by_category
from check_data.rules import Drift, Result
from componentkit.figures import figure
from componentkit.tables import with_unit

BINS = 20


def checks_figure(results: Iterable[Result]) -> dict[str, Any]:
    """Returns every check with what was found, failed ones first."""
    rows = [
        (
            result.column or "the table",
            result.rule,
            result.passed,
            result.detail,
            result.count,
            _examples(result),
        )
        for result in sorted(results, key=lambda result: result.passed)
    ]
    columns: list[Any] = ["column", "rule", {"name": "passed", "good": True}, "found", "rows", "examples"]
    failed = sum(not row[2] for row in rows)
    description = f"{len(rows)} checks, {failed} failed."
    return figure("Checks", columns, rows, part="data", description=description)


def _examples(result: Result) -> str:
    return ", ".join(map(repr, result.examples))


def drift_figures(data: pd.DataFrame, reference: pd.DataFrame, drift: Drift) -> list[dict[str, Any]]:
    """Returns both distributions of each column that drift is measured of; those that differ most come
    first.
    """
    found: list[tuple[float, dict[str, Any]]] = []
    for column in columns_with_values(data, reference, drift):
        rows = list(_numbers(column) if column.is_numeric else _categories(column))
        # Half the sum of differences: 0 for the same shares, 1 for nothing in common.
        distance = sum(abs(row[1] - row[2]) for row in rows) / 2
        mark = "line" if column.is_numeric else "bar"
        found.append((distance, _drawn(with_unit(column.name, data), rows, mark, distance)))
    return [each for _, each in sorted(found, key=lambda pair: -pair[0])]


def _drawn(name: str, rows: list[tuple[Any, float, float]], mark: str, distance: float) -> dict[str, Any]:
    label = name if name not in SIDES else f"{name} (value)"
    return figure(
        f"Distribution of {name}",
        [label, *SIDES],
        rows,
        part="data",
        mark=mark,
        x=label,
        y=list(SIDES),
        description=f"Share of the rows; total variation distance {distance:.3f} (0 is equal).",
    )


def _numbers(column: Column) -> Iterator[tuple[Any, float, float]]:
    """Gives (middle of a bin, share of the reference, share of the data), over all but the outermost
    values.
    """
    edges, shares = shares_by_bin(column, BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    yield from zip(middles.tolist(), shares[0].tolist(), shares[1].tolist(), strict=True)


def _categories(column: Column) -> Iterator[tuple[Any, float, float]]:
    """Gives (category, share of the reference, share of the data), the most frequent first."""
    for name, row in shares_by_category(column).iterrows():
        yield str(name), float(row[SIDES[0]]), float(row[SIDES[1]])
