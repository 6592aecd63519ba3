"""What LightGBM has learned, from its own text of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from waypost.inference.features import Kind
from waypost.inference.learned import TOLERANCE, Learned, NotCompilableError, said_by_booster
from waypost.inference.links import Link
from waypost.inference.trees import Tree, laid_out

_LINKS: dict[str, Link] = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "log"),
    "binary": "logit",
    "multiclass": "softmax",
}
_IS_CATEGORY, _DEFAULT_LEFT, _ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2, 4, 8


def learned_by_lightgbm(model: Any) -> Learned:
    """Returns what a fitted estimator, or a booster, has learned. Raises NotCompilableError."""
    booster = getattr(model, "booster_", model)
    head, *parts = booster.model_to_string().split("\nTree=")
    facts = dict(_pairs(head))
    name, *options = facts.get("objective", "").split(" ")
    link = _LINKS.get(name)
    if link is None or "average_output" in head.splitlines() or "sqrt" in options:
        raise NotCompilableError(f"LightGBM with the objective {' '.join((name, *options))!r}")
    if link == "logit" and "sigmoid:1" not in options:
        raise NotCompilableError("LightGBM with a sigmoid of its own")
    classes = model.classes_.tolist() if hasattr(model, "classes_") else None
    if classes is None:
        link = said_by_booster(link)
    width, outputs = int(facts["max_feature_idx"]) + 1, int(facts["num_tree_per_iteration"])
    trees = [_tree(dict(_pairs(part))) for part in parts]
    laid = laid_out(trees, width, np.zeros(outputs), dtype=np.float64)
    return Learned(
        width,
        link,
        laid,
        kind=Kind(is_wide=True, is_open=True),
        takes_missing=True,
        by_probability=True,
        classes=classes,
        tolerance=0.0 if link == "identity" else TOLERANCE,
    )


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yields the keys and values of a part, up to the next empty line."""
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if sign:
            yield key, value


def _tree(facts: dict[str, str]) -> Tree:
    """Returns one tree of a dump. Raises NotCompilableError."""
    if facts.get("is_linear") == "1":
        raise NotCompilableError("LightGBM with linear trees")
    leaves = _numbers(facts, "leaf_value", float)
    inner = len(leaves) - 1
    said = np.concatenate([np.zeros(inner), leaves])[:, None]
    if not inner:
        none = np.zeros(1)
        return Tree(none - 1, none - 1, none, none, none, said)
    decision = _numbers(facts, "decision_type", int)
    if (decision & _IS_CATEGORY).any():
        raise NotCompilableError("LightGBM that splits by categories: encode them before it")
    if (decision & _ZERO_IS_MISSING).any():
        raise NotCompilableError("LightGBM to which 0 is a missing value")
    threshold = _numbers(facts, "threshold", float)
    # What is missing goes its own way, or counts as 0 where nothing was missing in training.
    goes_left = np.where(decision & _NAN_IS_MISSING, decision & _DEFAULT_LEFT != 0, threshold >= 0)
    rest = np.zeros(len(leaves))

    def child(name: str) -> Any:
        given = _numbers(facts, name, int)
        return np.concatenate([np.where(given < 0, inner - 1 - given, given), rest.astype(int) - 1])

    return Tree(
        child("left_child"),
        child("right_child"),
        np.concatenate([_numbers(facts, "split_feature", int), rest.astype(int)]),
        np.concatenate([threshold, rest]),
        np.concatenate([goes_left, rest]),
        said,
    )


def _numbers(facts: dict[str, str], name: str, kind: type) -> Any:
    return np.array([kind(value) for value in facts[name].split()])
