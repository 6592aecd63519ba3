"""The proof that a compiled form equals the original: both answer the same rows, and every row is
compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from waypost.compat.mlflow_serving import frame
from waypost.inference.compiled import FOREST_TOLERANCE, Answer, Compiled
from waypost.inference.compiling import borders_of
from waypost.inference.features import Numbers
from waypost.inference.layout import TableError
from waypost.inference.original import Original
from waypost.inference.probes import ColumnValues, probe_sets
from waypost.inference.table import Floats, from_arrow, from_rows


class Proof(BaseModel):
    """The comparison and its result, stored with the compiled form; `files` are the form's sha256 (hex) by
    name.
    """

    # JSON has no infinity, and an unreadable proof would be repeated at each call.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    is_equal: bool
    reason: str = ""
    rows: int = 0
    probes: int = 0
    labels_different: int = 0
    largest_difference: float = 0.0
    tolerance: float = FOREST_TOLERANCE
    versions: dict[str, str] = {}
    files: dict[str, str] = {}


def prove(
    original: Original,
    compiled: Compiled,
    rows: ColumnValues,
    versions: dict[str, str],
    form: bytes | None = None,
    before: Proof | None = None,
) -> Proof:
    """Returns the proof on real rows and on probes: thresholds, unseen and missing values, odd texts.

    Args: form: the trees of the compiled form; probes lie next to their thresholds; before: the proof by the
    same versions on fewer rows, whose probes are not repeated.
    """
    count = count_of(rows)
    tolerance = compiled.content.tolerance
    checked = different = 0
    largest = before.largest_difference if before else 0.0
    probes = [] if before else probe_sets(compiled, _with_borders(form, compiled, rows))
    for some in (rows, *probes):
        if not count_of(some):
            continue
        answers = [(way, _answered(ask)) for way, ask in _forms(some, compiled)]
        for expected in original_answers(original, some):
            for way, given in answers:
                if reason := _unlike(expected, given, way):
                    return Proof(is_equal=False, reason=reason, versions=versions)
                if isinstance(expected, Answer) and isinstance(given, Answer):
                    count_different, apart = _compared(expected, given, compiled)
                    different += count_different
                    largest = max(largest, apart)
        checked += count_of(some)
    reason = ""
    if different:
        reason = f"{different} {'labels' if compiled.content.classes is not None else 'numbers'} differ"
    elif not largest <= tolerance:
        reason = f"probabilities differ by up to {largest:.3g}"
    return Proof(
        is_equal=not reason,
        reason=reason,
        rows=count,
        probes=before.probes if before else checked - count,
        labels_different=different,
        largest_difference=largest,
        tolerance=tolerance,
        versions=versions,
    )


def _compared(expected: Answer, given: Answer, compiled: Compiled) -> tuple[int, float]:
    """Returns the number of labels that differ, and the largest difference of numbers."""
    apart = [_apart(expected.probabilities, given.probabilities)]
    if compiled.content.classes is None:
        apart.append(_apart(expected.labels, given.labels))
        different = apart[-1] > compiled.content.tolerance
    else:
        different = expected.labels != given.labels
    return int(different.sum()), max(float(part.max(initial=0.0)) for part in apart)


def _apart(expected: Any, given: Any) -> Floats:
    """Returns differences of numbers: relative, or absolute for expected numbers below 1."""
    with np.errstate(invalid="ignore"):
        found = np.abs(expected - given) / np.maximum(np.abs(expected), 1.0)
    return np.where(expected == given, 0.0, found)


def _with_borders(form: bytes | None, compiled: Compiled, rows: ColumnValues) -> ColumnValues:
    """Returns rows to draw probes from, with values next to the trees' thresholds."""
    found = {name: list(values) for name, values in rows.items()}
    borders = borders_of(form)
    start = 0
    for part in compiled.content.plan.parts:
        if isinstance(part, Numbers) and not compiled.content.plan.after:
            for place, name in enumerate(part.columns):
                scale = part.divide[place] if part.divide else 1.0
                middle = part.subtract[place] if part.subtract else 0.0
                values = borders.get(start + place, [])
                found.setdefault(name, []).extend(value * scale + middle for value in values)
        start += part.width
    return found


def _answered(ask: Callable[[], Answer]) -> Answer | TableError:
    try:
        return ask()
    except TableError as error:
        return error


def _unlike(expected: Answer | TableError, given: Answer | TableError, form: str) -> str:
    """Returns the message for rows that one of the two refuses, or answers in another shape."""
    if isinstance(given, TableError) and not isinstance(expected, TableError):
        remedy = "add an imputer or a clip before the estimator"
        return f"the original answers rows that the compiled form refuses ({form}): {given}; {remedy}"
    if isinstance(expected, TableError) and not isinstance(given, TableError):
        return f"the original refuses rows that the compiled form answers ({form}): {expected}"
    if isinstance(expected, Answer) and isinstance(given, Answer):
        shapes = expected.labels.shape[1:], expected.probabilities.shape[1:]
        if shapes != (given.labels.shape[1:], given.probabilities.shape[1:]):
            return (
                f"the original answers a single row in another shape: {shapes[0]}, probabilities {shapes[1]}"
            )
    return ""


def original_answers(original: Original, rows: ColumnValues) -> list[Answer | TableError]:
    """Returns the original's answers to rows as MLflow's server passes them: together, and one by one. A
    missing text is NaN in a column with other texts, but None alone in its column, as in a single row.
    """
    import pandas as pd

    columns = original.layout.columns
    count = count_of(rows)
    values = {column.name: rows.get(column.name, [None] * count) for column in columns}
    together = frame(original.model, list(values), list(zip(*values.values(), strict=True)))
    alone = together.copy()
    for name in original.layout.texts:
        if None in values[name]:
            alone[name] = pd.Series(values[name], dtype=object)
    frames = [together] if alone.dtypes.equals(together.dtypes) else [together, alone]
    return [_answered(partial(original.of_frame, some)) for some in frames]


def count_of(rows: ColumnValues | None) -> int:
    """Returns the number of rows."""
    return len(next(iter((rows or {}).values()), ()))


def _forms(rows: ColumnValues, compiled: Compiled) -> Iterator[tuple[str, Callable[[], Answer]]]:
    """Yields the rows in each form: one by one and many at once as in requests, and as in a file."""
    import pyarrow as pa

    layout = compiled.layout
    names = tuple(rows)
    without_nan = [[None if value != value else value for value in column] for column in rows.values()]  # noqa: PLR0124
    given = list(zip(*without_nan, strict=True))

    def together(some: Iterable[Answer]) -> Answer:
        answers = list(some)
        return Answer(
            np.concatenate([answer.labels for answer in answers]),
            np.concatenate([answer.probabilities for answer in answers]),
        )

    yield "one by one", lambda: together(compiled.predict(from_rows(names, [row], layout)) for row in given)
    # As the server does.
    yield (
        "cell by cell",
        lambda: together(
            compiled.of_cells(names, row) or compiled.predict(from_rows(names, [row], layout))
            for row in map(list, given)
        ),
    )
    yield "many at once", lambda: compiled.predict(from_rows(names, given, layout).table())
    types = {c.name: pa.float32() for c in layout.columns if c.type == "float"}
    arrow = pa.table(
        {name: pa.array(values, types.get(name), from_pandas=True) for name, values in rows.items()}
    )
    yield "as a file", lambda: compiled.predict(from_arrow(arrow, layout))
