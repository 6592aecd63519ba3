"""Compiles a fitted scikit-learn pipeline, or gives the reason why it cannot be compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from waypost.contracts.mlmodel import Column
from waypost.inference.catboost_trees import learned_by_catboost
from waypost.inference.compiled import Content, Cut
from waypost.inference.compiling_plan import is_sparse, plan_of
from waypost.inference.learned import Learned, NotCompilableError
from waypost.inference.lightgbm_trees import learned_by_lightgbm
from waypost.inference.sklearn_models import learned_by_sklearn
from waypost.inference.trees import FormError, from_bytes, leading_feature
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
    steps, estimator, cut = _taken_apart(model)
    try:
        found = _learned(estimator)
    except FormError as error:
        raise NotCompilableError(str(error)) from error
    # scikit-learn's trees take missing values, but in no sparse matrix.
    is_refused = found.link == "mean" and is_sparse(steps)
    plan = plan_of(steps, columns, takes_missing=found.takes_missing and not is_refused)
    if plan.width != found.width:
        raise NotCompilableError(f"the plan gives {plan.width} features, the model takes {found.width}")
    content = Content(
        plan=plan,
        trees=found.count,
        leading=leading_feature(found.trees) if found.trees else 0,
        classes=found.classes,
        cut=cut,
        kind=found.kind,
        link=found.link,
        from_zero=found.from_zero,
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


def _taken_apart(model: Any) -> tuple[list[Any], Any, Cut | None]:
    """Returns (preprocessing, final estimator, decision threshold) of a fitted model.

    The threshold is that of a scikit-learn classifier around the estimator or around the whole pipeline.
    """
    from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, RandomizedSearchCV
    from sklearn.pipeline import Pipeline

    cut = None
    steps: list[Any] = []
    while isinstance(model, (FixedThresholdClassifier, GridSearchCV, Pipeline, RandomizedSearchCV)):
        if isinstance(model, Pipeline):
            steps += [step for _, step in model.steps[:-1]]
            model = model.steps[-1][1]
        elif not isinstance(model, FixedThresholdClassifier):
            model = model.best_estimator_
        else:
            cut = cut or _cut(model)
            model = getattr(model, "estimator_", model.estimator)
    # HistGradientBoosting encodes its categories by its own transformer.
    own = getattr(model, "_preprocessor", None)
    return steps if own is None else [*steps, own], model, cut


def _cut(model: Any) -> Cut:
    """Returns the threshold of a classifier. Raises NotCompilableError if it is not over probabilities."""
    if model.response_method not in ("auto", "predict_proba"):
        raise NotCompilableError(f"FixedThresholdClassifier over its {model.response_method}")
    classes = model.classes_.tolist()
    positive = classes[-1] if model.pos_label is None else model.pos_label
    threshold = 0.5 if model.threshold == "auto" else float(model.threshold)
    if len(classes) != 2 or positive not in classes or not np.isfinite(threshold):
        raise NotCompilableError(f"FixedThresholdClassifier at {threshold} for {positive!r} of {classes}")
    return Cut(positive=classes.index(positive), threshold=threshold)


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
