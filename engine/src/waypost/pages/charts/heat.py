"""A heat map: cells of a shade between nothing and the whole."""

from __future__ import annotations

from waypost.contracts.figures import Figure, Value
from waypost.pages.charts import svg
from waypost.pages.html import Html, tag
from waypost.pages.numbers import number

_WIDTH, _MOST, _LABELLED = 620, 60, 16
_LEAST = 0.02  # the shade of nothing
_NAME = 18  # pixels that the name of an axis takes
_Text = tuple[int, int, str, str | None]


def heat_chart(figure: Figure) -> svg.Chart | None:
    """Returns the chart, None where there are no cells, or more than can be told apart."""
    across, upward = (_names(figure.column(name)) for name in (figure.x, figure.y[0]))
    if not across or max(len(across), len(upward)) > _MOST:
        return None
    left = _NAME + svg.room_for(upward, most=150)
    top = _NAME + (svg.room_for(across, most=110) if _are_turned(across) else 22.0)
    cell = max(min((_WIDTH - left) / len(across), 56.0), 9.0)
    high = min(cell, 34.0)
    cells, texts = _cells(figure, across, upward)
    scaled = f"translate({svg.place(left)} {svg.place(top)})scale({svg.place(cell)} {svg.place(high)})"
    # In units of a cell: thousands of cells need not repeat their size.
    parts = [tag("g", *cells, class_="c0 h", transform=scaled)]
    parts += [
        svg.text(left + (column + 0.5) * cell, top + (row + 0.5) * high + 4, said, "middle", class_)
        for column, row, said, class_ in texts
    ]
    parts += _names_around(across, upward, (left, top), (cell, high))
    width, height = left + cell * len(across) + 4, top + high * len(upward) + 4
    x, y = (svg.cut(figure.label_of(name), 400) for name in (figure.x, figure.y[0]))
    parts.append(svg.text((left + width) / 2, 12, x, "middle"))
    parts.append(svg.turned(11, (top + height) / 2, y, "middle"))
    return svg.chart(width, height, f"{figure.title}: {figure.y[0]} (down) by {figure.x}", *parts)


def _cells(figure: Figure, across: list[str], upward: list[str]) -> tuple[list[Html], list[_Text]]:
    """Returns the cells as rectangles of the size 1, and the texts in them as (column, row, text, class).

    Of a map without texts, cells of the shade 0 are one rectangle.
    """
    is_labelled = len(across) <= _LABELLED
    labels = figure.column(figure.label) if figure.label else [None] * len(figure.rows)
    columns = [figure.column(name) for name in (figure.x, figure.y[0], figure.value)]
    whole = {"class_": "a", "width": len(across), "height": len(upward), "fill_opacity": _LEAST}
    cells = [] if is_labelled else [tag("rect", **whole)]
    texts: list[_Text] = []
    for x, y, value, label in zip(*columns, labels, strict=True):
        if not isinstance(value, (int, float)) or not (value or is_labelled):
            continue
        column, row = across.index(_named(x)), upward.index(_named(y))
        shade = min(max(float(value), 0.0), 1.0)
        said = number(float(label)) if isinstance(label, (int, float)) else label
        title = f"{_named(y)}, {_named(x)}: {number(float(value))}" + (
            f" ({said})" if said is not None else ""
        )
        opacity = f"{max(shade, _LEAST):.2f}".removeprefix("0")
        cells.append(tag("rect", tag("title", title), x=column, y=row, fill_opacity=opacity))
        if said is not None and is_labelled:
            texts.append((column, row, str(said), "on" if shade > 0.5 else None))
    return cells, texts


def _names_around(
    across: list[str], upward: list[str], corner: tuple[float, float], cell: tuple[float, float]
) -> list[Html]:
    (left, top), (width, height) = corner, cell
    found = [
        svg.text(left - 5, top + row * height + height / 2 + 4, svg.cut(name, left - _NAME), "end")
        for row, name in enumerate(upward)
    ]
    for column, name in enumerate(across):
        x = left + column * width + width / 2
        if not _are_turned(across):
            found.append(svg.text(x, top - 6, name, "middle"))
        else:
            found.append(svg.turned(x + 4, top - 5, svg.cut(name, top - _NAME)))
    return found


def _are_turned(names: list[str]) -> bool:
    """Returns whether the names across are too long to be written side by side."""
    return max(map(len, names)) > 3


def _names(values: list[Value]) -> list[str]:
    return list(dict.fromkeys(map(_named, values)))


def _named(value: Value) -> str:
    return "–" if value is None else str(value)
