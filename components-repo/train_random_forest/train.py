"""train_random_forest: learn, validate, explain, export."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.model_selection import FixedThresholdClassifier, train_test_split
from sklearn.pipeline import Pipeline

from componentkit.arguments import ComponentError
from componentkit.figures import figure
from componentkit.step import Step, content_digest
from componentkit.tables import require_columns, with_unit
from scoring import Labels, classification_metrics, confusion_figure, label_array, shortened
from scoring.figures import confusion_matrix
from train_random_forest.fitness import check_finite, check_lists, check_target, concerns
from train_random_forest.folds import (
    cross_validated,
    fold_figure,
    fold_line,
    fold_metrics,
    fold_table,
    summarised,
)
from train_random_forest.known import known_columns
from train_random_forest.model import (
    TRUSTED_TYPES,
    Features,
    ModelConfig,
    class_weights,
    feature_table,
    impurity_importances,
    is_text,
    learnable,
    pipeline_for,
)
from train_random_forest.threshold import chosen, deciding, positive_class

_TYPES = {"float64": "double", "int64": "long", "bool": "boolean", "object": "boolean"}


def prepare(table: pd.DataFrame, target: str, features: Features) -> tuple[pd.DataFrame, Labels]:
    """Returns (features, labels). Raises ComponentError that names column or class in the way."""
    require_columns(table, [target], purpose="target")
    check_lists(features, target)
    require_columns(table, features.names(), purpose="model: features")
    labels = label_array(table[target])
    check_target(table[target], labels)
    found = feature_table(table, features)
    check_finite(found)
    return found, labels


def held_out_rows(labels: Labels, share: float, seed: int) -> tuple[Labels, Labels]:
    """Returns (rows to learn from, rows to validate on), stratified, every class on both sides.

    Raises ComponentError where there are too few rows for that.
    """
    least = len(np.unique(labels)) / len(labels)
    try:
        learn, validate = train_test_split(
            np.arange(len(labels)), test_size=max(share, least), random_state=seed, stratify=labels
        )
    except ValueError as error:
        raise ComponentError(f"validation_size {share}: {error}") from error
    return learn, validate


def fitted(pipeline: Pipeline, features: pd.DataFrame, labels: Labels) -> Pipeline:
    try:
        pipeline.fit(learnable(features), labels)
    except ValueError as error:
        raise ComponentError(f"model: {' '.join(str(error).split())}") from error
    # Threads add up probabilities in the order in which they finish, which shows in the last digit.
    pipeline.named_steps["forest"].n_jobs = 1
    return pipeline


def importances(
    model: Pipeline, features: pd.DataFrame, labels: Labels, config: ModelConfig, seed: int
) -> pd.DataFrame:
    """Returns impurity and permutation (loss of accuracy) importance per feature, largest first."""
    table = impurity_importances(model, config.features).to_frame()
    if repeats := config.permutation.repeats:
        rows = min(config.permutation.rows, len(features))
        chosen = np.sort(np.random.default_rng(seed).permutation(len(features))[:rows])
        result = permutation_importance(
            model, features.iloc[chosen], labels[chosen], n_repeats=repeats, random_state=seed
        )
        table["permutation"] = result["importances_mean"]
        table["permutation_std"] = result["importances_std"]
    table.index.name = "feature"
    return table.sort_values("impurity", ascending=False, kind="stable")


def importance_figure(table: pd.DataFrame, most: int = 20) -> Figure:
    shown = table.head(most)[::-1]
    figure = Figure(figsize=(11, 0.3 * len(shown) + 2), layout="constrained")
    for axes, column, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("impurity", "permutation"),
        ("share of impurity decrease", "accuracy lost when shuffled"),
        strict=True,
    ):
        if column in shown:
            axes.barh([shortened(name, 40) for name in shown.index], shown[column], color="#3b6fb6")
        axes.set(xlabel=label, title=f"by {column}")
    figure.suptitle(f"Feature importance, {len(shown)} of {len(table)} features")
    return figure


def importance_table(table: pd.DataFrame) -> dict[str, Any]:
    """Returns the importances for the report of the run."""
    rows = [(str(name), *row) for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)]
    return figure(
        f"Feature importance, {len(table)} features",
        ["feature", *map(str, table.columns)],
        rows,
        part="model",
        mark="bar",
        x="feature",
        y=["permutation" if "permutation" in table else "impurity"],
        description="By permutation: accuracy lost when the column is shuffled. By impurity: its share of the"
        " impurity that the splits of the trees take away.",
    )


def new_pipeline(
    config: ModelConfig, features: pd.DataFrame, labels: Labels, *, seed: int, jobs: int
) -> Pipeline:
    """Returns the unfitted pipeline for a feature table."""
    numbers = [name for name in config.features.categorical if not is_text(features[name])]
    pipeline = pipeline_for(config, numbers, seed=seed, jobs=jobs)
    if (weights := class_weights(config, labels)) is not None:
        pipeline.named_steps["forest"].set_params(class_weight=weights)
    return pipeline


def signature_of(features: pd.DataFrame, predicted: pd.Series) -> Any:
    """Returns the MLflow signature of a feature table in its own types.

    What has gaps here may have them later.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, Schema

    inputs: list[Any] = [
        ColSpec(_TYPES.get(str(column.dtype), "string"), str(name), required=not column.isna().any())
        for name, column in features.items()
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=infer_signature(predicted).inputs)


