"""evaluate: a model on a held-out table; metrics, curves, slices, predictions, thresholds."""

from __future__ import annotations

import json
from typing import Any

from componentkit.arguments import ComponentError
from componentkit.step import Step
from componentkit.tables import require_columns, write_table
from evaluate.classes import known_labels, measured_classes
from evaluate.errors import measured_numbers, too_far
from evaluate.intervals import LEVEL, interval_metrics
from scoring import metric_name
from scoring.columns import aligned, check_unknown, unknown_shares
from scoring.models import load, task_of


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


def target_of(metadata: dict[str, Any] | None, asked: str) -> str:
    """Returns the column with the labels: the one asked for, else that of the model's metadata."""
    target = asked or str((metadata or {}).get("target", ""))
    if not target:
        raise ComponentError("model: its metadata does not name the target; name it: --target")
    return target


def run(step: Step) -> None:
    args = step.args
    model, info = load(args.model, args.task)
    is_number = task_of(info.metadata, args.task) == "regression"
    target = target_of(info.metadata, args.target)
    table = step.table("data")
    require_columns(table, [target], purpose="target")
    if not is_number:
        known_labels(table[target], model.classes_)
    features = aligned(table, info.signature.inputs, step.warn)
    unseen = unknown_shares(model, features)
    step.metrics({metric_name("unknown", name): share for name, share in unseen.items()})
    step.metrics({"unknown_categories": max(unseen.values(), default=0.0)})
    check_unknown(unseen, args.max_unknown, step.warn)
    measured = measured_numbers if is_number else measured_classes
    report, predictions = measured(step, model, info.metadata or {}, features, table, target)
    report["unknown_categories"] = unseen
    with step.output("metrics") as path:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    with step.output("predictions") as path:
        write_table(predictions, path)
    log_groups(step, report)
    scores = report["overall"]
    step.metrics(scores | interval_metrics(report["intervals"]))
    for name, (low, high) in report["intervals"].items():
        print(f"{name}: {scores[name]:.6g}, {LEVEL:.0%} interval {low:.6g} to {high:.6g}")
    if is_number:
        missed = too_far(scores, {"rmse": args.max_rmse, "mae": args.max_mae})
        missed += missed_thresholds(scores, {"r2": args.min_r2})
    else:
        least = {"roc_auc": args.min_auc, "accuracy": args.min_accuracy, "f1_macro": args.min_f1}
        missed = missed_thresholds(scores, least)
    if missed:
        raise ComponentError("the model is not good enough: " + "; ".join(missed))


def log_groups(step: Step, report: dict[str, Any]) -> None:
    """Logs the figures of each class and slice as `class/NAME/METRIC` and `slice/COLUMN/VALUE/METRIC`."""
    for kind, groups in (("class", {"": report["classes"]}), ("slice", report["slices"])):
        for column, found in groups.items():
            for value, figures in found.items():
                parts = [kind, *([column] if column else []), value]
                step.metrics({metric_name(*parts, n): v for n, v in figures.items()})
