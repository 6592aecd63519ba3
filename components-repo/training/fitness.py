"""What is told of a table before a model learns from it: what cannot work, and what is likely a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict

from componentkit.arguments import ComponentError
from componentkit.columns import as_numbers, kind_of, written
from scoring import Labels
from training.features import Features, is_text

LARGEST = float(np.finfo(np.float32).max)
"""scikit-learn's trees take numbers as float32."""
MOST_NUMBERS = 50  # different numbers that may still be classes
MANY_CATEGORIES = 100
FEW_ROWS = 10
LEAK = 0.98
_LEAK_ROWS = 2000


class Leak(NamedTuple):
    """A column that predicts the target nearly alone, by which figure, and how well."""

    column: str
    measure: str
    score: float


def check_lists(features: Features, target: str) -> None:
    """Raises ComponentError where the lists of features name nothing, a column twice, or the target."""
    names = features.names()
    if not names:
        raise ComponentError("model: features: name at least one column")
    if target in names:
        raise ComponentError(f"model: features: {target!r} is the target")
    if twice := [name for at, name in enumerate(names) if name in names[:at]]:
        lists = [kind for kind, columns in features.model_dump().items() if twice[0] in columns]
        where = " and in ".join(lists) if len(lists) > 1 else f"{lists[0]} twice"
        raise ComponentError(f"model: features: {twice[0]!r} is in {where}: name it once")


def check_target(column: pd.Series, labels: Labels) -> None:
    """Raises ComponentError where the target has no classes that can be learned."""
    name = column.name
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ComponentError(f"target {name!r} has one class only: {classes[0]!r}")
    if _is_measured(column, len(classes)):
        rule = f"{written(name)} > {column.median():g}"
        raise ComponentError(
            f"target {name!r} is a number with {len(classes):,} different values, not a class;"
            f" make classes of it in the recipe of preprocess, such as derive: {{high: {rule}}},"
            " or learn the number itself: task=regression"
        )
    if counts.min() < 2:
        rare = classes[counts < 2].tolist()
        more = f" (and {len(rare) - 1} more such classes)" if len(rare) > 1 else ""
        raise ComponentError(
            f"target {name!r}: one row only of class {rare[0]!r}{more}; two are needed."
            f" Leave them out by the filter of preprocess: {written(name)} not in {rare[:10]}"
        )


def _is_measured(column: pd.Series, distinct: int) -> bool:
    """Tells whether a column is a quantity: many numbers, with fractions or with few rows each."""
    kind = kind_of(column)
    if kind not in ("whole", "number") or distinct <= MOST_NUMBERS:
        return False
    numbers = as_numbers(column)
    return bool((numbers % 1 != 0).any()) or len(column) < 20 * distinct


def check_finite(features: pd.DataFrame) -> None:
    """Raises ComponentError that names every column with infinities, or numbers too large for a tree."""
    found: dict[str, str] = {}
    for name in features:
        values = features[name]
        if values.dtype == "float64" and (wrong := values.abs() > LARGEST).any():
            row = int(wrong.to_numpy().argmax())
            noun = "infinite" if np.isinf(values.iloc[row]) else "too large"
            count = int(wrong.sum())
            are = "value is" if count == 1 else "values are"
            found[str(name)] = f"column {name!r}: {count:,} {are} {noun}, the first in row {row + 1:,}"
    if found:
        raise ComponentError(
            f"{'; '.join(found.values())}. Leave such rows out by the filter of preprocess:"
            f" not (abs({written(next(iter(found)))}) > 1e38)"
        )


def check_number(column: pd.Series, numbers: Labels) -> None:
    """Raises ComponentError where there is no number to be learned."""
    if wrong := int((~np.isfinite(numbers)).sum()):
        rule = f"not (abs({written(column.name)}) > 1e38)"
        raise ComponentError(
            f"target {column.name!r}: {wrong:,} values are infinite; leave such rows out by the filter of"
            f" preprocess: {rule}"
        )
    if len(numbers) < 2 or np.ptp(numbers) == 0:
        raise ComponentError(f"target {column.name!r} has one value only: {numbers[0]:g}")


def rare_classes(labels: Labels) -> list[str]:
    """Returns what is to be said of classes with few rows."""
    classes, counts = np.unique(labels, return_counts=True)
    rare = classes[counts < FEW_ROWS].tolist()
    said = ", ".join(map(repr, rare[:5])) + (" …" if len(rare) > 5 else "")
    return [f"classes with fewer than {FEW_ROWS} rows can hardly be learned: {said}"] if rare else []


def concerns(features: pd.DataFrame, lists: Features, *, onehot: bool) -> Iterator[str]:
    """Gives what costs quality in the columns, though a model can be learned."""
    for name in features:
        values = features[name]
        distinct = values.nunique()
        if distinct == 0 or (distinct == 1 and not values.hasnans):
            why = "it has one value" if distinct else "all values are missing"
            yield f"column {name!r} says nothing: {why}"
        if onehot and name in lists.categorical and distinct > MANY_CATEGORIES:
            yield (
                f"column {name!r} has {distinct:,} categories, each a feature of its own, which drown the"
                " others; encode: ordinal keeps them in one"
            )


def told(leak: Leak) -> str:
    """Returns what is to be said of a column that predicts the target nearly alone."""
    return (
        f"column {leak.column!r} alone predicts the target ({leak.measure} {leak.score:.3f}): is it known"
        " before the target is? If not, it leaks: take it out of the features"
    )


def single_columns(features: pd.DataFrame, lists: Features) -> dict[str, Any]:
    """Returns each numeric and categorical column as numbers, on a sample of the rows, the same each time;
    `""` is the places of the rows.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(features))[:_LEAK_ROWS])
    found: dict[str, Any] = {"": chosen}
    for name in [*lists.numeric, *lists.categorical]:
        values = features[name].iloc[chosen]
        codes = values.factorize(sort=True)[0] if is_text(values) else as_numbers(values).to_numpy()
        found[name] = codes.reshape(-1, 1)
    return found


def class_leaks(labels: Labels, columns: dict[str, Any], tree: Any) -> list[Leak]:
    """Returns the columns from which a tree tells the classes, by two-fold cross-validation.

    Args: `columns` as `single_columns` gives them.
    """
    truth = pd.Series(labels[columns[""]])
    enough = truth.map(truth.value_counts()).to_numpy() >= 2
    known = truth[enough].astype("str").to_numpy()
    if len(np.unique(known)) < 2:
        return []
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    scores = {
        name: float(balanced_accuracy_score(known, cross_val_predict(tree, values[enough], known, cv=folds)))
        for name, values in columns.items()
        if name
    }
    return [Leak(name, "balanced accuracy", score) for name, score in scores.items() if score >= LEAK]


def number_leaks(labels: Labels, columns: dict[str, Any], tree: Any) -> list[Leak]:
    """Returns the columns from which a tree tells the number, as `class_leaks` does."""
    known = labels[columns[""]]
    if len(known) < 4:
        return []
    folds = KFold(2, shuffle=True, random_state=0)
    scores = {
        name: float(r2_score(known, cross_val_predict(tree, values, known, cv=folds)))
        for name, values in columns.items()
        if name
    }
    return [Leak(name, "R²", score) for name, score in scores.items() if score >= LEAK]
