"""A model of two classes as one that decides: how often it is right to say the positive class, and to what
cost. The trainer's metadata says what the threshold was chosen by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from componentkit.figures import figure
from evaluate.intervals import Measure, Weights, mean_of, ratio_of
from scoring import Labels, Probabilities

_POINTS = 100


@dataclass(frozen=True)
class Decision:
    """The place of the positive class, the probability from which on it is said, and by what that was chosen:
    `beta` of F-beta, or the costs of both errors, where one of the two was asked for.
    """

    positive: int
    threshold: float
    beta: float | None = None
    costs: tuple[float, float] | None = None


def decision_of(metadata: Mapping[str, Any] | None, classes: Labels) -> Decision | None:
    """Returns how a model of two classes decides: by the threshold in its metadata, else from 0.5 on for the
    second class; None for more classes.
    """
    known = classes.tolist()
    if len(known) != 2:
        return None
    said = (metadata or {}).get("threshold") or {}
    if said.get("class") not in known:
        return Decision(1, 0.5)
    costs = (said["false_positive"], said["false_negative"]) if said.get("by") == "cost" else None
    return Decision(known.index(said["class"]), float(said["value"]), said.get("beta"), costs)


def decision_measures(
    decision: Decision, labels: Labels, classes: Labels, predicted: Labels
) -> dict[str, Measure]:
    """Returns precision and recall of the positive class, and the figure that the threshold was chosen by."""
    truth, said = labels == classes[decision.positive], predicted == classes[decision.positive]
    found = {"precision": ratio_of(truth, said), "recall": ratio_of(said, truth)}
    if decision.costs is not None:
        wrong, missed = decision.costs
        found["cost"] = mean_of(wrong * (said & ~truth) + missed * (truth & ~said))
    if decision.beta is not None:
        found["f_beta"] = _f_beta(truth, said, decision.beta**2)
    return found


def _f_beta(truth: NDArray[np.bool_], said: NDArray[np.bool_], weight: float) -> Measure:
    rows = weight * truth + said

    def measured(weights: Weights) -> NDArray[np.float64]:
        whole = (weights * rows).sum(axis=1)
        right = (1 + weight) * (weights * (truth & said)).sum(axis=1)
        value: NDArray[np.float64] = np.divide(right, whole, out=np.zeros_like(right), where=whole > 0)
        return value

    return measured


def by_threshold(
    decision: Decision, labels: Labels, probabilities: Probabilities, classes: Labels
) -> list[tuple[float, float | None, float, float, float | None]]:
    """Returns (threshold, precision, recall, share of rows that are said positive, cost a row), for a hundred
    thresholds of 1 % to 100 %.
    """
    chances, truth = probabilities[:, decision.positive], labels == classes[decision.positive]
    rows = []
    for threshold in np.arange(1, _POINTS + 1) / _POINTS:
        said = chances >= threshold
        right, positive, all_true = int((said & truth).sum()), int(said.sum()), int(truth.sum())
        cost = None
        if decision.costs is not None:
            cost = (decision.costs[0] * (positive - right) + decision.costs[1] * (all_true - right)) / len(
                truth
            )
        precision = right / positive if positive else None
        rows.append((float(threshold), precision, right / max(all_true, 1), positive / len(truth), cost))
    return rows


def decision_table(
    decision: Decision, labels: Labels, probabilities: Probabilities, classes: Labels
) -> dict[str, Any]:
    """Returns what each threshold gives, for the report of the run."""
    names = ["threshold", "precision", "recall", "share of positive answers", "cost a row"]
    rows = by_threshold(decision, labels, probabilities, classes)
    if decision.costs is None:
        names, rows = names[:4], [row[:4] for row in rows]  # type: ignore[misc]
    name = classes.tolist()[decision.positive]
    return figure(
        f"Thresholds of {name}, {len(labels):,} test rows",
        names,
        rows,
        part="model",
        mark="line",
        x="threshold",
        y=names[1:4],
        description=f"The model says {name} from a probability of {decision.threshold:.3g} on.",
    )


def decision_figure(
    decision: Decision, labels: Labels, probabilities: Probabilities, classes: Labels
) -> Figure:
    """Returns a plot of the same."""
    rows = np.array(by_threshold(decision, labels, probabilities, classes), dtype=float)
    drawn = Figure(figsize=(9, 6), layout="constrained")
    axes = drawn.subplots()
    axes.plot(rows[:, 0], rows[:, 1], label="precision")
    axes.plot(rows[:, 0], rows[:, 2], label="recall")
    if decision.costs is not None:
        axes.plot(rows[:, 0], rows[:, 4], color="#a3141e", label="cost a row")
    axes.axvline(decision.threshold, color="grey", linestyle=":", label="the model's threshold")
    name = classes.tolist()[decision.positive]
    axes.set(
        xlabel=f"threshold of {name}", ylabel="share, or cost", title=f"Decisions, {len(labels):,} test rows"
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return drawn
