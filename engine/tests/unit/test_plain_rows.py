"""Features of one row by the extension, from its cells: the bits of the longer way, or it is left to that."""

from __future__ import annotations

import random
from array import array
from typing import Any

import numpy as np
import pytest

from tests import row_plans
from waypost.contracts.mlmodel import Column
from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.coded import Coded, Coding
from waypost.inference.compiled import Compiled, Content, Weights
from waypost.inference.features import Kind, Numbers
from waypost.inference.forest import NATIVE, extension
from waypost.inference.layout import Layout, TableError
from waypost.inference.plain_rows import plain_rows
from waypost.inference.preprocessing import Plan
from waypost.inference.table import from_rows
from waypost.inference.words import Words

NUMBERS, TEXTS = ["x", "y", "z"], ["s", "t"]
LAYOUT = Layout(
    (
        *(Column(name=name, type="double", required=False) for name in NUMBERS),
        *(Column(name=name, type="string", required=False) for name in TEXTS),
    )
)
NAMES = (*NUMBERS, *TEXTS)
KINDS = [Kind(is_wide=wide, is_open=is_open) for wide in (False, True) for is_open in (False, True)]


@pytest.fixture(autouse=True)
def native() -> Any:
    """The extension."""
    if (found := extension()) is None:
        pytest.skip("waypost-walk is not installed")
    return found


def some_parts(choose: random.Random) -> list[Any]:
    """Returns parts of each kind with any options."""
    known, some = choose.sample(row_plans.TEXTS, 4), choose.sample(NUMBERS, 2)
    codes: list[Any] = [[(0, 1.0)], [(1, None)], choose.choice([None, []]), [(0, -1.0)]]
    return [
        Numbers(
            columns=some,
            fill=choose.choice([None, [0.5, -1.0]]),
            subtract=choose.choice([None, [0.1, 1e300]]),
            divide=choose.choice([None, [3.0, 1e-30]]),
            single=choose.random() < 0.1,
            missing=choose.random() < 0.5,
        ),
        Codes(columns=["s"], categories=[known], fill=choose.choice([None, *known])),
        OneHot(columns=TEXTS, categories=[known, known[:1]], fill=choose.choice([None, "?"])),
        NumberCategories(columns=["z"], categories=[[0.0, 1.0]], fill=0.0, spread=choose.random() < 0.5),
        Coded(columns=["t"], codings=[Coding(known=known[:2], codes=codes, width=2)]),
        Coded(columns=["z"], codings=[Coding(known=[0.0, 1.0], codes=codes, width=2)], is_text=False),
        Words(column="t", fill="a", vocabulary={"a": 0, "b": 1}, pattern="(?u)\\w+", norm="l2"),
    ]


def some_cells(choose: random.Random) -> tuple[tuple[str, ...], list[Any]]:
    """Returns a row with columns in any order, with others, without some, with odd values and too many."""
    odd = choose.choice([0.0, 0.0, 0.3])

    def value(usual: list[Any]) -> Any:
        return choose.choice([None, *(row_plans.ODD if choose.random() < odd else usual)])

    row = {name: value(row_plans.NUMBERS) for name in NUMBERS} | {n: value(row_plans.TEXTS) for n in TEXTS}
    if choose.random() < 0.2:
        row["other"] = 1j
    if choose.random() < 0.2:
        del row[choose.choice(NAMES)]
    names = choose.sample(list(row), len(row))
    cells = [row[name] for name in names] + [1.0] * (choose.random() < odd / 3)
    return tuple(names), cells


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_features_are_the_same_bits(native: Any, kind: Kind) -> None:
    """Whatever the parts and the cells: the row is written with the bits of the longer way, or left to it."""
    plain = 0
    for seed in range(100):
        choose = random.Random(seed)
        parts = some_parts(choose)
        plan = Plan(parts=choose.sample(parts, choose.randint(1, len(parts))))
        cells_of, fast = plan.bound_cells(LAYOUT, kind), plain_rows(native, plan, LAYOUT, kind)
        assert fast is not None
        for _ in range(10):
            names, cells = some_cells(choose)
            found = fast.features(names, cells)
            if found is None:
                continue
            rows = from_rows(names, [cells], LAYOUT)
            expected = cells_of(rows.values[0], rows.words[0])  # type: ignore[union-attr]  # a few rows
            assert (found.tobytes(), found.typecode) == (expected.tobytes(), expected.typecode), (seed, cells)
            plain += 1
    assert plain > 200


