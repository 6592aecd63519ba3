"""The trees of an XGBoost model, from its own JSON."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from waypost.inference.features import Kind
from waypost.inference.learned import SINGLE_TOLERANCE, Learned, NotCompilableError, said_by_booster
from waypost.inference.links import Link
from waypost.inference.memberships import THRESHOLD, Expansion, Sets
from waypost.inference.trees import Floats, Tree, Trees, laid_out

_LINKS: dict[str, Link] = {
    "reg:squarederror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "count:poisson": "log",
    "reg:gamma": "log",
    "reg:tweedie": "log",
    "binary:logistic": "logit",
    "multi:softprob": "softmax",
}


_SURE = np.float32(1e-6)
"""XGBoost begins with no smaller probability, also where it has learned one class only."""


def learned_by_xgboost(model: Any) -> Learned:
    """Returns the trees of a fitted estimator or a booster. Raises NotCompilableError."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if not math.isnan(getattr(model, "missing", math.nan) or 0.0):
        raise NotCompilableError("XGBoost with another marker for missing values")
    content = json.loads(bytes(booster.save_raw("json")))["learner"]
    name = content["objective"]["name"]
    link = _LINKS.get(name)
    kind = content["gradient_booster"]["name"]
    if link is None or kind != "gbtree":
        raise NotCompilableError(f"XGBoost with the objective {name} and the booster {kind}")
    classes = model.classes_.tolist() if hasattr(model, "classes_") else None
    facts = content["learner_model_param"]
    outputs, width = max(int(facts["num_class"]), 1), int(facts["num_feature"])
    inner = content["gradient_booster"]["model"]
    if int(facts.get("num_target", 1)) > 1:
        raise NotCompilableError("XGBoost with several targets")
    if int(inner["gbtree_model_param"].get("num_parallel_tree", 1)) > 1:
        raise NotCompilableError("XGBoost with several trees a round (num_parallel_tree)")
    given = inner["trees"]
    if inner["tree_info"] != [number % outputs for number in range(len(given))]:
        raise NotCompilableError("XGBoost with several trees in parallel")
    if hasattr(model, "get_booster") and (best := _best(model)) is not None:
        given = given[: (best + 1) * outputs]
    sets = Sets(width)
    added = [_asked_sets(tree, sets) for tree in given]
    found = [
        _tree(tree, {node: sets.place(one) for node, one in of.items()})
        for tree, of in zip(given, added, strict=True)
    ]
    laid = _started(found, sets, _start(facts["base_score"], link, outputs), booster)
    return Learned(
        width,
        link if classes else said_by_booster(link),
        laid,
        # An estimator predicts in place, a booster with a table that checks for infinities.
        kind=Kind(is_open=hasattr(model, "get_booster")),
        takes_missing=True,
        skips_zeros=True,
        by_probability=True,
        is_single=True,
        classes=classes,
        tolerance=0.0 if link == "identity" else SINGLE_TOLERANCE,
        members=sets.members(),
    )


def _best(model: Any) -> int | None:
    try:
        return int(model.best_iteration)
    except AttributeError:
        return None


def _start(said: str, link: Link, outputs: int) -> Floats:
    """Returns the initial value of sums: the base score is given as an answer."""
    scores = np.array(json.loads(said), dtype=np.float64).ravel().astype(np.float32)
    if link == "logit":
        scores = scores.clip(_SURE, np.float32(1) - _SURE)
        scores = -np.log(np.float32(1) / scores - np.float32(1))
    elif link == "log":
        scores = np.log(scores)
    return np.broadcast_to(scores.astype(np.float64), outputs).copy()


def _started(trees: list[Tree], sets: Sets, start: Floats, booster: Any) -> Trees:
    """Returns the trees with the initial value that gives the library's sums: logarithms differ in the last
    bit.
    """
    import xgboost

    from waypost.inference.forest import Forest

    members = sets.members()
    rows = np.random.default_rng(0).normal(size=(64, sets.width)).astype(np.float32)
    for member in members:
        rows[:, member.feature] = np.arange(64) % (len(member.rows) - 2)
    expanded = Expansion(members, np.float32)(rows)
    data = xgboost.DMatrix(rows, feature_names=booster.feature_names, feature_types=booster.feature_types)
    rounds = len(trees) // len(start)
    expected = booster.predict(data, output_margin=True, iteration_range=(0, rounds)).reshape(64, -1)
    for near in itertools.islice(_near(start), 5):
        found = laid_out(trees, sets.width + len(sets), near, is_single=True)
        if np.array_equal(Forest(found.to_bytes(), 0).sums(expanded).astype(np.float32), expected):
            return found
    raise NotCompilableError("XGBoost adds up its trees in an unknown way")


def _near(start: Floats) -> Iterator[Floats]:
    """Yields an initial value, and its neighbours in float32."""
    up = down = start.astype(np.float32)
    yield start
    while True:
        up, down = np.nextafter(up, np.float32(np.inf)), np.nextafter(down, np.float32(-np.inf))
        yield up.astype(np.float64)
        yield down.astype(np.float64)


def _asked_sets(tree: dict[str, Any], sets: Sets) -> dict[int, tuple[int, int]]:
    """Returns a tree's sets of categories, by node; listed categories go right."""
    found = {}
    places = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    for node, start, size in places:
        right = tree["categories"][start : start + size]
        left = np.ones(max(right, default=0) + 1, dtype=bool)
        left[right] = False
        is_missing_left = bool(tree["default_left"][node])
        found[node] = sets.add(tree["split_indices"][node], left, other=True, missing=is_missing_left)
    return found


def _tree(tree: dict[str, Any], sets: dict[int, int]) -> Tree:
    left = np.array(tree["left_children"], dtype=np.int64)
    said = np.array(tree["split_conditions"], dtype=np.float32)
    # A value goes left below the threshold: up to the number before it.
    threshold = np.nextafter(said, np.float32(-np.inf)).astype(np.float64)
    feature = np.array(tree["split_indices"], dtype=np.int64)
    for node, place in sets.items():
        feature[node], threshold[node] = place, THRESHOLD
    return Tree(
        left,
        np.array(tree["right_children"], dtype=np.int64),
        feature,
        threshold,
        np.array(tree["default_left"]),
        said.astype(np.float64)[:, None],
    )
