"""One run of any trainer: learn, validate, explain, export."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from componentkit.step import Step, content_digest
from componentkit.tables import require_columns, with_unit
from scoring import Labels
from training.config import TrainerConfig
from training.export import export, metadata_of
from training.features import Features, feature_table
from training.fitness import check_finite, check_lists, concerns, single_columns, told
from training.folds import (
    check_folds,
    cross_validated,
    fold_figure,
    fold_line,
    fold_metrics,
    fold_table,
    summarised,
)
from training.importances import importance_figure, importance_table, reported_importances
from training.learner import Asked, Learner, fitted, fold_scores, learned
from training.search import searched
from training.tasks import Task, task_of
from training.threshold import deciding


def prepare(
    table: pd.DataFrame, target: str, features: Features, task: Task | None = None
) -> tuple[pd.DataFrame, Labels]:
    """Returns (features, labels). Raises ComponentError that names column or class in the way."""
    require_columns(table, [target], purpose="target")
    check_lists(features, target)
    require_columns(table, features.names(), purpose="model: features")
    labels = (task or task_of("classification")).answers(table[target])
    found = feature_table(table, features)
    check_finite(found)
    return found, labels


def doubts(asked: Asked) -> list[str]:
    """Returns what is likely a mistake in a table, or costs quality."""
    config: TrainerConfig = asked.config
    lists, features, labels = config.features, asked.features, asked.labels
    leaks = asked.task.leaks(labels, single_columns(features, lists))
    return [
        *asked.task.concerns(labels),
        *concerns(features, lists, onehot=config.is_onehot),
        *map(told, leaks),
    ]


def cross_validate(step: Step, learner: Learner, asked: Asked) -> list[dict[str, Any]]:
    """Measures what is learned by this configuration fold by fold, and logs mean, deviation and interval.

    Returns the figure of that.
    """
    import mlflow

    args = step.args
    folds, repeats = args.cross_validation, args.cross_validation_repeats
    check_folds(folds)

    def measure(learn: Labels, validate: Labels) -> dict[str, float]:
        return fold_scores(learner, asked, learn, validate, args.validation_size)

    splitter = asked.task.folds(asked.labels, folds, repeats, args.seed)
    found = cross_validated(asked.labels, folds, splitter, measure)
    summary = summarised(found, folds)
    for name, row in summary.iterrows():
        print(fold_line(f"cv_{name}", row, len(found)))
    mlflow.log_metrics(fold_metrics(summary))
    mlflow.log_text(found.to_csv(index=False), "cross_validation.csv")
    title = f"Cross-validation: {args.target}, {len(asked.labels):,} rows, {len(found)} folds"
    step.figure("cross_validation", fold_figure(found, summary, title))
    return [fold_table(summary, title)]


def train(step: Step, learner: Learner) -> None:
    args = step.args
    config, task = step.config("model", learner.config), task_of(args.task)
    data = step.table("data")
    features, labels = prepare(data, args.target, config.features, task)
    task.check(config, labels)
    asked = Asked(config, task, features, labels, args.seed, jobs=vars(args).get("jobs", 1))
    for text in doubts(asked):
        step.warn(text)
    learn, validate = task.held_out_rows(labels, args.validation_size, args.seed)
    search = []
    if config.search:
        config, shown = searched(step, learner, asked, learn, validate)
        asked, search = replace(asked, config=config), [shown]
    new = learner.pipeline(asked)  # what is wrong with its options is told before any work
    folds = cross_validate(step, learner, asked) if args.cross_validation else []
    started = time.monotonic()
    model, threshold = learned(learner, asked, learn, validate)
    seconds = time.monotonic() - started
    print(f"learned from {len(learn):,} rows in {seconds:.1f} s, validating on {len(validate):,}")
    for text in learner.doubts(model):
        step.warn(text)
    step.metrics(learner.figures(model) | ({} if threshold is None else {"threshold": threshold}))
    held_out, truth = features.iloc[validate], labels[validate]
    scores, predicted = task.scores(deciding(config.threshold, model, threshold), held_out, truth)
    step.metrics({f"validation_{name}": value for name, value in scores.items()})
    title = f"Validation: {args.target}, {len(validate):,} rows"
    step.figure(*task.figure(truth, predicted, model, title))
    own = learner.importances(model, asked)
    table = importance_table(own, model, held_out, truth, config, args.seed)
    with step.output("importances") as path:
        table.to_csv(path)
    named = table.rename(index=lambda name: with_unit(name, data))
    step.figure("importances", importance_figure(named, task.name))
    matrix = task.reported(truth, predicted, model)
    step.hand_over([*reported_importances(named, task.name), *matrix, *folds, *search])
    if args.refit:
        started = time.monotonic()
        new = learner.settled(model) if learner.stops(config) else new
        weights = learner.weights(config, labels)
        model = fitted(new, features, labels, jobs=asked.jobs, weights=weights)
        seconds += time.monotonic() - started
    step.metrics({"fit_seconds": seconds})
    model = deciding(config.threshold, model, threshold)
    metadata = metadata_of(model, features, args.target, config, task=task.name, classes=task.classes(model))
    metadata |= learner.says(config)
    export(model, features, metadata, content_digest(Path(args.data)), learner.trusted, learner.packages)
