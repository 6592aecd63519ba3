"""What is told of a table before a model learns from it: what cannot work, and what is likely a mistake."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from componentkit.arguments import ComponentError
from componentkit.columns import as_numbers, kind_of, written
from scoring import Labels
from train_random_forest.model import Features, is_text

LARGEST = float(np.finfo(np.float32).max)
"""scikit-learn's trees take numbers as float32."""
MOST_NUMBERS = 50  # different numbers that may still be classes
MANY_CATEGORIES = 100
FEW_ROWS = 10
LEAK = 0.98
_LEAK_ROWS = 2000


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
            f" make classes of it in the recipe of preprocess, such as derive: {{high: {rule}}}"
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


def concerns(features: pd.DataFrame, labels: Labels, lists: Features, *, onehot: bool) -> Iterator[str]:
    """Gives what is likely a mistake, or costs quality, though a model can be learned."""
    classes, counts = np.unique(labels, return_counts=True)
    if rare := classes[counts < FEW_ROWS].tolist():
        said = ", ".join(map(repr, rare[:5])) + (" …" if len(rare) > 5 else "")
        yield f"classes with fewer than {FEW_ROWS} rows can hardly be learned: {said}"
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
    for name, score in leaks(features, labels, lists):
        yield (
            f"column {name!r} alone predicts the target (balanced accuracy {score:.3f}): is it known before"
            " the target is? If not, it leaks: take it out of the features"
        )


def leaks(features: pd.DataFrame, labels: Labels, lists: Features) -> Iterator[tuple[str, float]]:
    """Gives the columns that predict the target nearly alone, with the balanced accuracy of a tree over each.

    It is measured by two-fold cross-validation on a sample of the rows, the same each time.
    """
    chosen = np.sort(np.random.default_rng(0).permutation(len(labels))[:_LEAK_ROWS])
    truth = pd.Series(labels[chosen])
    enough = truth.map(truth.value_counts()).to_numpy() >= 2
    chosen, known = chosen[enough], truth[enough].astype("str").to_numpy()
    if len(np.unique(known)) < 2:
        return
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    for name in [*lists.numeric, *lists.categorical]:
        values = features[name].iloc[chosen]
        codes = values.factorize(sort=True)[0] if is_text(values) else as_numbers(values).to_numpy()
        tree = DecisionTreeClassifier(min_samples_leaf=2, random_state=0)
        guessed = cross_val_predict(tree, codes.reshape(-1, 1), known, cv=folds)
        score = float(balanced_accuracy_score(known, guessed))
        if score >= LEAK:
            yield name, score
