"""The walk through trees: both ways give the bits of the plain rule, and follow no bad form."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest

from tests import walks
from waypost.inference.forest import NATIVE, Forest, extension
from waypost.inference.graphs import GraphWalk
from waypost.inference.trees import FormError, Tree, from_bytes, laid_out

WAYS = ["native", "graphs"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the two ways to walk; the native one only where the extension is installed."""
    if request.param == "graphs":
        monkeypatch.setenv(NATIVE, "0")
    elif extension() is None:
        pytest.skip("waypost-walk is not installed")
    return str(request.param)


def same_bits(given: Any, expected: Any) -> bool:
    return bool(given.shape == expected.shape and given.tobytes() == expected.tobytes())


@pytest.mark.parametrize(
    ("count", "is_whole"), [(1, False), (5, False), (17, False), (300, False), (300, True)]
)
def test_sums_are_the_same_bits(way: str, count: int, *, is_whole: bool) -> None:
    """Whatever the trees, the thresholds and the values, missing and infinite ones too: the sums are those of
    the plain rule, one row or many, groups that are full and one that is not, rows with and without NaN.
    """
    for seed in range(12):
        choose = random.Random(seed)
        trees = walks.trees(choose)
        features = walks.rows(choose, trees, count)
        if is_whole:
            features[np.isnan(features)] = np.inf
        expected = walks.plain_sums(trees, features)
        found = Forest(trees.to_bytes(), 0).sums(features)
        assert same_bits(found, expected), seed


def test_rows_beyond_a_block_get_the_same_bits(way: str) -> None:
    """Trees meet a block of rows at a time: rows before and after the end of a block get the sums of
    the plain rule.
    """
    choose = random.Random(2)
    trees = walks.trees(choose)
    some = walks.rows(choose, trees, 100)
    places = np.random.default_rng(0).integers(0, len(some), size=9000)
    sums = Forest(trees.to_bytes(), 0).sums(some[places])
    assert same_bits(sums, walks.plain_sums(trees, some)[places])


def test_a_form_is_read_as_it_was_written() -> None:
    """The bytes of trees say all of them, narrow nodes and wide ones, and are the same bytes again."""
    for seed in range(50):
        trees = walks.trees(random.Random(seed))
        again = from_bytes(trees.to_bytes())
        assert again.to_bytes() == trees.to_bytes()
        for name in ("roots", "threshold", "below", "feature", "missing_first", "values", "start"):
            np.testing.assert_array_equal(getattr(again, name), getattr(trees, name))
        assert (again.width, again.is_single, again.dtype) == (trees.width, trees.is_single, trees.dtype)


def test_nodes_that_do_not_fit_into_32_bits_are_wide(way: str) -> None:
    """Nodes and features that 32 bits cannot say become nodes of 16 bytes, with the same answers."""
    width = 1 << 22
    choose = random.Random(0)
    given = [walks.tree(choose, width, 1, least=9000, most=9000)]
    trees = laid_out(given, width, np.zeros(1))
    form = trees.to_bytes()
    assert from_bytes(form).dtype == np.float64
    features = np.random.default_rng(0).normal(size=(1, width)).astype(np.float32)
    assert same_bits(Forest(form, 0).sums(features), walks.plain_sums(trees, features))


def test_threads_get_the_same(way: str) -> None:
    """Several threads ask one form at once, and each gets its own rows' sums."""
    choose = random.Random(1)
    trees = walks.trees(choose)
    forest = Forest(trees.to_bytes(), 0)
    tables = [walks.rows(choose, trees, 200) for _ in range(4)]
    expected = [walks.plain_sums(trees, table) for table in tables]
    wrong: list[int] = []

    def ask(number: int) -> None:
        found = [forest.sums(tables[number]) for _ in range(50)]
        wrong.extend(number for sums in found if not same_bits(sums, expected[number]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_changed_form_is_refused_or_answered() -> None:
    """Forms with changed bytes: both readers refuse the same ones, and answer the others alike."""
    outcomes = set()
    for seed in range(400):
        choose = random.Random(seed)
        outcomes.add(walks.answered(walks.changed(walks.trees(choose, most=5).to_bytes(), choose), choose))
    assert outcomes == {"refused", "answered"}


def test_a_call_with_other_sizes_is_refused(way: str) -> None:
    """Features or sums that are not of the form's rows are refused before anything is read or written."""
    if way != "native":
        return
    trees = walks.trees(random.Random(3))
    walk = extension().Trees(trees.to_bytes())
    row = np.zeros((1, trees.width), dtype=trees.dtype)
    sums = np.zeros((1, trees.outputs))
    for features, target in ((row[:, :0], sums), (row, sums[:0]), (row.tobytes() + b"x", sums)):
        with pytest.raises(ValueError, match="not of the form's rows"):
            walk.add_up(features, target)
    with pytest.raises((TypeError, BufferError)):
        walk.add_up(row, sums.tobytes())


def test_deep_trees_are_refused(way: str) -> None:
    """A tree deeper than 1,000 levels is no form: a walk through it would take as long as it is deep."""
    depth = 1001
    size = 2 * depth + 1
    left = np.array([2 * (i // 2) + 1 if i % 2 == 0 and i < 2 * depth else -1 for i in range(size)])
    right = np.where(left < 0, -1, left + 1)
    one = np.zeros(size)
    with pytest.raises(FormError, match="deeper than 1,000"):
        laid_out([Tree(left, right, one.astype(int), one, one, one[:, None])], 1, np.zeros(1))


def test_graphs_are_made_when_they_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extension a form is checked when it is loaded, and the first row finds its graph ready."""
    monkeypatch.setenv(NATIVE, "0")
    forest = Forest(walks.trees(random.Random(5)).to_bytes(), 0)
    assert isinstance(forest._walk, GraphWalk)
    forest.warm()
    assert "_row" in vars(forest._walk)
    with pytest.raises(FormError, match="header"):
        Forest(b"WAYPOSTT" + bytes(60), 0)
