"""The answer for one row, without arrays, against that of `evaluate`."""

from __future__ import annotations

import random
from array import array
from typing import Any

import numpy as np
import pytest

from tests import walks
from waypost.contracts.mlmodel import Column
from waypost.inference.compiled import Compiled, Content
from waypost.inference.features import Kind, Numbers
from waypost.inference.forest import NATIVE
from waypost.inference.layout import Layout
from waypost.inference.links import Cut, RowAnswer
from waypost.inference.preprocessing import Plan
from waypost.inference.table import Rows
from waypost.inference.trees import Trees

CLASSES: list[Any] = [["a", "b"], [0, 1], [0.5, 1.5], [False, True]]


def compiled(trees: Trees, **more: Any) -> Compiled:
    """Returns a model of trees whose features are given as they are."""
    names = [f"x{place}" for place in range(trees.width)]
    content = Content(
        plan=Plan(parts=[Numbers(columns=names)]),
        trees=len(trees.roots),
        kind=Kind(is_wide=trees.dtype is np.float64, is_open=True),
        **more,
    )
    model = Compiled(content, trees.to_bytes(), Layout(tuple(Column(name=n, type="double") for n in names)))
    model._cells = lambda values, _: array(content.kind.code, [v for v in values if v is not None])
    return model


def some_trees(seed: int) -> tuple[Trees, Any]:
    """Returns trees with any values, infinite and missing ones too, and a few rows for them."""
    choose = random.Random(seed)
    trees = walks.trees(choose)
    return trees, walks.rows(choose, trees, 8)


def check(model: Compiled, features: Any) -> None:
    for row in features:
        expected = model.evaluate(np.ascontiguousarray(row[None], model.content.kind.dtype))
        found = model.predict(Rows([tuple(row.tolist())], [()], model.layout))
        assert found.predictions == expected.predictions or np.isnan(expected.predictions[0])
        for given, wanted in (
            (found.labels, expected.labels),
            (found.probabilities, expected.probabilities),
        ):
            assert (given.dtype, given.shape) == (wanted.dtype, wanted.shape)
            np.testing.assert_array_equal(given, wanted)
        assert found.probabilities.tobytes() == expected.probabilities.tobytes()


@pytest.mark.parametrize("way", ["native", "graphs"])
@pytest.mark.parametrize("classes", [*CLASSES, None], ids=str)
def test_it_is_the_answer_of_arrays(way: str, classes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels, probabilities, types and bits are those of `evaluate`, whatever the trees add up to: ties,
    infinite sums, and sums that are no numbers.
    """
    if way == "graphs":
        monkeypatch.setenv(NATIVE, "0")
    for seed in range(10 if way == "graphs" else 60):
        trees, rows = some_trees(seed)
        if classes is not None:
            names = (
                [*classes, *range(2, trees.outputs)][: trees.outputs]
                if isinstance(classes[0], int)
                else classes
            )
            if len(names) != trees.outputs:
                continue
            check(compiled(trees, classes=names), rows)
            if trees.outputs == 2:
                check(compiled(trees, classes=names, cut=Cut(positive=1, threshold=0.25)), rows)
                check(compiled(trees, classes=names, cut=Cut(positive=0, threshold=0.25)), rows)
        elif trees.outputs == 1:
            check(compiled(trees, classes=None, has_probabilities=True), rows)
            check(compiled(trees, classes=None, link="identity"), rows)


def test_most_rows_need_no_arrays() -> None:
    """What is asked most, a class by the mean of trees, is answered without an array; what needs more than a
    quotient is left to `evaluate`.
    """
    trees = next(trees for trees, _ in map(some_trees, range(100)) if trees.outputs == 1)
    row = Rows([(0.0,) * trees.width], [()], Layout(()))
    assert isinstance(compiled(trees, classes=None).predict(row), RowAnswer)
    for more in ({"link": "log"}, {"is_single": True}):
        assert not isinstance(compiled(trees, classes=None, **more).predict(row), RowAnswer)
