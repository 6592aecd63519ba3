"""The trees of a LightGBM model, from its own text format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from waypost.inference.features import Kind
from waypost.inference.learned import TOLERANCE, Learned, NotCompilableError, said_by_booster
from waypost.inference.links import Link
from waypost.inference.memberships import THRESHOLD, Sets, bits_of
from waypost.inference.trees import Tree, laid_out

_LINKS: dict[str, Link] = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "log"),
    "binary": "logit",
    "multiclass": "softmax",
}
_ZERO = float(np.float32(1e-35))
"""LightGBM takes numbers that are no larger as 0."""

_IS_CATEGORY, _DEFAULT_LEFT, _ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2, 4, 8


def learned_by_lightgbm(model: Any) -> Learned:
    """Returns the trees of a fitted estimator or a booster. Raises NotCompilableError."""
    booster = getattr(model, "booster_", model)
    head, *parts = booster.model_to_string().split("\nTree=")
    facts = dict(_pairs(head))
    name, *options = facts.get("objective", "").split(" ")
    link = _LINKS.get(name)
    if "average_output" in head.splitlines():
        raise NotCompilableError("LightGBM that averages its trees (boosting_type='rf')")
    if link is None or "sqrt" in options:
        raise NotCompilableError(f"LightGBM with the objective {' '.join((name, *options))!r}")
    if link == "logit" and "sigmoid:1" not in options:
        raise NotCompilableError("LightGBM with a custom sigmoid")
    classes = model.classes_.tolist() if hasattr(model, "classes_") else None
    if classes is None:
        link = said_by_booster(link)
    width, outputs = int(facts["max_feature_idx"]) + 1, int(facts["num_tree_per_iteration"])
    sets, given = Sets(width), [dict(_pairs(part)) for part in parts]
    added = [_asked_sets(tree, sets) for tree in given]
    trees = [
        _tree(tree, {node: sets.place(one) for node, one in of.items()})
        for tree, of in zip(given, added, strict=True)
    ]
    laid = laid_out(trees, width + len(sets), np.zeros(outputs), dtype=np.float64)
    return Learned(
        width,
        link,
        laid,
        kind=Kind(is_wide=True, is_open=True),
        takes_missing=True,
        by_probability=True,
        classes=classes,
        tolerance=0.0 if link == "identity" else TOLERANCE,
        members=sets.members(is_truncated=True),
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yields the keys and values of a section, up to the next empty line."""
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if sign:
            yield key, value


def _asked_sets(facts: dict[str, str], sets: Sets) -> dict[int, tuple[int, int]]:
    """Returns a tree's sets of categories, by node; missing values go to the other child."""
    if int(facts.get("num_cat", 0)) == 0:
        return {}
    decision, feature = _numbers(facts, "decision_type", int), _numbers(facts, "split_feature", int)
    number, starts = _numbers(facts, "threshold", float), _numbers(facts, "cat_boundaries", int)
    words = _numbers(facts, "cat_threshold", int)
    found = {}
    for node in np.flatnonzero(decision & _IS_CATEGORY).tolist():
        split = int(number[node])
        left = bits_of(words[starts[split] : starts[split + 1]])
        found[node] = sets.add(int(feature[node]), left, other=False, missing=False)
    return found


def _tree(facts: dict[str, str], sets: dict[int, int]) -> Tree:
    """Returns one tree of a dump, with splits by `sets`. Raises NotCompilableError."""
    if facts.get("is_linear") == "1":
        raise NotCompilableError("LightGBM with linear trees")
    leaves = _numbers(facts, "leaf_value", float)
    inner = len(leaves) - 1
    said = np.concatenate([np.zeros(inner), leaves])[:, None]
    if not inner:
        none = np.zeros(1)
        return Tree(none - 1, none - 1, none, none, none, said)
    decision = _numbers(facts, "decision_type", int)
    if (decision & _ZERO_IS_MISSING).any():
        raise NotCompilableError("LightGBM with 0 as a missing value")
    threshold, feature = _numbers(facts, "threshold", float), _numbers(facts, "split_feature", int)
    threshold = _beside_zero(threshold)
    for node, place in sets.items():
        feature[node], threshold[node] = place, THRESHOLD
    # Missing values have their own branch, or count as 0 if none were missing in training.
    goes_left = np.where(decision & _NAN_IS_MISSING, decision & _DEFAULT_LEFT != 0, threshold >= 0)
    rest = np.zeros(len(leaves))

    def child(name: str) -> Any:
        given = _numbers(facts, name, int)
        return np.concatenate([np.where(given < 0, inner - 1 - given, given), rest.astype(int) - 1])

    return Tree(
        child("left_child"),
        child("right_child"),
        np.concatenate([feature, rest.astype(int)]),
        np.concatenate([threshold, rest]),
        np.concatenate([goes_left, rest]),
        said,
    )


def _beside_zero(threshold: Any) -> Any:
    """Returns thresholds with which numbers that LightGBM takes as 0 go where 0 goes."""
    below = np.where((threshold < 0) & (threshold >= -_ZERO), np.nextafter(-_ZERO, -np.inf), threshold)
    return np.where((below >= 0) & (below < _ZERO), _ZERO, below)


def _numbers(facts: dict[str, str], name: str, kind: type) -> Any:
    return np.array([kind(value) for value in facts[name].split()])
