"""Numbers for people."""

from __future__ import annotations

import math

_HUGE = 1e15


def figure(value: float, *, whole: bool = False) -> str:
    """Returns a metric for people; with `whole`, a number without a fraction has no decimal places."""
    if not math.isfinite(value) or abs(value) >= _HUGE:
        return f"{value:.4g}"
    return f"{value:,.0f}" if whole and value == int(value) else f"{value:.4f}"
