"""segregate: one table into a training and a test table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from componentkit.arguments import ComponentError, split_names
from componentkit.columns import NOUNS, kind_of, written
from componentkit.step import Step
from componentkit.tables import require_columns, write_table
from segregate.page import figures, page
from segregate.strata import check_strata, strata_of
from segregate.together import units_for_test, units_of

_FAR = 0.05
_GAP = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>d|h|min)?")
_UNITS: dict[str, Any] = {"d": "D", "h": "h", "min": "min"}


@dataclass(frozen=True)
class Split:
    """Both sides, each in the order of the rows; what was left out and why, and what may be unwelcome."""

    train: pd.DataFrame
    test: pd.DataFrame
    said: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def split(
    table: pd.DataFrame,
    strategy: str,
    column: str,
    test_size: float,
    seed: int,
    *,
    together: Sequence[str] = (),
    gap: str = "",
    bins: int = 0,
) -> Split:
    """Parts a table; rows with one value in a column of `together` are on one side. Strata are the values of
    the column, or as many ranges of its numbers as there are `bins`.

    Raises ComponentError where the table cannot be split so, naming the stratum or column.
    """
    if strategy != "random":
        if not column:
            raise ComponentError(f"strategy {strategy!r} needs the parameter column")
        require_columns(table, [column], purpose=strategy)
        if missing := int(table[column].isna().sum()):
            raise ComponentError(f"{strategy}: column {column!r} is missing in {missing:,} rows")
    require_columns(table, list(together), purpose="keep_together")
    if bins and strategy != "stratified":
        raise ComponentError(f"bins are for strategy 'stratified', not for {strategy!r}")
    if gap and strategy != "time":
        raise ComponentError(f"gap is for strategy 'time', which orders the rows, not for {strategy!r}")
    if strategy == "time":
        found = _by_time(table, column, test_size, together, gap)
    elif together:
        found = _by_units(table, strategy, column, test_size, seed, together, bins)
    elif strategy == "group":
        found = _by_group(table, column, test_size, seed)
    else:
        found = _by_rows(table, strategy, column, test_size, seed, bins)
    share = len(found.test) / (len(found.train) + len(found.test))
    if abs(share - test_size) > _FAR:
        found.doubts.append(f"the test table has {share:.1%} of the rows, {test_size:.1%} were asked for")
    return found


def _by_rows(
    table: pd.DataFrame, strategy: str, column: str, test_size: float, seed: int, bins: int
) -> Split:
    strata = strata_of(table[column], bins) if strategy == "stratified" else None
    if strata is not None:
        check_strata(strata, test_size)
    try:
        train, test = train_test_split(table, test_size=test_size, random_state=seed, stratify=strata)
    except ValueError as error:
        raise ComponentError(f"{strategy}: {' '.join(str(error).split())}") from error
    return Split(train.sort_index(), test.sort_index())


def _by_group(table: pd.DataFrame, column: str, test_size: float, seed: int) -> Split:
    groups = table[column].nunique()
    if groups < 2:
        raise ComponentError(f"group: column {column!r} has one value, two at least are needed")
    splitter = GroupShuffleSplit(n_splits=1, test_size=test_size, random_state=seed)
    train, test = next(splitter.split(table, groups=table[column]))
    return Split(table.iloc[sorted(train)], table.iloc[sorted(test)])


def _by_units(
    table: pd.DataFrame,
    strategy: str,
    column: str,
    test_size: float,
    seed: int,
    together: Sequence[str],
    bins: int,
) -> Split:
    """Parts whole units, by rows and, where asked, by the shares of the strata, as well as can be."""
    ids = [*together, column] if strategy == "group" and column not in together else list(together)
    units = units_of(table, ids)
    strata = np.zeros(len(table), dtype=np.int64)
    names: Any = ["rows"]
    if strategy == "stratified":
        values = strata_of(table[column], bins)
        check_strata(values, test_size)
        strata, names = pd.factorize(values, sort=True)
    is_test = units_for_test(units, strata, test_size, seed)[units]
    if is_test.all() or not is_test.any():
        largest = int(np.bincount(units).max())
        raise ComponentError(
            f"keep_together: {largest:,} of {len(table):,} rows hang together by {', '.join(ids)}:"
            " they cannot be parted without one side having no rows"
        )
    found = Split(table[~is_test], table[is_test], doubts=_nameless(table, ids))
    found.said.append(f"{len(np.unique(units)):,} units of rows that share {' or '.join(ids)} are kept whole")
    shares = np.bincount(strata[is_test], minlength=len(names)) / np.bincount(strata)
    far = int(np.abs(shares - test_size).argmax())
    found.said.append(f"the test table has {is_test.mean():.2%} of the rows, {test_size:.2%} were asked for")
    if strategy == "stratified":
        found.said.append(f"the class farthest from that is {names[far]!r}: {shares[far]:.2%} of its rows")
        for name, share in zip(names, shares, strict=True):
            if share in (0, 1):
                lacks = "training" if share else "test"
                found.doubts.append(f"class {name!r} has no row in the {lacks} table: its rows hang together")
    return found


def _nameless(table: pd.DataFrame, ids: Sequence[str]) -> list[str]:
    counts = {name: int(table[name].isna().sum()) for name in ids}
    return [
        f"column {name!r} is missing in {count:,} rows: each of them is taken for an id of its own"
        for name, count in counts.items()
        if count
    ]


def _by_time(table: pd.DataFrame, column: str, test_size: float, together: Sequence[str], gap: str) -> Split:
    """Test rows are never earlier than training rows; rows of one moment stay together.

    Training rows that are less than the gap before the border are left out, and those of units that are on
    both sides.
    """
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
    is_train = ~is_test
    said = [f"the test table begins at {column} = {boundary}"]
    if gap:
        near = is_train & _is_near(table[column], boundary, gap)
        is_train &= ~near
        said.append(f"{int(near.sum()):,} rows less than {gap} before that are left out (gap)")
    if together:
        units = units_of(table, together)
        parted = is_train & np.isin(units, units[is_test])
        is_train &= ~parted
        said.append(
            f"{int(parted.sum()):,} rows are left out because the test table has their {_or(together)}"
        )
    if not is_train.any():
        raise ComponentError(f"time: no row is left for training: {'; '.join(said)}")
    return Split(table[is_train], table[is_test], said, _nameless(table, together))


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)


def _is_near(moments: pd.Series, boundary: Any, gap: str) -> pd.Series:
    """Tells which moments are less than a gap before the boundary. Raises ComponentError for an odd gap."""
    kind, name = kind_of(moments), moments.name
    if kind not in ("date", "whole", "number"):
        mend = f"dates: [{written(name)}] in the recipe of preprocess makes dates of texts"
        raise ComponentError(f"gap: column {name!r} holds {NOUNS[kind]}, which have no distance; {mend}")
    wide = _GAP.fullmatch(gap.strip())
    if wide and kind == "date" and wide["unit"]:
        span = pd.Timedelta(float(wide["number"]), unit=_UNITS[wide["unit"]])
        distance: pd.Series = pd.to_datetime(boundary) - pd.to_datetime(moments)
        return distance < span
    if wide and kind != "date" and not wide["unit"]:
        distance = boundary - moments
        return distance < float(wide["number"])
    noun, mend = ("dates", "7d, 12h or 30min") if kind == "date" else ("numbers", "a number, such as 10")
    raise ComponentError(f"gap {gap!r}: column {name!r} holds {noun}: write {mend}")


def run(step: Step) -> None:
    args = step.args
    table = step.table("data")
    together, dropped = split_names(args.keep_together), split_names(args.drop)
    require_columns(table, dropped, purpose="drop")
    found = split(
        table,
        args.strategy,
        args.column,
        args.test_size,
        args.seed,
        together=together,
        gap=args.gap,
        bins=args.bins,
    )
    for text in found.said:
        print(text)
    for text in found.doubts:
        step.warn(text)
    for name, part in (("train", found.train), ("test", found.test)):
        with step.output(name) as path:
            write_table(part.drop(columns=dropped).reset_index(drop=True), path)
    target = args.target or (args.column if args.strategy == "stratified" and not args.bins else "")
    ids = [*together, *([args.column] if args.strategy == "group" else [])]
    with step.output("page") as path:
        text = page(
            table,
            found.train,
            found.test,
            step.file,
            target=target,
            ids=ids,
            said=[*found.said, *found.doubts],
        )
        path.write_text(text, encoding="utf-8")
    step.hand_over(*figures(found.train, found.test, target))
    left_out = len(table) - len(found.train) - len(found.test)
    step.metrics({"rows_train": len(found.train), "rows_test": len(found.test), "rows_left_out": left_out})
