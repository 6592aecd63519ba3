"""Numbers as people read them: times, sizes, figures."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_HUGE, _SMALL = 1e15, 1e-3


def number(value: float) -> str:
    """Returns a number with as many digits as say something."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite" if value > 0 else "minus infinite"
    if value == int(value) and abs(value) < _HUGE:
        return f"{int(value):,}"
    if abs(value) >= _HUGE or abs(value) < _SMALL:
        return f"{value:.3g}"
    return f"{value:,.4f}" if abs(value) < 100 else f"{value:,.1f}"


def signed(value: float) -> str:
    """Returns a difference with its sign."""
    return f"+{number(value)}" if value > 0 else number(value).replace("-", "−")


def short(value: float) -> str:
    """Returns a number for an axis."""
    return f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= _HUGE else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Returns a time that something took."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 0.05 or not seconds else f"{1000 * seconds:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def megabytes(size: float) -> str:
    """Returns a size of memory, in units of a million bytes."""
    return f"{size / 1e6:,.0f} MB" if size < 1e10 else f"{size / 1e9:,.1f} GB"


def moment(milliseconds: int) -> str:
    """Returns a time of the calendar, in UTC."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def counted(count: int, noun: str) -> str:
    """Returns `1 step`, `2 steps`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
