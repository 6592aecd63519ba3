"""Lines and points over two axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from waypost.contracts.figures import Figure, Value
from waypost.pages.charts import svg
from waypost.pages.html import Html, tag
from waypost.pages.numbers import short
from waypost.pages.scales import Scale, scale

_WIDTH, _HEIGHT = 520, 300
_NAME, _RIGHT, _TOP, _BOTTOM = 20, 12, 10, 40
_MOST_MARKED = 12  # points on a line that are drawn one by one


@dataclass(frozen=True)
class Curve:
    """Points that belong together."""

    name: str
    points: tuple[tuple[float, float], ...]


def curves_of(figure: Figure) -> list[Curve]:
    """Returns the curves of a figure: one for each `y`, parted by the values of `series` where it names one.

    Rows without a number on both axes are in the table only.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for name, x, y in _rows(figure):
        found.setdefault(name, []).append((x, y))
    return [Curve(name, tuple(points)) for name, points in found.items()]


def _rows(figure: Figure) -> Iterator[tuple[str, float, float]]:
    places = {column.name: at for at, column in enumerate(figure.columns)}
    for row in figure.rows:
        for name in figure.y:
            x, y = row[places[figure.x]], row[places[name]]
            if not _is_number(x) or not _is_number(y):
                continue
            group = str(row[places[figure.series]]) if figure.series else ""
            both = f"{group}: {name}" if group and len(figure.y) > 1 else group or name
            yield both, float(x or 0), float(y or 0)


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def curve_chart(figure: Figure) -> svg.Chart | None:
    """Returns the chart, None where there is nothing to draw."""
    curves = curves_of(figure)
    points = [point for curve in curves for point in curve.points]
    if not points:
        return None
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    also = [min(x for x, _ in points), max(x for x, _ in points)] if figure.diagonal else []
    upward = scale([*(y for _, y in points), *also], bottom, _TOP)
    left = _NAME + svg.room_for(map(short, upward.ticks()))
    across = scale((x for x, _ in points), left, right)
    parts = [
        *svg.across(across, bottom, _TOP),
        *svg.upward(upward, left, right),
        svg.text((left + right) / 2, _HEIGHT - 6, svg.cut(figure.label_of(figure.x), right - left), "middle"),
    ]
    if len(figure.y) == 1:
        label = svg.cut(figure.label_of(figure.y[0]), bottom - _TOP)
        parts.append(svg.turned(11, (_TOP + bottom) / 2, label, "middle"))
    if figure.diagonal:
        ends = (across.low, across.high)
        parts.append(svg.path([(across(end), upward(end)) for end in ends], "diagonal"))
    # Grey ones first: what has a colour is never below them.
    for at in reversed(range(len(curves))):
        parts += _drawn(curves[at], at, across, upward, points_only=figure.mark == "point")
    title = f"{figure.title}: {', '.join(figure.y)} by {figure.x}"
    names = [curve.name for curve in curves]
    return svg.chart(_WIDTH, _HEIGHT, title, *parts, names=names, lines=figure.mark == "line")


def _drawn(curve: Curve, at: int, across: Scale, upward: Scale, *, points_only: bool) -> Iterator[Html]:
    class_ = svg.colour(at)
    places = [(across(x), upward(y)) for x, y in curve.points]
    if not points_only:
        yield svg.path(places, f"l {class_}", curve.name)
    if points_only or len(places) <= _MOST_MARKED:
        for (x, y), (cx, cy) in zip(curve.points, places, strict=True):
            title = tag("title", f"{curve.name}: {short(x)}, {short(y)}")
            yield tag("circle", title, cx=svg.place(cx), cy=svg.place(cy), r="2.5", class_=f"p {class_}")
