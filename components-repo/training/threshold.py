"""From which probability on a model says the positive class: chosen on validation rows, kept in the model."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sklearn.base import clone
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from componentkit.arguments import ComponentError
from componentkit.columns import text_of
from scoring import Labels

Counts = NDArray[np.float64]


class Threshold(BaseModel):
    """What the threshold is best by, or its value; `positive` is the class that it is for."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["f1", "f_beta", "balanced_accuracy", "cost"] | None = None
    beta: float | None = Field(default=None, gt=0)
    false_positive: float | None = Field(default=None, ge=0)
    false_negative: float | None = Field(default=None, ge=0)
    value: float | None = Field(default=None, ge=0, le=1)
    positive: Any = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Threshold:
        if (self.by is None) == (self.value is None):
            raise ValueError("give by (f1, f_beta, balanced_accuracy, cost) or value, one of the two")
        if (self.beta is not None) != (self.by == "f_beta"):
            raise ValueError("beta belongs to by: f_beta, which needs it")
        costs = [self.false_positive, self.false_negative]
        if (None in costs) if self.by == "cost" else (costs != [None, None]):
            raise ValueError("false_positive and false_negative belong to by: cost, which needs both")
        return self


def positive_class(asked: Threshold, classes: Labels) -> int:
    """Returns the place of the positive class, by default the second. Raises ComponentError."""
    known = classes.tolist()
    if len(known) != 2:
        raise ComponentError(f"model: threshold: it is for two classes, the target has {len(known)}")
    if asked.positive is None:
        return 1
    texts = [text_of(name) for name in known]
    if text_of(asked.positive) not in texts:
        raise ComponentError(f"model: threshold: positive: no class {asked.positive!r}; there are {known}")
    return texts.index(text_of(asked.positive))


def best_threshold(asked: Threshold, truth: NDArray[np.bool_], chances: Counts) -> tuple[float, float]:
    """Returns (threshold, what it gives by the figure asked for; a cost is negative).

    It lies half-way between two probabilities of the rows; of several that are equally good, it is the one
    nearest to 0.5. Args: truth and chances, of shape (rows,), are of the positive class.
    """
    known, place = np.unique(chances, return_inverse=True)
    positives = np.bincount(place, weights=truth, minlength=len(known))
    rows = np.bincount(place, minlength=len(known))
    # With the threshold below known[i], what is positive from there on is found; above all, nothing is.
    found = np.append(np.cumsum(positives[::-1])[::-1], 0.0)
    said = np.append(np.cumsum(rows[::-1])[::-1], 0.0)
    edges = np.concatenate([[0.0], known, [1.0]])
    thresholds = (edges[:-1] + edges[1:]) / 2
    thresholds[0] = min(thresholds[0], known[0])
    values = _figure(asked, found, said - found, float(truth.sum()), len(truth))
    best = np.flatnonzero(values >= values.max() - 1e-12)
    chosen = best[np.abs(thresholds[best] - 0.5).argmin()]
    return float(thresholds[chosen]), float(values[chosen])


def _figure(asked: Threshold, right: Counts, wrong: Counts, positives: float, rows: int) -> Counts:
    """Returns the figure for each count of right and of wrong positive answers; more is better."""
    missed = positives - right
    if asked.by == "cost":
        return -((asked.false_positive or 0.0) * wrong + (asked.false_negative or 0.0) * missed) / rows
    if asked.by == "balanced_accuracy":
        return (right / positives + 1 - wrong / (rows - positives)) / 2
    weight = (asked.beta or 1.0) ** 2
    return (1 + weight) * right / ((1 + weight) * right + weight * missed + wrong)


def with_threshold(model: Pipeline, threshold: float, positive: Any) -> Pipeline:
    """Returns a fitted pipeline that says the positive class from a probability on, as fitting leaves it.

    scikit-learn's own classifier does it, so that whatever loads the model answers alike.
    """
    name, forest = model.steps[-1]
    last = FixedThresholdClassifier(
        clone(forest), threshold=threshold, pos_label=positive, response_method="predict_proba"
    )
    last.estimator_ = forest
    last.n_features_in_ = forest.n_features_in_
    return Pipeline([*model.steps[:-1], (name, last)])


def chosen(asked: Threshold | None, model: Pipeline, features: pd.DataFrame, labels: Labels) -> float | None:
    """Returns the threshold that is asked for: its value, or the best one on these rows; None for none."""
    if asked is None:
        return None
    positive = positive_class(asked, model.classes_)
    if asked.value is not None:
        return asked.value
    chances = model.predict_proba(features)[:, positive]
    return best_threshold(asked, labels == model.classes_[positive], chances)[0]


def deciding(asked: Threshold | None, model: Pipeline, threshold: float | None) -> Pipeline:
    """Returns a model that answers by the threshold, where there is one."""
    if asked is None or threshold is None:
        return model
    return with_threshold(model, threshold, model.classes_.tolist()[positive_class(asked, model.classes_)])
