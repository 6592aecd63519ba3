"""How much each feature matters to a model: by the model's own figure, and by what shuffling it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline

from componentkit.figures import figure
from scoring import Labels, shortened
from training.config import TrainerConfig

_LABELS = {
    "impurity": "share of impurity decrease",
    "coefficient": "sum of absolute coefficients of the scaled columns",
}
_LOST = {"classification": "accuracy lost when shuffled", "regression": "R² lost when shuffled"}


def importance_table(
    own: pd.Series | None,
    model: Pipeline,
    features: pd.DataFrame,
    labels: Labels,
    config: TrainerConfig,
    seed: int,
) -> pd.DataFrame:
    """Returns the model's own importance of each feature, where it has one, and that by permutation (loss of
    accuracy or of R²), largest first.
    """
    names = config.features.names()
    table = pd.DataFrame(index=pd.Index(names)) if own is None else own.to_frame()
    if repeats := config.permutation.repeats:
        rows = min(config.permutation.rows, len(features))
        chosen = np.sort(np.random.default_rng(seed).permutation(len(features))[:rows])
        result = permutation_importance(
            model, features.iloc[chosen], labels[chosen], n_repeats=repeats, random_state=seed
        )
        table["permutation"] = result["importances_mean"]
        table["permutation_std"] = result["importances_std"]
    table.index.name = "feature"
    if not len(table.columns):
        return table
    return table.sort_values(str(table.columns[0]), ascending=False, kind="stable")


def importance_figure(table: pd.DataFrame, task: str = "classification", most: int = 20) -> Figure:
    shown = table.head(most)[::-1]
    columns = [name for name in table.columns if name != "permutation_std"]
    figure = Figure(figsize=(11, 0.3 * len(shown) + 2), layout="constrained")
    axes_of = figure.subplots(1, max(len(columns), 1), sharey=True, squeeze=False)[0]
    for axes, column in zip(axes_of, columns, strict=False):
        axes.barh([shortened(name, 40) for name in shown.index], shown[column], color="#3b6fb6")
        axes.set(xlabel=_LABELS.get(column, _LOST[task]), title=f"by {column}")
    figure.suptitle(f"Feature importance, {len(shown)} of {len(table)} features")
    return figure


def reported_importances(table: pd.DataFrame, task: str) -> list[dict[str, Any]]:
    """Returns the importances for the report of the run, where there are any."""
    if not len(table.columns):
        return []
    own = str(table.columns[0])
    drawn = "permutation" if "permutation" in table else own
    table = table.sort_values(drawn, ascending=False, kind="stable")
    rows = [(str(name), *row) for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)]
    said = f" By {own}: {_LABELS[own]}." if own in _LABELS else ""
    found = figure(
        f"Feature importance, {len(table)} features",
        ["feature", *map(str, table.columns)],
        rows,
        part="model",
        mark="bar",
        x="feature",
        y=[drawn],
        description=f"By permutation: {_LOST[task]}.{said}",
    )
    return [found]
