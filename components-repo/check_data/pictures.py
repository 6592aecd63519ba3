"""A picture of drift: how a column is distributed in the reference, and in the table that is checked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from check_data.distributions import SIDES, Column, columns_with_values, shares_by_bin, shares_by_category
from check_data.rules import Drift
from componentkit.tables import with_unit

BINS = 24
_WIDTH, _HEIGHT, _LINE = 340, 110, 16
_REFERENCE, _CHECKED = "#b9c0cc", "#3b6fb6"


def drift_pictures(data: pd.DataFrame, reference: pd.DataFrame, drift: Drift) -> dict[str, str]:
    """Returns a picture (SVG) for each column that drift is measured of and that has values on both sides."""
    pictures = {}
    for column in columns_with_values(data, reference, drift):
        picture = _numbers if column.is_numeric else _categories
        pictures[column.name] = picture(column, with_unit(column.name, data))
    return pictures


def _numbers(column: Column, label: str) -> str:
    """Returns histograms over one range: all but the outermost half percent on each side."""
    edges, shares = shares_by_bin(column, BINS)
    low, high = float(edges[0]), float(edges[-1])
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


def _categories(column: Column, label: str) -> str:
    """Returns the shares of the most frequent categories of both sides, in pairs of bars."""
    table = shares_by_category(column)
    top = float(table.to_numpy().max())
    left = _WIDTH / 3
    parts = []
    for row, (name, shares_of) in enumerate(table.iterrows()):
        y = row * _LINE
        short = str(name) if len(str(name)) <= 18 else f"{str(name)[:17]}…"
        parts.append(_text(left - 4, short, "end", y + 12))
        for at, (side, colour) in enumerate(zip(SIDES, (_REFERENCE, _CHECKED), strict=True)):
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
