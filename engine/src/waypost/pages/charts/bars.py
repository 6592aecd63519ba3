"""Horizontal bars: a name, and one length or several."""

from __future__ import annotations

from waypost.contracts.figures import Figure
from waypost.pages.charts import svg
from waypost.pages.numbers import number
from waypost.pages.scales import scale

_WIDTH, _RIGHT, _THICK, _GAP = 520, 64, 12, 6
MOST_BARS = 30
"""More names are in the table only."""


def bar_chart(figure: Figure) -> svg.Chart | None:
    """Returns the chart of the first rows, None where no row has a length."""
    every = ["–" if name is None else str(name) for name in figure.column(figure.x)]
    names, more = every[:MOST_BARS], len(every) - MOST_BARS
    lengths = {y: figure.column(y)[:MOST_BARS] for y in figure.y}
    values = [v for column in lengths.values() for v in column if isinstance(v, (int, float))]
    if not values:
        return None
    left = svg.room_for(names)
    across = scale(map(float, values), left, _WIDTH - _RIGHT, from_zero=True)
    height = len(names) * (_THICK * len(lengths) + _GAP)
    parts = [*svg.across(across, height, 0, 4)]
    for row, name in enumerate(names):
        top = row * (_THICK * len(lengths) + _GAP) + _GAP / 2
        middle = top + _THICK * len(lengths) / 2 + 4
        parts.append(svg.text(left - 5, middle, svg.cut(name, left), "end"))
        for at, (y, column) in enumerate(lengths.items()):
            value = column[row]
            if not isinstance(value, (int, float)):
                continue
            start, end = sorted((across(0.0), across(float(value))))
            title = f"{name}: {y} {number(float(value))}"
            parts.append(svg.rect(start, top + at * _THICK, end - start, _THICK - 2, svg.colour(at), title))
            if len(lengths) == 1:
                parts.append(svg.text(end + 4, middle, number(float(value))))
    if more > 0:
        parts.append(svg.text(left, height + 18 + svg.LINE, f"and {more:,} more, in the table"))
    below = 22 + svg.LINE if more > 0 else 18
    if len(figure.y) == 1:
        name = svg.cut(figure.label_of(figure.y[0]), _WIDTH - _RIGHT - left)
        parts.append(svg.text((left + _WIDTH - _RIGHT) / 2, height + below + 12, name, "middle"))
        below += svg.LINE
    title = f"{figure.title}: {', '.join(figure.y)} by {figure.x}"
    return svg.chart(_WIDTH, height + below, title, *parts, names=lengths)
