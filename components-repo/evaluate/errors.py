"""A model of numbers on a held-out table: errors, residuals, calibration, slices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from componentkit.arguments import split_names
from componentkit.figures import table_size
from componentkit.step import Step
from componentkit.tables import require_columns
from evaluate.figures import number_slices_table
from evaluate.intervals import bootstrapped, measured_once, number_measures
from evaluate.quantiles import (
    calibrated_figure,
    calibrated_table,
    quantile_measures,
    residual_table,
)
from evaluate.slices import slice_rows
from scoring.errors import Numbers, number_array, number_figure, regression_metrics


def residual_figure(truth: Numbers, predicted: Numbers, target: str) -> Figure:
    """Returns the residuals (true minus predicted) over the predictions, and how they are spread."""
    residuals = truth - predicted
    figure = Figure(figsize=(11, 5), layout="constrained")
    over, spread = figure.subplots(1, 2)
    over.axhline(0, color="grey", linestyle=":")
    over.plot(predicted, residuals, ".", color="#3b6fb6", alpha=0.4)
    over.set(xlabel=f"predicted {target}", ylabel="true minus predicted", title="Residuals")
    spread.hist(residuals, bins=min(50, max(5, len(residuals) // 20)), color="#3b6fb6")
    spread.set(xlabel="true minus predicted", ylabel="rows", title=f"Spread, {len(truth):,} test rows")
    return figure


def number_slices(column: pd.Series, truth: Numbers, predicted: Numbers) -> dict[str, dict[str, float]]:
    """Returns rows and metrics for each value of a column that has enough rows."""
    return {
        value: {"rows": float(rows.sum()), **regression_metrics(truth[rows], predicted[rows])}
        for value, rows in slice_rows(column)
    }


def too_far(scores: dict[str, float], limits: dict[str, float]) -> list[str]:
    """Returns a line for each error that is larger than its limit, by how much; a limit of 0 is none."""
    return [
        f"{name} is {scores[name]:.6g}, {scores[name] - most:.6g} above the {most:g} allowed"
        for name, most in limits.items()
        if most and scores[name] > most
    ]


def measured_numbers(
    step: Step, model: Any, said: dict[str, Any], features: pd.DataFrame, table: pd.DataFrame, target: str
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Logs figures and plots. Returns (report, predictions). Args: `said` is the model's metadata."""
    truth = number_array(table[target])
    predicted = np.asarray(model.predict(features), dtype=np.float64)
    quantile = said.get("quantile")
    more = quantile_measures(truth, predicted, float(quantile)) if quantile is not None else {}
    scores = regression_metrics(truth, predicted) | measured_once(more, len(truth))
    measures = number_measures(truth, predicted) | more
    found = bootstrapped(measures, len(truth), step.args.intervals, step.args.seed)
    if zeros := int((truth == 0).sum()):
        step.warn(f"mape leaves out {zeros:,} of {len(truth):,} rows where {target!r} is 0")
    sliced = split_names(step.args.slices)
    require_columns(table, sliced, purpose="slices")
    by_slice = {name: number_slices(table[name], truth, predicted) for name in sliced}
    shown = [residual_table(truth, predicted, target), calibrated_table(truth, predicted, target, quantile)]
    shown += [number_slices_table(name, groups) for name, groups in by_slice.items() if groups]
    step.hand_over(shown, [table_size("test", table)])
    step.figure("predicted", number_figure(truth, predicted, f"Test: {target}, {len(truth):,} rows"))
    step.figure("residuals", residual_figure(truth, predicted, target))
    step.figure("calibration", calibrated_figure(truth, predicted, target, quantile))
    report = {"overall": scores, "classes": {}, "slices": by_slice, "rows": len(truth), "rows_zero": zeros}
    answers = {"label": truth, "prediction": predicted, "residual": truth - predicted}
    return {**report, "intervals": found}, pd.DataFrame(answers)
