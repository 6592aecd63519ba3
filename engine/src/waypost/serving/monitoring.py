"""Monitoring of a served model, from the log of predictions and later labels."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost.errors import UsageError
from waypost.serving.prediction_log import (
    FEEDBACK,
    LABEL,
    MODEL,
    OURS,
    PREDICTION,
    PREDICTIONS,
    REQUEST,
    ROLE,
    ROW,
    SECONDS,
    TIME,
)

if TYPE_CHECKING:
    import pandas as pd

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_MOST_CLASSES = 20
_LEAST_ROWS = 100  # on each side: with fewer, shares vary by chance
_BINS, _LEAST_SHARE = 10, 1e-4


@dataclass(frozen=True)
class ColumnShift:
    """The shift of a column: its population stability index. Above 0.1 is a moderate shift, above 0.25 a
    large one.
    """

    column: str
    psi: float


@dataclass(frozen=True)
class ModelReport:
    """A model in one role. `seconds`: quantiles over requests; `predictions`: the share of each class, or
    mean, smallest and largest; `quality`: on the rows with a label.
    """

    model: str
    role: str
    requests: int
    rows: int
    first: datetime
    last: datetime
    seconds: Mapping[str, float]
    predictions: Mapping[str, float]
    labelled: int
    quality: Mapping[str, float]
    drift: Sequence[ColumnShift] = field(default_factory=tuple)


@dataclass(frozen=True)
class LiveReport:
    """`waypost monitor --json`: `unknown` labels belong to requests outside the rows read; `compared` names
    the reference of the columns; `is_whole` is true if all rows of the log were read.
    """

    folder: str
    models: Sequence[ModelReport]
    labels: int
    unknown: int
    compared: str
    is_whole: bool


def live_report(folder: Path, reference: Path | None, most_rows: int) -> LiveReport:
    """Returns the report of a log's newest `most_rows` rows. Columns are compared with a table, or the newer
    half of a model's rows with the older one. Raises UsageError if there is no log.
    """
    groups, is_whole = _logged(folder, most_rows)
    if not groups:
        hint = "log them: waypost serve MODEL --log-predictions DIR"
        raise UsageError(f"{folder}: no predictions here", hint=hint)
    labels = _labels(folder)
    known = _table(reference) if reference else None
    reports, found = [], 0
    for (model, role), frame in groups.items():
        joined = frame.merge(labels, on=[REQUEST, ROW], how="inner")
        found += len(joined)
        reports.append(_report(model, role, frame.sort_values(TIME, kind="stable"), joined, known))
    compared = str(reference) if reference else "the older half of the rows"
    count = len(labels)
    return LiveReport(str(folder), reports, count, max(count - found, 0), compared, is_whole)


def _logged(folder: Path, most: int) -> tuple[dict[tuple[str, str], pd.DataFrame], bool]:
    """Returns the newest rows of each (model, role), and whether they are all of them."""
    import pandas as pd
    import pyarrow.parquet as pq

    parts: dict[tuple[str, str], list[pd.DataFrame]] = {}
    rows, is_whole = 0, True
    for file in sorted(folder.glob(PREDICTIONS), reverse=True):  # names begin with the time
        if rows >= most:
            is_whole = False
            break
        try:
            frame = pq.read_table(file).to_pandas()
        except FileNotFoundError:  # removed by the server's retention
            continue
        rows += len(frame)
        for key, part in frame.groupby([MODEL, ROLE], sort=False):
            parts.setdefault((str(key[0]), str(key[1])), []).append(part)
    return {key: pd.concat(found, ignore_index=True) for key, found in sorted(parts.items())}, is_whole


def _labels(folder: Path) -> pd.DataFrame:
    """Returns the labels by request and row, the latest if there are several."""
    import pandas as pd
    import pyarrow.parquet as pq

    files = sorted(folder.glob(FEEDBACK))
    if not files:
        return pd.DataFrame({REQUEST: pd.Series(dtype=str), ROW: pd.Series(dtype="int32"), LABEL: []})
    found: pd.DataFrame = pd.concat([pq.read_table(file).to_pandas() for file in files], ignore_index=True)
    found = found.sort_values(TIME, kind="stable").drop(columns=TIME)
    return found.drop_duplicates([REQUEST, ROW], keep="last")


def _report(
    model: str, role: str, frame: pd.DataFrame, joined: pd.DataFrame, known: pd.DataFrame | None
) -> ModelReport:
    requests = frame.drop_duplicates(REQUEST)
    seconds = {name: float(requests[SECONDS].quantile(share)) for name, share in _QUANTILES.items()}
    half = len(frame) // 2
    older, newer = (known, frame) if known is not None else (frame.iloc[:half], frame.iloc[half:])
    return ModelReport(
        model=model,
        role=role,
        requests=len(requests),
        rows=len(frame),
        first=frame[TIME].iloc[0].to_pydatetime(),
        last=frame[TIME].iloc[-1].to_pydatetime(),
        seconds=seconds,
        predictions=_distribution(frame[PREDICTION]),
        labelled=len(joined),
        quality=_quality(joined),
        drift=sorted(_moved(older, newer), key=lambda moved: -moved.psi),
    )


def _distribution(values: pd.Series[Any]) -> dict[str, float]:
    if values.dtype.kind == "f":
        return {"mean": float(values.mean()), "smallest": float(values.min()), "largest": float(values.max())}
    shares = values.astype(str).value_counts(normalize=True).head(_MOST_CLASSES)
    return {str(name): float(share) for name, share in shares.items()}


def _quality(joined: pd.DataFrame) -> dict[str, float]:
    """Returns the accuracy of classes, or the errors of numbers (floats); empty if no row has a label."""
    labels = [json.loads(text) for text in joined[LABEL]]
    if not labels:
        return {}
    given = joined[PREDICTION]
    if given.dtype.kind != "f":
        right = [str(was) == str(label) for was, label in zip(given, labels, strict=True)]
        return {"accuracy": sum(right) / len(right)}
    pairs = zip(given, labels, strict=True)
    errors = [was - label for was, label in pairs if isinstance(label, (int, float)) and math.isfinite(was)]
    if not errors:
        return {}
    squares = sum(error * error for error in errors) / len(errors)
    mean = sum(map(abs, errors)) / len(errors)
    return {
        "mean absolute error": mean,
        "root mean squared error": math.sqrt(squares),
        "bias": sum(errors) / len(errors),
    }


def _moved(older: pd.DataFrame, newer: pd.DataFrame) -> Iterator[ColumnShift]:
    """Yields each common column, unless it is free text or has too few rows."""
    if min(len(older), len(newer)) < _LEAST_ROWS:
        return
    for name in newer.columns:
        if name in OURS or name not in older.columns:
            continue
        before, after = older[name], newer[name]
        is_number = before.dtype.kind in "biuf" and after.dtype.kind in "biuf"
        if not is_number and before.nunique() > len(before) / 2:
            continue
        yield ColumnShift(str(name), psi(*(_by_bins if is_number else _by_values)(before, after)))


def psi(before: Sequence[float], after: Sequence[float]) -> float:
    """Returns the population stability index of two distributions over the same bins, given as shares."""
    pairs = [(max(b, _LEAST_SHARE), max(a, _LEAST_SHARE)) for b, a in zip(before, after, strict=True)]
    return sum((a - b) * math.log(a / b) for b, a in pairs)


def _by_bins(before: pd.Series[Any], after: pd.Series[Any]) -> tuple[list[float], list[float]]:
    """Returns the shares of numbers between the deciles of the earlier ones, and of missing values."""
    import numpy as np

    present = before.dropna().astype(float)
    edges = (
        np.unique(np.quantile(present, np.linspace(0, 1, _BINS + 1))[1:-1]) if len(present) else np.empty(0)
    )

    def shares(values: pd.Series[Any]) -> list[float]:
        numbers = values.astype(float).to_numpy()
        missing = np.isnan(numbers)
        counts = np.bincount(
            np.searchsorted(edges, numbers[~missing], side="right"), minlength=len(edges) + 1
        )
        return [float(count) / len(numbers) for count in (*counts, missing.sum())]

    return shares(before), shares(after)


def _by_values(before: pd.Series[Any], after: pd.Series[Any]) -> tuple[list[float], list[float]]:
    """Returns the shares of the most frequent earlier values, of all others, and of missing values."""
    names = list(before.astype(object).dropna().astype(str).value_counts().head(_MOST_CLASSES).index)

    def shares(values: pd.Series[Any]) -> list[float]:
        present = values.astype(object).dropna().astype(str)
        counts = present.value_counts()
        known = [float(counts.get(name, 0)) / len(values) for name in names]
        missing = 1 - len(present) / len(values)
        return [*known, max(1 - missing - sum(known), 0.0), missing]

    return shares(before), shares(after)


def _table(file: Path) -> pd.DataFrame:
    """Returns the table in a Parquet or CSV file. Raises UsageError."""
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_csv(file) if file.suffix.lower() == ".csv" else pd.read_parquet(file)
    except (OSError, ValueError, pa.ArrowException) as error:
        words = " ".join(str(error).split())[:300]
        raise UsageError(f"{file}: not a table of Parquet or CSV: {words}") from error
