"""What a trainer learns: a class of a few, or a number. The user says which; nobody guesses."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from componentkit.arguments import ComponentError
from scoring import Labels, classification_metrics, confusion_figure, label_array
from scoring.errors import number_array, number_figure, regression_metrics
from scoring.figures import confusion_matrix
from training.config import TrainerConfig
from training.fitness import Leak, check_number, check_target, class_leaks, number_leaks, rare_classes
from training.threshold import positive_class

Rows = tuple[Labels, Labels]


class Task(Protocol):
    """What differs between classes and numbers, for everything that trains."""

    name: str

    def answers(self, column: pd.Series) -> Labels: ...
    def check(self, config: TrainerConfig, labels: Labels) -> None: ...
    def concerns(self, labels: Labels) -> list[str]: ...
    def leaks(self, labels: Labels, columns: dict[str, Any]) -> list[Leak]: ...
    def held_out_rows(self, labels: Labels, share: float, seed: int) -> Rows: ...
    def folds(self, labels: Labels, folds: int, repeats: int, seed: int) -> Any: ...
    def scores(
        self, model: Pipeline, features: pd.DataFrame, labels: Labels
    ) -> tuple[dict[str, float], Labels]: ...
    def figure(
        self, labels: Labels, predicted: Labels, model: Pipeline, title: str
    ) -> tuple[str, Figure]: ...
    def reported(self, labels: Labels, predicted: Labels, model: Pipeline) -> list[dict[str, Any]]: ...
    def classes(self, model: Pipeline) -> list[Any]: ...


class Classification:
    """The target is a class of two or more, of any type."""

    name = "classification"

    def answers(self, column: pd.Series) -> Labels:
        labels = label_array(column)
        check_target(column, labels)
        return labels

    def check(self, config: TrainerConfig, labels: Labels) -> None:
        if config.threshold:
            positive_class(config.threshold, np.unique(labels))

    def concerns(self, labels: Labels) -> list[str]:
        return rare_classes(labels)

    def leaks(self, labels: Labels, columns: dict[str, Any]) -> list[Leak]:
        return class_leaks(labels, columns, DecisionTreeClassifier(min_samples_leaf=2, random_state=0))

    def held_out_rows(self, labels: Labels, share: float, seed: int) -> Rows:
        """Stratified, every class on both sides."""
        least = len(np.unique(labels)) / len(labels)
        return _parted(labels, max(share, least), seed, said=share, strata=labels)

    def folds(self, labels: Labels, folds: int, repeats: int, seed: int) -> Any:
        classes, counts = np.unique(labels, return_counts=True)
        if counts.min() < folds:
            rare = classes.tolist()[counts.argmin()]
            raise ComponentError(
                f"cross_validation {folds}: class {rare!r} has {counts.min()} rows, fewer than one a fold:"
                f" {counts.min()} folds at most"
            )
        return RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)

    def scores(
        self, model: Pipeline, features: pd.DataFrame, labels: Labels
    ) -> tuple[dict[str, float], Labels]:
        probabilities, predicted = model.predict_proba(features), model.predict(features)
        return classification_metrics(labels, probabilities, model.classes_, predicted), predicted

    def figure(self, labels: Labels, predicted: Labels, model: Pipeline, title: str) -> tuple[str, Figure]:
        return "confusion_matrix", confusion_figure(labels, predicted, model.classes_, title)

    def reported(self, labels: Labels, predicted: Labels, model: Pipeline) -> list[dict[str, Any]]:
        return [confusion_matrix(labels, predicted, model.classes_, f"{len(labels):,} validation rows")]

    def classes(self, model: Pipeline) -> list[Any]:
        found: list[Any] = model.classes_.tolist()
        return found


class Regression:
    """The target is a number."""

    name = "regression"

    def answers(self, column: pd.Series) -> Labels:
        numbers = number_array(column)
        check_number(column, numbers)
        return numbers

    def check(self, config: TrainerConfig, labels: Labels) -> None:  # noqa: ARG002 (as the protocol has it)
        for key, is_given in (
            ("threshold", config.threshold is not None),
            ("class_weight", config.class_weight != "none"),
        ):
            if is_given:
                raise ComponentError(f"model: {key}: it is for classes, and the task is regression")

    def concerns(self, labels: Labels) -> list[str]:  # noqa: ARG002 (as the protocol has it)
        return []

    def leaks(self, labels: Labels, columns: dict[str, Any]) -> list[Leak]:
        return number_leaks(labels, columns, DecisionTreeRegressor(min_samples_leaf=5, random_state=0))

    def held_out_rows(self, labels: Labels, share: float, seed: int) -> Rows:
        return _parted(labels, share, seed, said=share, strata=None)

    def folds(self, labels: Labels, folds: int, repeats: int, seed: int) -> Any:
        if len(labels) < 2 * folds:
            raise ComponentError(
                f"cross_validation {folds}: {len(labels)} rows are fewer than two a fold:"
                f" {len(labels) // 2} folds at most"
            )
        return RepeatedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)

    def scores(
        self, model: Pipeline, features: pd.DataFrame, labels: Labels
    ) -> tuple[dict[str, float], Labels]:
        predicted = np.asarray(model.predict(features), dtype=np.float64)
        return regression_metrics(labels, predicted), predicted

    def figure(
        self,
        labels: Labels,
        predicted: Labels,
        model: Pipeline,  # noqa: ARG002 (as the protocol has it)
        title: str,
    ) -> tuple[str, Figure]:
        return "predicted", number_figure(labels, predicted, title)

    def reported(
        self,
        labels: Labels,  # noqa: ARG002 (as the protocol has it)
        predicted: Labels,  # noqa: ARG002
        model: Pipeline,  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        return []

    def classes(self, model: Pipeline) -> list[Any]:  # noqa: ARG002 (as the protocol has it)
        return []


def task_of(name: str) -> Task:
    return Regression() if name == Regression.name else Classification()


def _parted(labels: Labels, share: float, seed: int, *, said: float, strata: Labels | None) -> Rows:
    """Returns (rows to learn from, rows to validate on). Raises ComponentError where there are too few."""
    try:
        learn, validate = train_test_split(
            np.arange(len(labels)), test_size=share, random_state=seed, stratify=strata
        )
    except ValueError as error:
        raise ComponentError(f"validation_size {said}: {error}") from error
    return learn, validate
