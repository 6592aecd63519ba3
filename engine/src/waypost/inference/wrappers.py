"""Unwraps a fitted model: pipelines, searches, thresholds and votes of one, down to its estimator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from waypost.compat.scikit_learn import positive_class
from waypost.inference.compiled import Cut
from waypost.inference.learned import Learned, NotCompilableError


@dataclass(frozen=True)
class Unwrapped:
    """A fitted model in parts: preprocessing in order, estimator, decision threshold, and the outermost vote
    (VotingClassifier or VotingRegressor of one estimator), if any.
    """

    steps: list[Any]
    estimator: Any
    cut: Cut | None
    vote: Any

    def answering(self, found: Learned) -> Learned:
        """Returns what the estimator has learned, with the classes of the vote around it.

        Raises NotCompilableError if the estimator does not answer as the vote does.
        """
        from sklearn.base import is_classifier

        if self.vote is None:
            return found
        classes = self.vote.classes_.tolist() if is_classifier(self.vote) else None
        if len(classes or ()) != len(found.classes or ()):
            raise NotCompilableError(f"{_name(self.vote)} of a {_name(self.estimator)}")
        # A vote compares the probabilities, also of what compares its sums elsewhere.
        return replace(found, classes=classes, by_probability=True)


def unwrapped(model: Any) -> Unwrapped:
    """Returns a fitted model in parts. Raises NotCompilableError with the wrapper that stands in the way."""
    from sklearn.ensemble import VotingClassifier, VotingRegressor
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (shows two searches)
    from sklearn.frozen import FrozenEstimator
    from sklearn.model_selection import (
        FixedThresholdClassifier,
        GridSearchCV,
        HalvingGridSearchCV,
        HalvingRandomSearchCV,
        RandomizedSearchCV,
        TunedThresholdClassifierCV,
    )
    from sklearn.pipeline import Pipeline

    searches = (GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)
    steps: list[Any] = []
    cut = vote = None
    while True:
        if isinstance(model, Pipeline):
            steps += [step for _, step in model.steps[:-1]]
            model = model.steps[-1][1]
        elif isinstance(model, searches):
            model = model.best_estimator_
        elif isinstance(model, FrozenEstimator):
            model = model.estimator
        elif isinstance(model, (FixedThresholdClassifier, TunedThresholdClassifierCV)):
            # The outermost threshold decides; a vote asks for probabilities, which have none.
            cut = cut or (None if vote else _cut(model))
            model = getattr(model, "estimator_", model.estimator)
        elif isinstance(model, (VotingClassifier, VotingRegressor)):
            vote = vote or model
            model = _only_voter(model)
        else:
            break
    # HistGradientBoosting encodes its categories by its own transformer.
    own = getattr(model, "_preprocessor", None)
    return Unwrapped(steps if own is None else [*steps, own], model, cut, vote)


def _only_voter(vote: Any) -> Any:
    """Returns the estimator of a vote of one, as it answers: the mean of one answer has its bits.

    Raises NotCompilableError for any other vote.
    """
    name = _name(vote)
    if getattr(vote, "voting", "soft") != "soft":
        raise NotCompilableError(f"{name} with voting={vote.voting!r}")
    if len(vote.estimators_) != 1:
        raise NotCompilableError(f"{name} of {len(vote.estimators_)} estimators: one alone is compiled")
    if vote.weights is not None:
        raise NotCompilableError(f"{name} with weights")
    return vote.estimators_[0]


def _cut(model: Any) -> Cut:
    """Returns the threshold of a classifier. Raises NotCompilableError if it is not over probabilities."""
    name = _name(model)
    if model.response_method not in ("auto", "predict_proba"):
        raise NotCompilableError(f"{name} over its {model.response_method}")
    classes = model.classes_.tolist()
    given, said = _threshold(model)
    positive = classes[-1] if given is None else given
    threshold = 0.5 if said == "auto" else float(said)
    if len(classes) != 2 or positive not in classes or not np.isfinite(threshold):
        raise NotCompilableError(f"{name} at {threshold} for {positive!r} of {classes}")
    return Cut(positive=classes.index(positive), threshold=threshold)


def _threshold(model: Any) -> tuple[Any, Any]:
    """Returns (positive class, None for the default; threshold) of a fixed or a tuned threshold."""
    if hasattr(model, "best_threshold_"):
        return positive_class(model), model.best_threshold_
    return model.pos_label, model.threshold


def _name(part: Any) -> str:
    return type(part).__name__
