"""predict: the answers of a model for each row of a table."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from componentkit.arguments import split_names
from componentkit.figures import figure, table_size
from componentkit.step import Step
from componentkit.tables import require_columns, write_table
from scoring import metric_name
from scoring.columns import aligned, check_unknown, unknown_shares
from scoring.models import load

_BINS = 20
_MOST_CLASSES = 60


def predicted(model: Any, features: pd.DataFrame, *, probabilities: bool) -> pd.DataFrame:
    """Returns `prediction` for each row, and of a model of classes `probability_CLASS` of each."""
    columns = {"prediction": np.asarray(model.predict(features))}
    if probabilities and hasattr(model, "predict_proba"):
        found = model.predict_proba(features)
        columns |= {f"probability_{name}": found[:, at] for at, name in enumerate(model.classes_.tolist())}
    return pd.DataFrame(columns, index=features.index)


def kept(table: pd.DataFrame, keep: str) -> pd.DataFrame:
    """Returns the columns of a table that stand beside its predictions. Raises ComponentError."""
    names = list(table.columns) if keep.strip() == "*" else split_names(keep)
    require_columns(table, names, purpose="keep")
    return table[names]


def spread(answers: pd.Series, is_number: bool) -> dict[str, Any]:
    """Returns how often each class was predicted, or how predicted numbers are spread, for the report."""
    title = f"Predictions, {len(answers):,} rows"
    named = {"part": "model", "mark": "bar", "x": "prediction", "y": ["rows"]}
    if is_number:
        heights, edges = np.histogram(answers.to_numpy(dtype=float), bins=_BINS)
        ends = zip(edges[:-1], edges[1:], heights, strict=True)
        ranges = [(f"{low:.4g} to {high:.4g}", int(count)) for low, high, count in ends]
        return figure(title, ["prediction", "rows"], ranges, **named)
    counts = answers.value_counts().sort_index().head(_MOST_CLASSES)
    rows = [(str(name), int(count), count / len(answers)) for name, count in counts.items()]
    return figure(title, ["prediction", "rows", "share"], rows, **named)


def run(step: Step) -> None:
    args = step.args
    model, info = load(args.model, measured=False)
    table = step.table("data")
    beside = kept(table, args.keep)
    features = aligned(table, info.signature.inputs, step.warn)
    unseen = unknown_shares(model, features)
    step.metrics({metric_name("unknown", name): share for name, share in unseen.items()})
    step.metrics({"unknown_categories": max(unseen.values(), default=0.0)})
    check_unknown(unseen, args.max_unknown, step.warn)
    started = time.monotonic()
    answers = predicted(model, features, probabilities=args.probabilities)
    step.metrics({"rows": len(answers), "predict_seconds": time.monotonic() - started})
    with step.output("predictions") as path:
        write_table(pd.concat([beside, answers], axis="columns"), path)
    is_number = not hasattr(model, "classes_")
    step.hand_over([spread(answers["prediction"], is_number)], [table_size("predicted", table)])
