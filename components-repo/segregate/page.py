"""What is where after a split, as a page: rows, classes, times, and ids, which no two sides share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from componentkit.columns import as_text, kind_of
from componentkit.figures import figure, table_size
from componentkit.pages import rendered
from componentkit.tables import require_columns

MOST_CLASSES = 50


def page(
    table: pd.DataFrame,
    train: pd.DataFrame,
    test: pd.DataFrame,
    name: str,
    *,
    target: str,
    ids: Sequence[str],
    said: Sequence[str],
) -> str:
    """Returns the report as a self-contained HTML page. Raises ComponentError where `target` is no column."""
    if target:
        require_columns(table, [target], purpose="target")
    sides = {"training": train, "test": test}
    left_out = len(table) - len(train) - len(test)
    rows = {**{side: len(part) for side, part in sides.items()}, "left out": left_out}
    return rendered(
        Path(__file__).with_name("report.html.j2"),
        title=f"Split: {name}",
        rows=[(side, count, count / len(table)) for side, count in rows.items()],
        target=target,
        classes=_classes(train[target], test[target]) if target else [],
        most=MOST_CLASSES,
        times=[(c, *_range(train[c]), *_range(test[c])) for c in table if kind_of(table[c]) == "date"],
        ids=[_ids(train[column], test[column]) for column in ids],
        said=said,
    )


def figures(
    train: pd.DataFrame, test: pd.DataFrame, target: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Returns the same for the report of the run: figures, and the sizes of both tables."""
    sizes = [table_size("train", train), table_size("test", test)]
    if not target:
        return [], sizes
    rows = [(name, a, b, c, d) for name, c, a, d, b, _ in _classes(train[target], test[target])]
    columns = [target, "share of training", "share of test", "rows of training", "rows of test"]
    if len(set(columns)) < len(columns):
        columns[0] = f"{target} (class)"
    shares = {"x": columns[0], "y": columns[1:3], "mark": "bar", "part": "data"}
    return [figure("Classes after the split", columns, rows[:MOST_CLASSES], **shares)], sizes


def _classes(train: pd.Series, test: pd.Series) -> list[tuple[str, int, float, int, float, float]]:
    """Returns (class, rows and share in training, in test, difference of the shares), most frequent first."""
    counts = [as_text(side).fillna("missing").value_counts() for side in (train, test)]
    found = pd.concat(counts, axis="columns", keys=["train", "test"]).fillna(0).astype("int64")
    found = found.assign(both=found.sum(axis="columns")).reset_index(names="class")
    found = found.sort_values(["both", "class"], ascending=[False, True])
    rows = []
    for _, row in found.iterrows():
        shares = row["train"] / len(train), row["test"] / len(test)
        rows.append(
            (str(row["class"]), row["train"], shares[0], row["test"], shares[1], shares[1] - shares[0])
        )
    return rows


def _range(column: pd.Series) -> tuple[Any, Any]:
    moments = pd.to_datetime(column.dropna())
    return (moments.min(), moments.max()) if len(moments) else ("–", "–")


def _ids(train: pd.Series, test: pd.Series) -> tuple[str, int, int, int]:
    one, other = set(train.dropna()), set(test.dropna())
    return str(train.name), len(one), len(other), len(one & other)
