"""Compiles a fitted scikit-learn pipeline, or gives the reason why it cannot be compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from waypost.contracts.mlmodel import Column
from waypost.inference.catboost_trees import learned_by_catboost
from waypost.inference.compiled import Content
from waypost.inference.compiling_plan import is_sparse, plan_of
from waypost.inference.learned import Learned, NotCompilableError
from waypost.inference.lightgbm_trees import learned_by_lightgbm
from waypost.inference.sklearn_models import learned_by_sklearn
from waypost.inference.trees import FormError, from_bytes, leading_feature
from waypost.inference.wrappers import unwrapped
from waypost.inference.xgboost_trees import learned_by_xgboost

_BORDERS, _BORDER_TREES = 100, 50  # probed thresholds: per feature, of so many trees


def compiled_form(model: Any, columns: Sequence[Column]) -> tuple[Content, bytes | None]:
    """Returns (content, stored trees) of a fitted pipeline. Raises NotCompilableError with the part that
    cannot be compiled.
    """
    if not columns:
        raise NotCompilableError("the model's signature names no columns")
    if gaps := [c.name for c in columns if c.kind == "boolean" and not c.required]:
        raise NotCompilableError(f"column {gaps[0]!r}: MLflow reads an optional boolean in its own way")
    inner = unwrapped(model)
    steps = inner.steps
    try:
        found = inner.answering(_learned(inner.estimator))
    except FormError as error:
        raise NotCompilableError(str(error)) from error
    # scikit-learn's trees take missing values, but in no sparse matrix.
    is_refused = found.link == "mean" and is_sparse(steps)
    is_without_zeros = found.skips_zeros and is_sparse(steps)
    # As float64: what a sparse matrix leaves out is 0 before it is rounded to float32.
    kind = found.kind.model_copy(update={"is_wide": True}) if is_without_zeros else found.kind
    plan = plan_of(steps, columns, takes_missing=found.takes_missing and not is_refused)
    if plan.width != found.width:
        raise NotCompilableError(f"the plan gives {plan.width} features, the model takes {found.width}")
    content = Content(
        plan=plan,
        trees=found.count,
        leading=leading_feature(found.trees) if found.trees else 0,
        classes=found.classes,
        cut=inner.cut,
        kind=kind,
        link=found.link,
        from_zero=found.from_zero,
        zero_is_missing=is_without_zeros,
        by_probability=found.by_probability,
        is_single=found.is_single,
        weights=found.weights,
        tolerance=found.tolerance,
        members=found.members,
        in_lists=found.in_lists,
    )
    return content, found.trees.to_bytes() if found.trees else None


def _learned(estimator: Any) -> Learned:
    """Returns the trees or weights of an estimator, by its library. Raises NotCompilableError."""
    readers = {
        "lightgbm": learned_by_lightgbm,
        "xgboost": learned_by_xgboost,
        "catboost": learned_by_catboost,
    }
    return readers.get(type(estimator).__module__.partition(".")[0], learned_by_sklearn)(estimator)


def borders_of(form: bytes | None) -> dict[int, list[float]]:
    """Returns some thresholds of a form's trees for each feature, by the feature's number."""
    if form is None:
        return {}
    trees = from_bytes(form)
    found: dict[int, set[float]] = {}
    for start, end in list(trees.spans())[:_BORDER_TREES]:
        inner = np.flatnonzero(~trees.is_leaf[start:end]) + start
        for feature, threshold in zip(
            trees.feature[inner].tolist(), trees.threshold[inner].tolist(), strict=True
        ):
            if len(of := found.setdefault(feature, set())) < _BORDERS:
                of.add(threshold)
    return {feature: sorted(of) for feature, of in found.items()}
