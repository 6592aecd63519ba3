"""Link functions from a model's sums to its answers: the last step of its library, in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from waypost.inference.table import Floats

Link = Literal["mean", "identity", "log", "logit", "half_logit", "softmax", "one_vs_rest", "chance"]
"""The function from sums to probabilities or a number.

mean: divided by the number of trees. logit, half_logit: from one sum, the probability of the second class.
softmax, one_vs_rest: from one sum per class. chance: the number is the probability of the second class.
identity, log: the sum, or e to the power of it.
"""


class Cut(BaseModel):
    """The position of one of two classes, and the lowest probability at which it is the answer."""

    model_config = ConfigDict(frozen=True)

    positive: int
    threshold: float


@dataclass(frozen=True)
class Answer:
    """labels: shape (rows,), the values of a regressor; probabilities: shape (rows, classes), columns in the
    order of the model's classes, or none.
    """

    labels: NDArray[Any]
    probabilities: Floats

    @property
    def predictions(self) -> list[Any]:
        """The labels as values of Python."""
        found: list[Any] = self.labels.tolist()
        return found


class RowAnswer(Answer):
    """The answer for one row. Its arrays are made when they are asked for: most requests need none.

    Args: kind: the type of an array of labels; chances: the probability of each class, or none.
    """

    label: Any
    chances: list[float]
    kind: np.dtype[Any]

    def __init__(self, label: Any, chances: list[float], kind: np.dtype[Any]) -> None:
        vars(self).update(label=label, chances=chances, kind=kind)

    @cached_property
    def labels(self) -> NDArray[Any]:
        return np.array([self.label], self.kind)

    @cached_property
    def probabilities(self) -> Floats:
        return np.array([self.chances], np.float64)

    @property
    def predictions(self) -> list[Any]:
        return [self.label]


def _expit(sums: Floats) -> Floats:
    with np.errstate(over="ignore"):
        found: Floats = 1.0 / (1.0 + np.exp(-sums))
    return found


def _two(second: Floats) -> Floats:
    return np.stack([1 - second, second], axis=1)


def _softmax(sums: Floats) -> Floats:
    found: Floats = np.exp(sums - sums.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found


def _one_vs_rest(sums: Floats) -> Floats:
    found = _expit(sums)
    found /= found.sum(axis=1, keepdims=True)
    return found


_INVERSE: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda sums: sums,
    "log": np.exp,
    "logit": lambda sums: _two(_expit(sums[:, 0])),
    "half_logit": lambda sums: _two(_expit(2 * sums[:, 0])),
    "chance": _expit,
    "softmax": _softmax,
    "one_vs_rest": _one_vs_rest,
}


def inverse(link: Link, sums: Floats, trees: int) -> Floats:
    """Returns the probabilities, shape (rows, classes), or the numbers, shape (rows, outputs), for sums."""
    return sums / trees if link == "mean" else _INVERSE[link](sums)


def places(said: Floats, found: Floats, cut: Cut | None, *, from_zero: bool) -> NDArray[np.intp]:
    """Returns the position of the class that is the answer, for each row.

    Args: said: values, the largest of which decides, or one sum per row, above 0 (`from_zero`: or 0) for the
    second class; found: the probabilities, to which a cut applies.
    """
    if cut is not None:
        is_positive = found[:, cut.positive] >= cut.threshold
        return np.where(is_positive, cut.positive, 1 - cut.positive)
    if said.shape[1] == 1 and said is not found:
        return (said[:, 0] >= 0 if from_zero else said[:, 0] > 0).astype(np.intp)
    place: NDArray[np.intp] = said.argmax(axis=1)
    return place
