"""Random models of every kind and random tables: the compiled form says what the original says, or refuses
what it refuses; one row and many, with the extension and without.

`make models` asks 2,000 tables of each kind.
"""

from __future__ import annotations

import os
import random
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests import random_models
from waypost.inference.compiled import Answer, Compiled, Content
from waypost.inference.compiling import compiled_form
from waypost.inference.forest import NATIVE
from waypost.inference.layout import Layout, TableError
from waypost.inference.table import from_arrow, from_rows

# Of each kind; a model is asked four of them.
TABLES = int(os.environ.get("RANDOM_TABLES", "4"))
_ASKED, _ROWS = 4, 6


@pytest.mark.parametrize("kind", random_models.KINDS)
def test_random_models(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels and probabilities are the original's, trees' sums bit by bit, all else within the tolerance that
    the form states; what the original refuses is refused, and nothing else.
    """
    if kind in random_models.LIBRARIES:
        pytest.importorskip(kind)
    warnings.simplefilter("ignore")
    answered = 0
    for number in range(-(-TABLES // _ASKED)):
        choose = random.Random(f"{kind} {number}")
        model, learned = random_models.made(kind, choose)
        forms = compiled(model, learned, monkeypatch)
        for asked in range(_ASKED):
            table = random_models.table(choose, _ROWS, wild=asked % 2 == 1)[list(learned.columns)]
            with np.errstate(over="ignore"):
                table = table.astype(learned.dtypes.to_dict())
            answered += compare(model, forms, table, f"{kind}, model {number}, table {asked}")
    assert answered > 0


def compiled(model: Any, learned: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> list[Compiled]:
    """Returns the compiled form as it is stored and read, walked by the extension and by ONNX Runtime."""
    columns = random_models.columns_of(learned)
    content, trees = compiled_form(model, columns)
    content = Content.model_validate_json(content.model_dump_json())
    forms = []
    for native in ("1", "0"):
        monkeypatch.setenv(NATIVE, native)
        forms.append(Compiled(content, trees, Layout(columns)))
    return forms


def compare(model: Any, forms: list[Compiled], table: pd.DataFrame, place: str) -> int:
    """Compares the answers to each row of a table, and to all of them at once; returns how many have one."""
    expected = [original(model, table.iloc[i : i + 1]) for i in range(len(table))]
    names = tuple(table.columns)
    plain = table.astype(object).where(table.notna(), None)
    for form in forms:
        found = [answer(form, names, row) for row in plain.to_numpy().tolist()]
        for row, (one, other) in enumerate(zip(expected, found, strict=True)):
            assert (one is None) == (other is None), (place, row, plain.iloc[row].to_dict())
            if one is not None and other is not None:
                assert_alike(one, other, form, f"{place}, row {row}")
        kept = [row for row, one in enumerate(found) if one is not None]
        if kept:
            at_once = form.predict(from_arrow(arrow(table.iloc[kept]), form.layout))
            alone = [found[row] for row in kept]
            for row, one in enumerate(alone):
                assert one is not None
                same = Answer(at_once.labels[row : row + 1], at_once.probabilities[row : row + 1])
                assert_alike(same, one, form, f"{place}, batch, row {row}")
    return sum(one is not None for one in expected)


def assert_alike(one: Answer, other: Answer, form: Compiled, place: str) -> None:
    tolerance = form.content.tolerance
    np.testing.assert_allclose(
        other.probabilities, one.probabilities, rtol=tolerance, atol=tolerance, err_msg=place
    )
    if form.content.classes is None:
        np.testing.assert_allclose(
            other.labels, one.labels.astype(float), rtol=tolerance, atol=tolerance, err_msg=place
        )
    elif one.labels.tolist() != other.labels.tolist():  # two may be as probable
        first, second = np.sort(one.probabilities[0])[-2:]
        assert second - first <= 2 * tolerance, (place, one, other)


def original(model: Any, row: pd.DataFrame) -> Answer | None:
    """Returns what the original says of a row, None where it refuses it."""
    try:
        labels = np.asarray(model.predict(row))
        chances = model.predict_proba(row) if hasattr(model, "classes_") and len(model.classes_) else None
    except ValueError:
        return None
    return Answer(labels, np.empty((1, 0)) if chances is None else np.asarray(chances))


def answer(form: Compiled, names: tuple[str, ...], row: list[Any]) -> Answer | None:
    """Returns the answer to a row; straight from its cells, it is none or the same bits."""
    from_cells = form.of_cells(names, row)
    try:
        found = form.predict(from_rows(names, [row], form.layout))
    except TableError:
        assert from_cells is None
        return None
    if from_cells is not None:
        assert from_cells.labels.tolist() == found.labels.tolist()
        assert from_cells.probabilities.tobytes() == found.probabilities.tobytes()
    return found


def arrow(table: pd.DataFrame) -> pa.Table:
    return pa.table({name: pa.array(table[name], from_pandas=True) for name in table})
