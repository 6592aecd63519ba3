"""The learned parameters of fitted estimators: trees, or weights, and the link to answers."""

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
"""Sums have the same bits; exponentials differ between libraries by some units in the last place."""
SINGLE_TOLERANCE = 2.5e-7
"""The same if a library rounds to float32."""
LINEAR_TOLERANCE = 1e-9
"""A matrix product adds in another order for one row than for many, also in scikit-learn."""


class NotCompilableError(WaypostError):
    """A part of the model cannot be compiled; the original serves."""


_SINGLE = Kind()


@dataclass(frozen=True)
class Learned:
    """The learned parameters of an estimator, as in `Content`; `takes_missing`: features may be missing;
    `skips_zeros`: the zeros of a sparse matrix are missing, since it does not store them.
    """

    width: int
    link: Link
    trees: Trees | None = None
    weights: Weights | None = None
    count: int = 0
    kind: Kind = _SINGLE
    takes_missing: bool = False
    skips_zeros: bool = False
    from_zero: bool = False
    by_probability: bool = False
    is_single: bool = False
    classes: list[Any] | None = None
    tolerance: float = TOLERANCE
    members: list[Membership] = field(default_factory=list)
    in_lists: bool = False


def said_by_booster(link: Link) -> Link:
    """Returns the link of a booster, which has no classes: the probability of the second one. Raises
    NotCompilableError for a booster with several outputs.
    """
    if link == "softmax":
        raise NotCompilableError("a booster that answers with a probability for each class")
    return "chance" if link == "logit" else link
