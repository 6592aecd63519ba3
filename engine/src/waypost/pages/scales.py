"""From values to places: scales with ticks at round numbers (Heckbert 1990,
doi:10.1016/B978-0-08-050753-8.50018-2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear scale from `low` and `high` to the places `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        # By halves: the whole span of the largest numbers is no float any more.
        low, span = self.low / 2, self.high / 2 - self.low / 2
        share = (value / 2 - low) / span if span else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Returns round values within the scale."""
        parts = max(most, 2)
        step = _step(self.high / parts - self.low / parts)
        if not step:
            return [self.low]
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        # Twelve digits more than the step has: what a product of floats has too much is cut off.
        digits = 12 - math.floor(math.log10(step))
        return [round(at * step, digits) for at in range(first, last + 1)]


def scale(values: Iterable[float], start: float, end: float, *, from_zero: bool = False) -> Scale:
    """Returns a scale that holds all values; one that has no extent gets some."""
    found = [value for value in values if math.isfinite(value)]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        low, high = (low, low + 1) if from_zero else (low - 0.5, high + 0.5)
    return Scale(low, high, start, end)


def _step(wanted: float) -> float:
    """Returns the round number, 1, 2 or 5 times a power of ten, that is not smaller."""
    if wanted <= 0 or not math.isfinite(wanted):
        return 0.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted * (1 - 1e-9))
