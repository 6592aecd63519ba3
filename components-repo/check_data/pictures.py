"""A picture of drift: how a column is distributed in the reference, and in the table that is checked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from check_data.rules import Drift
from componentkit.columns import as_text
from componentkit.tables import with_unit

BINS = 24
MOST_CATEGORIES = 12
_WIDTH, _HEIGHT, _LINE = 340, 110, 16
_REFERENCE, _CHECKED = "#b9c0cc", "#3b6fb6"


def drift_pictures(data: pd.DataFrame, reference: pd.DataFrame, drift: Drift) -> dict[str, str]:
    """Returns a picture (SVG) for each column that drift is measured of and that has values on both sides."""
    pictures = {}
    for names, picture in ((drift.numeric, _numbers), (drift.categorical, _categories)):
        for name in names:
            sides = [side[name].dropna() for side in (reference, data) if name in side]
            if len(sides) == 2 and not any(side.empty for side in sides):
                pictures[name] = picture(sides[0], sides[1], with_unit(name, data))
    return pictures


def _numbers(reference: pd.Series, data: pd.Series, label: str) -> str:
    """Returns histograms over one range: all but the outermost half percent on each side."""
    sides = [side.astype("float64").to_numpy() for side in (reference, data)]
    sides = [side[np.isfinite(side)] for side in sides]
    both = np.concatenate(sides)
    low, high = (float(value) for value in np.quantile(both, [0.005, 0.995])) if len(both) else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = [np.histogram(np.clip(side, low, high), edges)[0] / max(len(side), 1) for side in sides]
    top = max(float(share.max()) for share in shares) or 1.0
    step = _WIDTH / BINS
    bars = "".join(
        _bar(at * step, _HEIGHT * (1 - share / top), step, _HEIGHT * share / top, _REFERENCE)
        for at, share in enumerate(shares[0])
    )
    points = " ".join(
        f"{x:.1f},{_HEIGHT * (1 - share / top):.1f}"
        for at, share in enumerate(shares[1])
        for x in (at * step, (at + 1) * step)
    )
    line = f'<polyline points="{points}" fill="none" stroke="{_CHECKED}" stroke-width="2"/>'
    axis = [_text(0, f"{low:.4g}"), _text(_WIDTH / 2, label, "middle"), _text(_WIDTH, f"{high:.4g}", "end")]
    return _picture(_HEIGHT + _LINE, [bars, line, *axis], label)


def _categories(reference: pd.Series, data: pd.Series, label: str) -> str:
    """Returns the shares of the most frequent categories of both sides, in pairs of bars."""
    shares = [as_text(side).value_counts(normalize=True) for side in (reference, data)]
    table = pd.concat(shares, axis="columns", keys=["reference", "data"]).fillna(0.0)
    table = table.assign(both=table.sum(axis="columns"), name=table.index)
    table = table.sort_values(["both", "name"], ascending=[False, True]).head(MOST_CATEGORIES)
    top = float(table[["reference", "data"]].to_numpy().max())
    left = _WIDTH / 3
    parts = []
    for row, (name, shares_of) in enumerate(table.iterrows()):
        y = row * _LINE
        short = str(name) if len(str(name)) <= 18 else f"{str(name)[:17]}…"
        parts.append(_text(left - 4, short, "end", y + 12))
        for at, (side, colour) in enumerate((("reference", _REFERENCE), ("data", _CHECKED))):
            parts.append(_bar(left, y + 2 + 6 * at, (_WIDTH - left) * shares_of[side] / top, 6, colour))
    height = len(table) * _LINE + 4
    axis = _text(left, f"share of {label}, the longest bar {top:.1%}", y=height + 12)
    return _picture(height + _LINE, [*parts, axis], label)


def _bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _text(x: float, text: str, anchor: str = "start", y: float = _HEIGHT + 13) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11">{escape(text)}</text>'


def _picture(height: float, parts: Sequence[str], label: str) -> str:
    title = f"<title>{escape(label)}: reference (grey), checked (blue)</title>"
    size = f'width="{_WIDTH}" height="{height:.0f}" viewBox="0 0 {_WIDTH} {height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{title}{"".join(parts)}</svg>'
