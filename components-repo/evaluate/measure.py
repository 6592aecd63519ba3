"""evaluate: a classifier on a held-out table; metrics, curves, slices, predictions, thresholds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from componentkit.arguments import ComponentError, split_names
from componentkit.figures import table_size
from componentkit.step import Step
from componentkit.tables import require_columns, write_table
from evaluate.features import aligned, check_unknown, unknown_shares
from evaluate.figures import model_figures
from evaluate.plots import (
    calibration_bins,
    calibration_figure,
    precision_recall_figure,
    roc_figure,
)
from scoring import (
    Labels,
    Probabilities,
    classification_metrics,
    confusion_figure,
    label_array,
    metric_name,
)

FEWEST_ROWS = 20  # a slice smaller than that says nothing
MOST_VALUES = 60


def per_class(labels: Labels, predicted: Labels, classes: Labels) -> dict[str, dict[str, float]]:
    """Returns precision, recall, f1 and support (rows) of each class."""
    figures = sk.precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    names = ("precision", "recall", "f1", "support")
    return {
        str(name): {n: float(v[i]) for n, v in zip(names, figures, strict=True)}
        for i, name in enumerate(classes.tolist())
    }


def per_slice(
    column: pd.Series, labels: Labels, probabilities: Probabilities, classes: Labels, predicted: Labels
) -> dict[str, dict[str, float]]:
    """Returns rows and metrics for each value of a column that has enough rows."""
    values = column
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > 10:
        values = pd.qcut(column, 4, duplicates="drop").astype("str")
    elif column.nunique() > MOST_VALUES:
        raise ComponentError(
            f"slices: column {column.name!r} has {column.nunique():,} values, more than {MOST_VALUES}"
        )
    texts = values.astype("object").where(column.notna(), "missing").astype("str").to_numpy()
    found = {}
    for value in sorted(set(texts)):
        rows = texts == value
        if rows.sum() >= FEWEST_ROWS:
            scores = classification_metrics(labels[rows], probabilities[rows], classes, predicted[rows])
            found[value] = {"rows": float(rows.sum()), **scores}
    return found


def missed_thresholds(scores: dict[str, float], thresholds: dict[str, float]) -> list[str]:
    """Returns a line for each threshold that is not met, saying by how much."""
    missed = []
    for name, least in thresholds.items():
        value = scores.get(name)
        if least and value is None:
            missed.append(f"{name} cannot be measured (a class has no test row), wanted {least:g}")
        elif least and value is not None and value < least:
            missed.append(f"{name} is {value:.4f}, {least - value:.4f} below the {least:g} wanted")
    return missed


def load(path: str) -> tuple[Any, Any]:
    """Returns (scikit-learn model, MLflow's model info). Raises ComponentError for anything else."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        info = mlflow.models.get_model_info(path)
        model = mlflow.sklearn.load_model(path)
    except MlflowException as error:
        raise ComponentError(f"model: {' '.join(str(error).split())}") from error
    if info.signature is None:
        raise ComponentError("model: it has no signature, which says what its columns are")
    if not hasattr(model, "predict_proba"):
        raise ComponentError("model: it gives no probabilities of classes, which are what is measured")
    return model, info


def target_of(metadata: dict[str, Any] | None, asked: str) -> str:
    """Returns the column with the labels: the one asked for, else that of the model's metadata."""
    target = asked or str((metadata or {}).get("target", ""))
    if not target:
        raise ComponentError("model: its metadata does not name the target; name it: --target")
    return target


def run(step: Step) -> None:
    args = step.args
    model, info = load(args.model)
    target = target_of(info.metadata, args.target)
    table = step.table("data")
    require_columns(table, [target], purpose="target")
    labels = label_array(table[target])
    classes = model.classes_
    if unknown := sorted(set(labels.tolist()) - set(classes.tolist()), key=str):
        raise ComponentError(f"column {target!r}: the model does not know {unknown[:5]}")
    features = aligned(table, info.signature.inputs, step.warn)
    unseen = unknown_shares(model, features)
    step.metrics({metric_name("unknown", name): share for name, share in unseen.items()})
    step.metrics({"unknown_categories": max(unseen.values(), default=0.0)})
    check_unknown(unseen, args.max_unknown, step.warn)
    probabilities = model.predict_proba(features)
    # What the model answers: it may have a threshold of its own.
    predicted = np.asarray(model.predict(features))
    scores = classification_metrics(labels, probabilities, classes, predicted)
    confidence, right, rows = calibration_bins(labels, probabilities, classes)
    scores["calibration_error"] = float(np.average(np.abs(confidence - right), weights=rows))
    by_class = per_class(labels, predicted, classes)
    sliced = split_names(args.slices)
    require_columns(table, sliced, purpose="slices")
    by_slice = {name: per_slice(table[name], labels, probabilities, classes, predicted) for name in sliced}
    report = {"overall": scores, "classes": by_class, "slices": by_slice, "rows": len(labels)}
    report["unknown_categories"] = unseen
    with step.output("metrics") as path:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    columns = {f"probability_{n}": probabilities[:, i] for i, n in enumerate(classes.tolist())}
    with step.output("predictions") as path:
        write_table(pd.DataFrame({"label": labels, "prediction": predicted, **columns}), path)
    for kind, groups in (("class", {"": by_class}), ("slice", by_slice)):
        for column, found in groups.items():
            for value, figures in found.items():
                parts = [kind, *([column] if column else []), value]
                step.metrics({metric_name(*parts, n): v for n, v in figures.items()})
    step.hand_over(
        model_figures(labels, probabilities, predicted, classes, by_class, by_slice),
        [table_size("test", table)],
    )
    title = f"Test: {target}, {len(labels):,} rows"
    step.figure("confusion_matrix", confusion_figure(labels, predicted, classes, title))
    step.figure("roc", roc_figure(labels, probabilities, classes))
    step.figure("precision_recall", precision_recall_figure(labels, probabilities, classes))
    step.figure("calibration", calibration_figure(labels, probabilities, classes))
    step.metrics(scores)
    thresholds = {"roc_auc": args.min_auc, "accuracy": args.min_accuracy, "f1_macro": args.min_f1}
    if missed := missed_thresholds(scores, thresholds):
        raise ComponentError("the model is not good enough: " + "; ".join(missed))
