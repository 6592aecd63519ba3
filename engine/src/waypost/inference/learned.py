"""What fitted estimators have learned, as values: trees, or weights, and how answers follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from waypost.errors import WaypostError
from waypost.inference.compiled import Weights
from waypost.inference.features import Kind
from waypost.inference.links import Link
from waypost.inference.memberships import Membership
from waypost.inference.trees import Trees

TOLERANCE = 1e-12
"""Sums are the same bits; exponents of them are by some units in the last place another library's."""
SINGLE_TOLERANCE = 2.5e-7
"""The same for what a library rounds to float32."""
LINEAR_TOLERANCE = 1e-9
"""A product of matrices adds up in another order for a row than for many, in scikit-learn, too."""


class NotCompilableError(WaypostError):
    """The model has a part that has no compiled form; the original serves."""


_SINGLE = Kind()


@dataclass(frozen=True)
class Learned:
    """What an estimator has learned, as `Content` has it; `takes_missing`: features may be missing."""

    width: int
    link: Link
    trees: Trees | None = None
    weights: Weights | None = None
    count: int = 0
    kind: Kind = _SINGLE
    takes_missing: bool = False
    from_zero: bool = False
    by_probability: bool = False
    is_single: bool = False
    classes: list[Any] | None = None
    tolerance: float = TOLERANCE
    members: list[Membership] = field(default_factory=list)
    in_lists: bool = False


def said_by_booster(link: Link) -> Link:
    """Returns how a booster answers, which knows no classes: by the probability of the second one.

    Raises NotCompilableError for one that answers with a table.
    """
    if link == "softmax":
        raise NotCompilableError("a booster that answers with a probability for each class")
    return "chance" if link == "logit" else link
