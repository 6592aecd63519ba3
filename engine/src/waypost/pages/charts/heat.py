"""A heat map: cells of a shade between nothing and the whole."""

from __future__ import annotations

from waypost.contracts.figures import Figure, Value
from waypost.pages.charts import svg
from waypost.pages.html import Html
from waypost.pages.numbers import number

_WIDTH, _MOST, _LABELLED = 620, 60, 16


def heat_chart(figure: Figure) -> svg.Chart | None:
    """Returns the chart, None where there are no cells, or more than can be told apart."""
    across, upward = (_names(figure.column(name)) for name in (figure.x, figure.y[0]))
    if not across or max(len(across), len(upward)) > _MOST:
        return None
    left = svg.room_for(upward, most=150)
    top = svg.room_for(across, most=110) if max(map(len, across)) > 3 else 22.0
    cell = max(min((_WIDTH - left) / len(across), 56.0), 9.0)
    high = min(cell, 34.0)
    labels = figure.column(figure.label) if figure.label else [None] * len(figure.rows)
    columns = [figure.column(name) for name in (figure.x, figure.y[0], figure.value)]
    parts: list[Html] = []
    for x, y, value, label in zip(*columns, labels, strict=True):
        if not isinstance(value, (int, float)):
            continue
        at = (left + across.index(_named(x)) * cell, top + upward.index(_named(y)) * high)
        shade = min(max(float(value), 0.0), 1.0)
        said = number(float(label)) if isinstance(label, (int, float)) else label
        title = f"{figure.y[0]} {_named(y)}, {figure.x} {_named(x)}: {number(float(value))}"
        title += f" ({said})" if said is not None else ""
        parts.append(svg.rect(*at, cell - 1, high - 1, "c0", title, max(shade, 0.02)))
        if said is not None and len(across) <= _LABELLED:
            class_ = "on" if shade > 0.5 else None
            parts.append(svg.text(at[0] + cell / 2, at[1] + high / 2 + 4, str(said), "middle", class_))
    parts += _names_around(across, upward, (left, top), (cell, high))
    width, height = left + cell * len(across) + 4, top + high * len(upward) + 4
    return svg.chart(width, height, f"{figure.title}: {figure.y[0]} (down) by {figure.x}", *parts)


def _names_around(
    across: list[str], upward: list[str], corner: tuple[float, float], cell: tuple[float, float]
) -> list[Html]:
    (left, top), (width, height) = corner, cell
    found = [
        svg.text(left - 5, top + row * height + height / 2 + 4, svg.cut(name, left), "end")
        for row, name in enumerate(upward)
    ]
    for column, name in enumerate(across):
        x = left + column * width + width / 2
        if top <= 22:
            found.append(svg.text(x, top - 6, name, "middle"))
        else:
            found.append(svg.turned(x + 4, top - 5, svg.cut(name, top)))
    return found


def _names(values: list[Value]) -> list[str]:
    return list(dict.fromkeys(map(_named, values)))


def _named(value: Value) -> str:
    return "–" if value is None else str(value)