ROW = [1.0, 2, None, "a", None]
PLAIN: dict[str, tuple[list[Any], bool]] = {
    "as it is": (ROW, True),
    "a boolean": ([True, 2.0, 0.0, "a", "b"], True),
    "an unknown text": ([1.0, 2.0, 0.0, "never seen", "b"], True),
    "a text for a number": (["1", 2.0, 0.0, "a", "b"], False),
    "a number for a text": ([1.0, 2.0, 0.0, 1, "b"], False),
    "an integer beyond float64": ([10**400, 2.0, 0.0, "a", "b"], False),
    "a number beyond float32": ([1e300, 2.0, 0.0, "a", "b"], False),
    "a missing number without fill": ([None, 2.0, 0.0, "a", "b"], False),
    "a list": ([[], 2.0, 0.0, "a", "b"], False),
    "too few cells": (ROW[:4], False),
    "too many cells": ([*ROW, 1.0], False),
}


def model(*, native: bool, monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """Returns a linear model of two numbers and a text."""
    monkeypatch.setenv(NATIVE, "1" if native else "0")
    parts: list[Any] = [Numbers(columns=["x", "y"]), Codes(columns=["s"], categories=[["b", "a"]])]
    weights = Weights(factors=[[1.0, 10.0, 100.0]], intercept=[0.5])
    return Compiled(
        Content(plan=Plan(parts=parts), classes=None, link="identity", weights=weights), None, LAYOUT
    )


@pytest.mark.parametrize("name", PLAIN)
def test_which_rows_are_plain(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Usual rows are answered from their cells, with the answer of `predict`; odd ones are not."""
    cells, is_plain = PLAIN[name]
    form = model(native=True, monkeypatch=monkeypatch)
    found = form.of_cells(NAMES, cells)
    assert (found is not None) == is_plain
    if found is not None:
        assert found.predictions == form.predict(from_rows(NAMES, [cells], LAYOUT)).predictions


def test_a_warm_model_has_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codes of all known texts are made when a model is loaded, not while the first request waits."""
    form = model(native=True, monkeypatch=monkeypatch)
    form.warm()
    assert "_plain" in vars(form)


def test_columns_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns come in any order, with others between them, and may be missing if they may; a misspelt one is
    left to the longer way, which names it.
    """
    form = model(native=True, monkeypatch=monkeypatch)
    found = form.of_cells(("s", "other", "y", "x"), ["a", [], 2.0, 1.0])
    assert found is not None
    assert found.predictions == [121.5]
    assert form.of_cells(("s", "y", "x", "x"), ["a", 2.0, 1.0, 1.0]) is None
    assert form.of_cells(("s", "y", "x", "zz"), ["a", 2.0, 1.0, 1.0]) is None
    with pytest.raises(TableError, match="appears twice"):
        LAYOUT.picks(("x", "x"))


def test_without_the_extension_no_row_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longer way answers all rows if the extension is disabled, or is one that walks only."""
    assert model(native=False, monkeypatch=monkeypatch).of_cells(NAMES, ROW) is None
    assert plain_rows(object(), Plan(parts=[Numbers(columns=["x"])]), LAYOUT, Kind()) is None


@pytest.mark.parametrize("kind", ["long", "float", "boolean"])
def test_columns_that_need_more_are_left(native: Any, kind: str) -> None:
    """Whole numbers are checked and 32-bit numbers rounded, which the longer way does."""
    layout = Layout((Column(name="x", type=kind),))
    assert plain_rows(native, Plan(parts=[Numbers(columns=["x"])]), layout, Kind()) is None


def test_plans_and_rows_are_checked(native: Any) -> None:
    """The extension takes the plain rule's rows, and refuses plans and buffers that are none."""
    with np.errstate(all="ignore"):
        outcomes = {
            row_plans.outcome(native, row_plans.changed(row_plans.plan(choose), choose), choose)
            for choose in map(random.Random, range(500))
        }
    assert outcomes == {"refused", "answered"}
    features = native.Features(4, 2, 1, 0, b"", ())
    for places, out in ((array("i"), bytearray(8)), (array("i", [0]), bytearray(7))):
        with pytest.raises(ValueError, match="not of the plan's row"):
            features.write([1.0], places, out)
    with pytest.raises((TypeError, BufferError)):
        features.write([1.0], array("i", [0]), bytes(8))


def test_an_error_of_a_function_is_its_own(native: Any) -> None:
    """What the function to a text's code raises is raised."""
    features = native.Features(4, 2, 0, 1, b"", ((0, {}, lambda text: 1 / len(text)),))
    with pytest.raises(ZeroDivisionError):
        features.write([""], array("i", [0]), bytearray(8))


@pytest.mark.parametrize("left", [[], [1.0, "a", []], [1.0, "a", 1j]], ids=str)
def test_a_function_may_change_the_row(native: Any, left: list[Any]) -> None:
    """A row that the function to a text's code makes shorter, or of other types, is not plain."""

    def code(_: str) -> bytes:
        cells[:] = left
        return b""

    cells = [1.0, "a", "b"]
    features = native.Features(4, 1, 1, 2, b"", ((0, {}, code), (1, {}, b"")))
    assert features.write(cells, array("i", [0, 1, 2]), bytearray(4)) is False
