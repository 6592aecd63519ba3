"""The trees of a CatBoost model, from its own JSON: all nodes of a level have the same split."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from waypost.inference.features import Kind
from waypost.inference.learned import TOLERANCE, Learned, NotCompilableError
from waypost.inference.links import Link
from waypost.inference.trees import Tree, laid_out

_LINKS: dict[str, Link] = {
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "MAPE", "Huber"), "identity"),
    "Poisson": "log",
    "Logloss": "logit",
    "CrossEntropy": "logit",
    "MultiClass": "softmax",
}


def learned_by_catboost(model: Any) -> Learned:
    """Returns the trees of a fitted estimator. Raises NotCompilableError."""
    with tempfile.TemporaryDirectory() as temp:
        file = Path(temp, "model.json")
        model.save_model(str(file), format="json")
        content = json.loads(file.read_text(encoding="utf-8"))
    loss = content["model_info"]["params"]["loss_function"]["type"]
    link = _LINKS.get(loss)
    features = content["features_info"]
    if link is None:
        raise NotCompilableError(f"CatBoost with the loss {loss}")
    if "oblivious_trees" not in content:
        raise NotCompilableError("CatBoost with trees that are not symmetric (grow_policy)")
    if link == "logit" and _cut(model) != 0.5:
        raise NotCompilableError("CatBoost with its own probability threshold")
    if others := sorted(set(features) - {"float_features"}):
        raise NotCompilableError(f"CatBoost with {others[0]}: encode them first")
    floats = features["float_features"]
    scale, bias = content["scale_and_bias"]
    if scale != 1:
        raise NotCompilableError("CatBoost with a scaled sum")
    treatment = [feature["nan_value_treatment"] for feature in floats]
    places = [feature["flat_feature_index"] for feature in floats]
    outputs = max(len(bias), 1)
    found = [_tree(tree, treatment, places, outputs) for tree in content["oblivious_trees"]]
    none = np.zeros(1)
    # The bias is added last.
    found.append(Tree(none - 1, none - 1, none, none, none, np.array(bias, dtype=np.float64)[None]))
    width = len(model.feature_names_)
    classes = model.classes_.tolist() if len(model.classes_) else None
    return Learned(
        width,
        link,
        laid_out(found, width, np.zeros(outputs)),
        kind=Kind(is_open=True),
        takes_missing=True,
        classes=classes,
        tolerance=TOLERANCE,
        in_lists=link == "softmax",  # as CatBoost answers for several classes
    )


def _cut(model: Any) -> float:
    """Returns the probability of the second class from which on it is the answer."""
    return float(getattr(model, "get_probability_threshold", lambda: 0.5)())


def _tree(tree: dict[str, Any], treatment: list[str], places: list[int], outputs: int) -> Tree:
    """Returns a tree as nodes, level by level; each bit of a leaf's number is the answer of a level."""
    splits = tree["splits"] or []
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise NotCompilableError("CatBoost that splits by categories: encode them first")
    depth = len(splits)
    inner = (1 << depth) - 1
    node = np.arange(2 * inner + 1)
    is_leaf = node >= inner
    level = np.floor(np.log2(node[:inner] + 1)).astype(int) if inner else np.zeros(0, dtype=int)
    chosen = [split["float_feature_index"] for split in splits]
    feature, threshold, missing = np.zeros(len(node), dtype=int), np.zeros(len(node)), np.zeros(len(node))
    for place, split in enumerate(splits):
        at = np.flatnonzero(level == place)
        feature[at], threshold[at] = places[chosen[place]], split["border"]
        missing[at] = treatment[chosen[place]] != "AsTrue"
    # The first level is the lowest bit; among the leaves, it is the highest.
    number = np.arange(inner + 1)
    turned = sum(((number >> bit) & 1) << (depth - 1 - bit) for bit in range(depth)) if depth else number
    values = np.zeros((len(node), outputs))
    values[inner:] = np.array(tree["leaf_values"], dtype=np.float64).reshape(-1, outputs)[turned]
    return Tree(
        np.where(is_leaf, -1, 2 * node + 1), np.where(is_leaf, -1, 2 * node + 2),
        feature, threshold, missing, values,
    )  # fmt: skip
