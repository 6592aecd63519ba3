"""The codes of a fitted encoder, found by calling it, and the imputers before it, with each value."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from waypost.inference.coded import Coded, Coding
from waypost.inference.layout import EXACT
from waypost.inference.learned import NotCompilableError

_MOST_CELLS = 1 << 25
Code = list[tuple[int, float | None]] | None


def asked(steps: Sequence[Any], names: list[str], texts: Collection[str]) -> list[Coded]:
    """Returns the codes of columns after some steps, the last an encoder; the others at most fill missing
    values. Adjacent columns of one kind form one part.

    Args: `texts` are the text columns. Raises NotCompilableError.
    """
    for step in steps[:-1]:
        _check_filler(step)
    encoder = steps[-1]
    if getattr(encoder, "target_type_", "") == "multiclass":
        raise NotCompilableError(f"{type(encoder).__name__} of more than two classes")
    pairs = zip(names, encoder.categories_, strict=True)
    known = [_known(values, is_text=name in texts) for name, values in pairs]
    if not all(known):
        raise NotCompilableError(f"{type(encoder).__name__} of a column without values")
    widths = _widths(encoder)
    if sum(widths) * max(map(len, known)) > _MOST_CELLS:
        raise NotCompilableError(f"{type(encoder).__name__} with too many categories")
    first = {name: values[0] for name, values in zip(names, known, strict=True)}
    codings = []
    start = 0
    for name, values, width in zip(names, known, widths, strict=True):
        ask = partial(_codes, steps, first, name, slice(start, start + width), texts)
        codings.append(_coding(ask, values, width, f"column {name!r}: {type(encoder).__name__}"))
        start += width
    found = []
    for is_text, some in groupby(zip(names, codings, strict=True), key=lambda pair: pair[0] in texts):
        columns, of = zip(*some, strict=True)
        found.append(Coded(columns=list(columns), codings=list(of), is_text=is_text))
    return found


def _coding(ask: Callable[[Sequence[Any]], list[Code]], values: list[Any], width: int, place: str) -> Coding:
    """Returns the codes, by `ask`, of a column's values, of an unknown one and of a missing one."""
    codes = ask(values)
    if None in codes:
        raise NotCompilableError(f"{place} refuses one of its categories")
    missing = ask([np.nan])[0]
    if isinstance(values[0], str) and missing != ask([None])[0]:
        problem = "has different codes for None and NaN, and a missing text may be either"
        raise NotCompilableError(f"{place} {problem}; fill it first: SimpleImputer(missing_values=pandas.NA)")
    return Coding(known=values, codes=[*codes, ask([_unknown(values)])[0], missing], width=width)


def _check_filler(step: Any) -> None:
    """Raises NotCompilableError unless a step keeps all columns, and changes missing values at most."""
    import operator

    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer

    if isinstance(step, FunctionTransformer) and (
        step.func is None or isinstance(step.func, operator.methodcaller)
    ):
        if step.func is None or step.func.__reduce__()[1][0] == "fillna":
            return
    elif isinstance(step, SimpleImputer):
        if step.add_indicator:
            raise NotCompilableError("SimpleImputer with an indicator before an encoder")
        return
    raise NotCompilableError(f"{type(step).__name__} before an encoder has no compiled form")


def _known(values: Any, *, is_text: bool) -> list[Any]:
    """Returns the categories that are not missing. Raises NotCompilableError for other types."""
    found = [value for value in np.asarray(values).tolist() if value is not None and value == value]  # noqa: PLR0124
    if is_text:
        if not all(isinstance(value, str) for value in found):
            raise NotCompilableError("an encoder of text with categories that are not text")
        return found
    if not all(isinstance(value, (bool, int, float)) for value in found):
        raise NotCompilableError("an encoder of numbers with categories that are not numbers")
    if any(abs(value) >= EXACT for value in found):
        raise NotCompilableError("an encoder with a category beyond 2^53, which float64 rounds")
    return [float(value) for value in found]


def _widths(encoder: Any) -> list[int]:
    """Returns the number of features of each column."""
    from sklearn.preprocessing import OneHotEncoder

    widths = [len(values) for values in encoder.categories_]
    if not isinstance(encoder, OneHotEncoder):
        return [1] * len(widths)
    rare = getattr(encoder, "infrequent_categories_", [None] * len(widths))
    dropped = [None] * len(widths) if encoder.drop_idx_ is None else encoder.drop_idx_
    return [
        width - (0 if few is None else len(few) - 1) - (place is not None)
        for width, few, place in zip(widths, rare, dropped, strict=True)
    ]


def _unknown(values: list[Any]) -> Any:
    """Returns a value that is not among the given ones."""
    return "".join(values) + "?" if isinstance(values[0], str) else max(map(abs, values)) * 2 + 1.5


def _codes(
    steps: Sequence[Any],
    first: dict[str, Any],
    column: str,
    at: slice,
    texts: Collection[str],
    given: Sequence[Any],
) -> list[Code]:
    """Returns the code of each value of a column, with the first value in the other columns; no code for
    refused values.
    """
    import pandas as pd

    rows = {name: [value] * len(given) for name, value in first.items()} | {column: list(given)}
    kinds = {name: "object" if name in texts else "float64" for name in rows}
    table: Any = pd.DataFrame(rows, dtype=object).astype(kinds)
    try:
        for step in steps:
            table = step.transform(table)
    except (ValueError, TypeError):
        return [None] * len(given)
    dense = np.asarray(table.todense() if hasattr(table, "todense") else table, dtype=np.float64)
    return [_code(row) for row in dense[:, at]]


def _code(row: Any) -> Code:
    return [
        (place, None if np.isnan(row[place]) else float(row[place])) for place in np.flatnonzero(row).tolist()
    ]