def export(model: Pipeline, features: pd.DataFrame, target: str, config: ModelConfig, digest: str) -> None:
    """Logs the model with MLflow, in the skops format: loading it executes no pickled code."""
    import mlflow

    predicted = pd.Series(model.predict(features.head(100)), name=target)
    metadata: dict[str, Any] = {
        "target": target,
        "classes": model.classes_.tolist(),
        "features": config.features.model_dump(),
        "training_data_sha256": digest,
        "columns": known_columns(features, config.features.categorical),
    }
    last = model.steps[-1][1]
    if isinstance(last, FixedThresholdClassifier):
        metadata["threshold"] = {"class": last.pos_label, "value": last.threshold}
    mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        signature=signature_of(features, predicted),
        input_example=features.head(3),
        metadata=metadata,
        pip_requirements=[
            f"{name}=={version(name)}"
            for name in ("mlflow", "scikit-learn", "skops", "pandas", "numpy", "scipy")
        ],
    )


def scores_of(model: Pipeline, features: pd.DataFrame, labels: Labels) -> tuple[dict[str, float], Labels]:
    """Returns the metrics on some rows, and the answers."""
    probabilities, predicted = model.predict_proba(features), model.predict(features)
    return classification_metrics(labels, probabilities, model.classes_, predicted), predicted


def cross_validate(
    step: Step, config: ModelConfig, new: Pipeline, features: pd.DataFrame, labels: Labels
) -> list[dict[str, Any]]:
    """Measures what is learned by this configuration fold by fold, and logs mean, deviation and interval.
    Returns the figure of that.

    A threshold is chosen in each fold as in training: on rows held out of those that it learns from.
    """
    import mlflow

    args = step.args

    def measure(learn: Labels, validate: Labels) -> dict[str, float]:
        threshold = None
        if config.threshold:
            inner, held_out = (
                learn[rows] for rows in held_out_rows(labels[learn], args.validation_size, args.seed)
            )
            first = fitted(clone(new), features.iloc[inner], labels[inner])
            threshold = chosen(config.threshold, first, features.iloc[held_out], labels[held_out])
        model = deciding(config.threshold, fitted(clone(new), features.iloc[learn], labels[learn]), threshold)
        return scores_of(model, features.iloc[validate], labels[validate])[0]

    found = cross_validated(labels, args.cross_validation, args.cross_validation_repeats, args.seed, measure)
    summary = summarised(found, args.cross_validation)
    for name, row in summary.iterrows():
        print(fold_line(f"cv_{name}", row, len(found)))
    mlflow.log_metrics(fold_metrics(summary))
    mlflow.log_text(found.to_csv(index=False), "cross_validation.csv")
    title = f"Cross-validation: {args.target}, {len(labels):,} rows, {len(found)} folds"
    step.figure("cross_validation", fold_figure(found, summary, title))
    return [fold_table(summary, title)]


def run(step: Step) -> None:
    args = step.args
    config = step.config("model", ModelConfig)
    data = step.table("data")
    features, labels = prepare(data, args.target, config.features)
    for text in concerns(features, labels, config.features, onehot=config.encode == "onehot"):
        step.warn(text)
    if config.threshold:
        positive_class(config.threshold, np.unique(labels))
    learn, validate = held_out_rows(labels, args.validation_size, args.seed)
    new = new_pipeline(config, features, labels, seed=args.seed, jobs=args.jobs)
    folds = cross_validate(step, config, new, features, labels) if args.cross_validation else []
    started = time.monotonic()
    model = fitted(clone(new), features.iloc[learn], labels[learn])
    seconds = time.monotonic() - started
    print(f"learned from {len(learn):,} rows in {seconds:.1f} s, validating on {len(validate):,}")
    held_out, truth = features.iloc[validate], labels[validate]
    threshold = chosen(config.threshold, model, held_out, truth)
    if threshold is not None:
        step.metrics({"threshold": threshold})
    scores, predicted = scores_of(deciding(config.threshold, model, threshold), held_out, truth)
    step.metrics({f"validation_{name}": value for name, value in scores.items()})
    title = f"Validation: {args.target}, {len(validate):,} rows"
    step.figure("confusion_matrix", confusion_figure(truth, predicted, model.classes_, title))
    table = importances(model, held_out, truth, config, args.seed)
    with step.output("importances") as path:
        table.to_csv(path)
    table = table.rename(index=lambda name: with_unit(name, data))
    step.figure("importances", importance_figure(table))
    matrix = confusion_matrix(truth, predicted, model.classes_, f"{len(validate):,} validation rows")
    step.hand_over([importance_table(table), matrix, *folds])
    if args.refit:
        started = time.monotonic()
        model = fitted(new, features, labels)
        seconds += time.monotonic() - started
    step.metrics({"fit_seconds": seconds})
    model = deciding(config.threshold, model, threshold)
    export(model, features, args.target, config, content_digest(Path(args.data)))
