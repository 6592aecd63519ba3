"""What differs between two runs, and why, from what they say of themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from waypost.contracts.metrics import MetricFacts
from waypost.contracts.run_comparison import (
    Change,
    ComponentChange,
    MetricChange,
    RunFacts,
    StepChange,
    StepFacts,
    compare_runs,
)
from waypost.contracts.target import Target
from waypost.release.reproduce import _unrecorded
from waypost.report.comparison import comparison_markdown

LOAD = StepFacts("r1", "k1", "core/load 1.0.0", {"load": "a" * 40}, {"url": "u"}, {}, {}, {"data": "d1"})
TRAIN = StepFacts(
    "r2",
    "k2",
    "core/train 1.0.0",
    {"train": "b" * 40, "kit": "c" * 40},
    {"depth": "8"},
    {"data": "d1", "rules": "x1"},
    {"data": "load"},
    {"model": "m1"},
    {"auc": 0.7, "loss": 1.0, "seconds": 2.0, "rows": 10.0},
    {
        "auc": MetricFacts(better="higher", kind="quality"),
        "loss": MetricFacts(better="lower"),
        "seconds": MetricFacts(kind="time"),
    },
)
BEFORE = RunFacts("one", "p", {"depth": "8", "seed": "1"}, {"load": LOAD, "train": TRAIN})


def after(
    load: dict[str, Any] | None = None, train: dict[str, Any] | None = None, **parameters: str
) -> RunFacts:
    """Returns the run with changes of its steps and parameters."""
    steps = {"load": replace(LOAD, **load or {}), "train": replace(TRAIN, **train or {})}
    return RunFacts("two", "p", {**BEFORE.parameters, **parameters}, steps)


def test_equal_runs() -> None:
    """Nothing differs; how long it took is no difference."""
    other = after(train={"run_id": "r9", "metrics": {**TRAIN.metrics, "seconds": 9.0}})
    found = compare_runs(BEFORE, other)
    assert found.is_equal
    assert "Equal" in comparison_markdown(found)


@pytest.mark.parametrize(
    ("other", "because"),
    [
        ({"key": "k9", "arguments": {"depth": "9"}}, ("depth: 8 → 9",)),
        ({"key": "k9", "arguments": {}}, ("depth: 8 → not set",)),
        ({"key": "k9", "inputs": {**TRAIN.inputs, "data": "d2"}}, ("data: different content from load",)),
        ({"key": "k9", "inputs": {**TRAIN.inputs, "rules": "x2"}}, ("rules: different content",)),
        ({"key": "k9", "trees": {**TRAIN.trees, "kit": "d" * 40}}, ("its code: kit",)),
        ({"key": "k9", "component": "core/train 1.1.0"}, ("its version",)),
        ({"key": "k9"}, ("environment, platform or command",)),
        ({"outputs": {"model": "m2"}}, ()),  # the same key: its component gives something else each time
    ],
)
def test_why_a_step_is_another(other: dict[str, Any], because: tuple[str, ...]) -> None:
    """The cause is what its key is made of: code, arguments, inputs; what is left is its environment."""
    found = compare_runs(BEFORE, after(train=other))
    assert [(step.name, step.state, step.because) for step in found.steps] == [("train", "differs", because)]


def test_data_from_outside() -> None:
    """Content from outside is data, also what a step fetched itself; an earlier step's output is not."""
    moved = after(
        load={"outputs": {"data": "d2"}},
        train={"key": "k9", "inputs": {"data": "d2", "rules": "x2"}, "outputs": {"model": "m2"}},
    )
    found = compare_runs(BEFORE, moved)
    assert found.data == (Change("load.data", "d1", "d2"), Change("train.rules", "x1", "x2"))
    assert found.steps[0] == StepChange("load", "differs", (), ("data",))


def test_components_that_moved() -> None:
    """By their versions; by their trees where these do not tell them apart."""
    found = compare_runs(BEFORE, after(train={"key": "k9", "component": "core/train 1.1.0"}))
    assert found.components == (ComponentChange("train", "core/train 1.0.0", "core/train 1.1.0"),)
    trees = {"train": "e" * 40, "kit": "c" * 40}
    [moved] = compare_runs(BEFORE, after(train={"key": "k9", "trees": trees})).components
    assert moved.before == f"core/train 1.0.0 (train {'b' * 12})"
    assert moved.after == f"core/train 1.0.0 (train {'e' * 12})"


def test_metrics_and_parameters() -> None:
    """A verdict only where the contract says which side is better."""
    values = {"auc": 0.8, "loss": 1.5, "rows": 11.0, "new": 1.0}
    found = compare_runs(BEFORE, after(train={"metrics": values}, depth="9", more="x"))
    assert found.metrics == (
        MetricChange("train/auc", 0.7, 0.8, "better"),
        MetricChange("train/loss", 1.0, 1.5, "worse"),
        MetricChange("train/rows", 10.0, 11.0),
        MetricChange("train/new", None, 1.0),
    )
    assert found.parameters == (Change("depth", "8", "9"), Change("more", None, "x"))


