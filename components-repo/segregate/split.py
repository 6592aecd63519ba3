"""segregate: one table into a training and a test table."""

from __future__ import annotations

import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from componentkit.arguments import ComponentError, split_names
from componentkit.step import Step
from componentkit.tables import require_columns, write_table

Split = tuple[pd.DataFrame, pd.DataFrame]


def split(table: pd.DataFrame, strategy: str, column: str, test_size: float, seed: int) -> Split:
    """Returns (train, test); both keep the order of the rows.

    Raises ComponentError where the table cannot be split so, naming the stratum or column.
    """
    if strategy != "random":
        if not column:
            raise ComponentError(f"strategy {strategy!r} needs the parameter column")
        require_columns(table, [column], purpose=strategy)
        if missing := int(table[column].isna().sum()):
            raise ComponentError(f"{strategy}: column {column!r} is missing in {missing:,} rows")
    if strategy == "time":
        return _by_time(table, column, test_size)
    if strategy == "group":
        return _by_group(table, column, test_size, seed)
    strata = table[column] if strategy == "stratified" else None
    if strata is not None:
        _check_strata(strata, test_size)
    try:
        train, test = train_test_split(table, test_size=test_size, random_state=seed, stratify=strata)
    except ValueError as error:
        raise ComponentError(f"{strategy}: {' '.join(str(error).split())}") from error
    return train.sort_index(), test.sort_index()


def _check_strata(strata: pd.Series, test_size: float) -> None:
    counts = strata.value_counts()
    small = counts[counts < 2]
    if len(small):
        names = ", ".join(f"{name!r} ({count} row)" for name, count in small.items())
        raise ComponentError(f"stratified: column {strata.name!r}: too few rows to be on both sides: {names}")
    sides = {"test": round(len(strata) * test_size), "train": round(len(strata) * (1 - test_size))}
    for side, rows in sides.items():
        if rows < len(counts):
            raise ComponentError(
                f"stratified: column {strata.name!r} has {len(counts)} classes,"
                f" the {side} table would have {rows} rows"
            )


def _by_group(table: pd.DataFrame, column: str, test_size: float, seed: int) -> Split:
    groups = table[column].nunique()
    if groups < 2:
        raise ComponentError(f"group: column {column!r} has one value, two at least are needed")
    splitter = GroupShuffleSplit(n_splits=1, test_size=test_size, random_state=seed)
    train, test = next(splitter.split(table, groups=table[column]))
    return table.iloc[sorted(train)], table.iloc[sorted(test)]


def _by_time(table: pd.DataFrame, column: str, test_size: float) -> Split:
    """Test rows are never earlier than training rows; rows of one moment stay together."""
    try:
        moments = table[column].sort_values(kind="stable")
    except TypeError as error:
        raise ComponentError(f"time: column {column!r} cannot be ordered: {error}") from error
    boundary = moments.iloc[round(len(table) * (1 - test_size))]
    is_test = table[column] >= boundary
    if is_test.all():
        raise ComponentError(
            f"time: column {column!r}: every row is of {boundary} or later, none is left for training"
        )
    return table[~is_test], table[is_test]


def run(step: Step) -> None:
    args = step.args
    train, test = split(step.table("data"), args.strategy, args.column, args.test_size, args.seed)
    dropped = split_names(args.drop)
    require_columns(train, dropped, purpose="drop")
    for name, part in (("train", train), ("test", test)):
        with step.output(name) as path:
            write_table(part.drop(columns=dropped).reset_index(drop=True), path)
    step.metrics({"rows_train": len(train), "rows_test": len(test)})
