"""What a trainer adds to the shared work: its configuration, its estimator, and what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from componentkit.arguments import ComponentError
from scoring import Labels
from training.config import TrainerConfig
from training.encoding import TRUSTED_TYPES
from training.features import learnable
from training.tasks import Task
from training.threshold import chosen, deciding

HeldOut = tuple[pd.DataFrame, Labels]
"""Features and labels of rows that a model does not learn from."""


@dataclass(frozen=True)
class Asked:
    """What a model is made for: the configuration, the task, and the rows that it is made of."""

    config: Any
    task: Task
    features: pd.DataFrame
    labels: Labels
    seed: int
    jobs: int = 1


Stopping = Callable[..., None]
"""Fits an estimator to features and labels, until held-out features and labels say stop; `sample_weight`, by
name, are the weights of the rows, where there are some.
"""


def stopped_by_scikit_learn(estimator: Any, known: Any, labels: Labels, others: Any, truth: Labels) -> None:
    estimator.fit(known, labels, X_val=others, y_val=truth)


@dataclass(frozen=True)
class Learner:
    """One kind of model.

    pipeline: the unfitted pipeline, `features` and the estimator. importances: the model's own, if any.
    stops: whether it looks at held-out rows to know when to stop. settled: the unfitted pipeline that learns
    what this one has learned, without held-out rows.
    doubts: what the user should know of a fitted one. figures: metrics of its own.
    says: metadata of its own, by the configuration. stopping: how its estimator learns until held-out rows
    say stop. packages: what its model needs beside scikit-learn. weights: those of the rows, by configuration
    and labels, of an estimator that does not take weights of classes.
    """

    config: type[TrainerConfig]
    pipeline: Callable[[Asked], Pipeline]
    importances: Callable[[Pipeline, Asked], pd.Series | None] = lambda _model, _asked: None
    stops: Callable[[Any], bool] = lambda _config: False
    settled: Callable[[Pipeline], Pipeline] = clone
    doubts: Callable[[Pipeline], list[str]] = lambda _model: []
    figures: Callable[[Pipeline], dict[str, float]] = lambda _model: {}
    stopping: Stopping = stopped_by_scikit_learn
    packages: tuple[str, ...] = ()
    weights: Callable[[Any, Labels], Labels | None] = lambda _config, _labels: None
    says: Callable[[Any], dict[str, Any]] = lambda _config: {}
    trusted: tuple[str, ...] = tuple(TRUSTED_TYPES)


def fitted(
    pipeline: Pipeline,
    features: pd.DataFrame,
    labels: Labels,
    *,
    jobs: int = 1,
    weights: Labels | None = None,
    held_out: HeldOut | None = None,
    stopping: Stopping = stopped_by_scikit_learn,
) -> Pipeline:
    """Fits a pipeline, which stops by the held-out rows where there are some. Raises ComponentError."""
    # Sums of BLAS depend on the number of its threads; those of OpenMP in scikit-learn do not.
    threads = {"blas": 1, "openmp": jobs if jobs > 0 else None}
    more = {} if weights is None else {"sample_weight": weights}
    _on_cores(pipeline[-1], jobs)
    try:
        with threadpool_limits(limits=threads):
            if held_out is None:
                of_last = {f"{pipeline.steps[-1][0]}__{name}": value for name, value in more.items()}
                pipeline.fit(learnable(features), labels, **of_last)
            else:
                _fit_with(pipeline, learnable(features), labels, held_out, stopping, more)
    except ValueError as error:
        raise ComponentError(f"model: {_said(error)}") from error
    # Threads add up probabilities in the order in which they finish, which shows in the last digit.
    _on_cores(pipeline[-1], 1)
    return pipeline


def _on_cores(estimator: Any, jobs: int) -> None:
    """Sets the number of cores of an estimator, and of those in it, where they take one."""
    inner = [one for _, one in getattr(estimator, "estimators", ())]
    for one in (estimator, *inner, *getattr(estimator, "estimators_", ())):
        if getattr(one, "n_jobs", None) is not None:
            one.n_jobs = jobs


def _said(error: ValueError) -> str:
    """Returns the message of an error in one line; XGBoost's without its time, its place and its stack."""
    text = " ".join(str(error).partition("Stack trace:")[0].split())
    return re.sub(r"^\[[\d:]+\] \S+:\d+: (Check failed: .*?: )?", "", text)


def _fit_with(
    pipeline: Pipeline,
    features: pd.DataFrame,
    labels: Labels,
    held_out: HeldOut,
    stopping: Stopping,
    more: dict[str, Labels],
) -> None:
    """Fits step after step: `Pipeline.fit` does not transform the rows that an estimator stops by."""
    transform, (others, truth) = pipeline[:-1], held_out
    known = transform.fit_transform(features, labels)
    stopping(pipeline[-1], known, labels, transform.transform(learnable(others)), truth, **more)


def learned(learner: Learner, asked: Asked, learn: Labels, validate: Labels) -> tuple[Pipeline, float | None]:
    """Returns (model of the rows `learn`, threshold); the rows `validate` say where learning stops, and which
    threshold is best.
    """
    held_out = asked.features.iloc[validate], asked.labels[validate]
    stops = learner.stops(asked.config)
    model = fitted(
        learner.pipeline(asked),
        asked.features.iloc[learn],
        asked.labels[learn],
        jobs=asked.jobs,
        weights=learner.weights(asked.config, asked.labels[learn]),
        held_out=held_out if stops else None,
        stopping=learner.stopping,
    )
    return model, chosen(asked.config.threshold, model, *held_out)


def fold_scores(
    learner: Learner, asked: Asked, learn: Labels, validate: Labels, share: float
) -> dict[str, float]:
    """Returns the metrics on one fold of what learns from the others, as training does: what stops, or has a
    threshold, finds it on rows held out of those that it learns from.
    """
    first, threshold = None, None
    if asked.config.threshold or learner.stops(asked.config):
        parts = asked.task.held_out_rows(asked.labels[learn], share, asked.seed)
        first, threshold = learned(learner, asked, learn[parts[0]], learn[parts[1]])
    new = learner.pipeline(asked) if first is None else learner.settled(first)
    labels = asked.labels[learn]
    weights = learner.weights(asked.config, labels)
    model = fitted(new, asked.features.iloc[learn], labels, jobs=asked.jobs, weights=weights)
    model = deciding(asked.config.threshold, model, threshold)
    return asked.task.scores(model, asked.features.iloc[validate], asked.labels[validate])[0]