def test_steps_that_one_run_lacks() -> None:
    """They are named, and nothing of them is compared."""
    found = compare_runs(BEFORE, replace(BEFORE, steps={"load": LOAD, "test": TRAIN}))
    assert [(s.name, s.state) for s in found.steps] == [
        ("train", "only in the first"),
        ("test", "only in the second"),
    ]


def test_markdown_of_strangers_words() -> None:
    """Nothing in a value becomes a link, a mention or a column."""
    text = comparison_markdown(compare_runs(BEFORE, after(depth="[x](y) | @all <b>")))
    assert "\\[x\\](y) \\| " in text
    assert "<b>" not in text


def test_a_mapping_is_compared_by_its_values() -> None:
    """Of an argument that is a mapping, the reason names the values that differ, not the whole mapping."""
    was, now = (
        "encode: ordinal\nforest: {trees: 100, depth: 8}",
        "encode: ordinal\nforest: {trees: 300, depth: 8}",
    )
    before = replace(BEFORE, steps={"train": replace(TRAIN, arguments={"model": was})})
    other = replace(BEFORE, steps={"train": replace(TRAIN, key="k9", arguments={"model": now})})
    assert compare_runs(before, other).steps[0].because == ("model.forest.trees: 100 → 300",)


def test_ends_of_an_interval_are_told_once() -> None:
    """They stand beside their metric; alone, where only they differ."""
    facts = {"auc": MetricFacts(better="higher", interval=("low", "high"))}
    was = {"auc": 0.7, "low": 0.6, "high": 0.8}

    def told(**now: float) -> list[MetricChange]:
        steps = [replace(TRAIN, metrics=metrics, facts=facts) for metrics in (was, {**was, **now})]
        before, other = (RunFacts("r", "p", {}, {"train": step}) for step in steps)
        return list(compare_runs(before, other).metrics)

    assert told(auc=0.75, low=0.65) == [
        MetricChange("train/auc", 0.7, 0.75, "better", (0.6, 0.8), (0.65, 0.8))
    ]
    assert told(low=0.65) == [MetricChange("train/low", 0.6, 0.65)]


def test_metrics_that_are_no_numbers() -> None:
    """One that became NaN is a difference without a side; NaN in both runs is none; so is infinity."""
    nan, inf = math.nan, math.inf
    before = after(train={"metrics": {"auc": 0.7, "loss": nan, "rows": inf, "up": -inf}})
    other = after(train={"metrics": {"auc": nan, "loss": nan, "rows": inf, "up": inf}})
    lost, up = compare_runs(before, other).metrics
    assert (lost.name, lost.verdict, lost.difference) == ("train/auc", "", None)
    assert (up.name, up.difference) == ("train/up", inf)


def test_two_pipelines() -> None:
    """Runs of two pipelines are compared, and both pipelines are named."""
    found = compare_runs(BEFORE, replace(BEFORE, name="other"))
    assert found.pipelines == ("p", "other")
    assert "Two pipelines: `p` and `other`." in comparison_markdown(found)
    assert compare_runs(BEFORE, BEFORE).pipelines == ()


def test_a_pull_request_takes_the_comparison() -> None:
    """GitHub takes 65,536 characters: of ten thousand metrics the declared ones come first, others are
    counted; runs are called as they were asked for.
    """
    metrics = [{f"m{n}": float(n * by) for n in range(1, 10_001)} | {"auc": 0.7 + by} for by in (1, 2)]
    found = compare_runs(after(train={"metrics": metrics[0]}), after(train={"metrics": metrics[1]}))
    text = comparison_markdown(found, "1.0.0", "1.1.0")
    assert text.startswith("### `1.0.0` → `1.1.0`\n")
    assert "| train/auc | 1\\.7000 |" in text
    assert "and 9,941 more" in text
    assert len(text) < 10_000
    long = "|`" * 200
    wide = replace(found, parameters=tuple(Change(f"{n}{long}", "a", "b") for n in range(500)))
    assert len(comparison_markdown(wide)) <= 60_000


def test_a_release_without_a_record_of_its_run() -> None:
    """The hint names the file, the branch that should have it, and the command that writes it."""
    error = _unrecorded(Target("https://example.org/grades.git", "", "1.0.0"), "1.0.0")
    assert "no record of a run" in str(error)
    assert "default branch" in error.hint
    assert "releases/1.0.0.run.json" in error.hint
    assert "`waypost release record 1.0.0`" in error.hint
