"""What the report of the run shows of the checks: their results, and the distributions that drift is seen
in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from check_data.rules import Drift, Result
from componentkit.columns import as_text
from componentkit.figures import figure
from componentkit.tables import with_unit

BINS = 20
MOST_CATEGORIES = 12
_SIDES = ("reference", "checked")


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
    for names, shares_of in ((drift.numeric, _numbers), (drift.categorical, _categories)):
        for name in names:
            sides = [side[name].dropna() for side in (reference, data) if name in side]
            if len(sides) == 2 and not any(side.empty for side in sides):
                rows = list(shares_of(*sides))
                # Half the sum of differences: 0 for the same shares, 1 for nothing in common.
                distance = sum(abs(row[1] - row[2]) for row in rows) / 2
                mark = "line" if shares_of is _numbers else "bar"
                found.append((distance, _drawn(with_unit(name, data), rows, mark, distance)))
    return [each for _, each in sorted(found, key=lambda pair: -pair[0])]


def _drawn(name: str, rows: list[tuple[Any, float, float]], mark: str, distance: float) -> dict[str, Any]:
    label = name if name not in _SIDES else f"{name} (value)"
    return figure(
        f"Distribution of {name}",
        [label, *_SIDES],
        rows,
        part="data",
        mark=mark,
        x=label,
        y=list(_SIDES),
        description=f"Share of the rows; total variation distance {distance:.3f} (0 is equal).",
    )


def _numbers(reference: pd.Series, data: pd.Series) -> Iterator[tuple[Any, float, float]]:
    """Gives (middle of a bin, share of the reference, share of the data), over all but the outermost
    values.
    """
    sides = [side.astype("float64").to_numpy() for side in (reference, data)]
    sides = [side[np.isfinite(side)] for side in sides]
    both = np.concatenate(sides)
    low, high = (float(value) for value in np.quantile(both, [0.005, 0.995])) if len(both) else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = [np.histogram(np.clip(side, low, high), edges)[0] / max(len(side), 1) for side in sides]
    middles = (edges[:-1] + edges[1:]) / 2
    yield from zip(middles.tolist(), shares[0].tolist(), shares[1].tolist(), strict=True)


def _categories(reference: pd.Series, data: pd.Series) -> Iterator[tuple[Any, float, float]]:
    """Gives (category, share of the reference, share of the data), the most frequent first."""
    shares = [as_text(side).value_counts(normalize=True) for side in (reference, data)]
    table = pd.concat(shares, axis="columns", keys=_SIDES).fillna(0.0)
    table = table.assign(both=table.sum(axis="columns"), name=table.index)
    table = table.sort_values(["both", "name"], ascending=[False, True]).head(MOST_CATEGORIES)
    for name, row in table.iterrows():
        yield str(name), float(row[_SIDES[0]]), float(row[_SIDES[1]])
