"""Figures of components on a page: a chart, its words, its table; as many as the page has room for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from waypost.contracts.figures import Column, Figure, Part, Value
from waypost.pages.charts.bars import bar_chart
from waypost.pages.charts.curves import curve_chart
from waypost.pages.charts.heat import heat_chart
from waypost.pages.charts.svg import Chart
from waypost.pages.facts import Step
from waypost.pages.html import EMPTY, Child, Html, joined, tag
from waypost.pages.numbers import counted
from waypost.pages.tables import badge, details, table

_CHARTS = {"bar": bar_chart, "heat": heat_chart, "line": curve_chart, "point": curve_chart}
_MOST_ROWS = 100
"""Rows of a figure's table that are shown; the artifact has all of them."""
ROOM = 400_000
"""Characters that the figures of one page take."""
_LEAST = 5000  # with less room left, nothing is drawn any more


class Room:
    """How much of a page is left for what need not be on it: those who come first are served first."""

    def __init__(self, characters: int = ROOM) -> None:
        self._left = characters
        self.refused = 0

    def take(self, make: Callable[[], Html]) -> Html:
        """Returns what is made, nothing where it does not fit; with hardly any room left, nothing is made."""
        content = make() if self._left >= _LEAST else None
        if content is None or len(content) > self._left:
            self.refused += 1
            return EMPTY
        self._left -= len(content)
        return content


def figures_of(steps: Iterable[Step], part: Part, room: Room) -> Html:
    """Returns what the steps hand over for a part of the page."""
    groups = [_of_step(step, part, room) for step in steps]
    return joined(*groups)


def _of_step(step: Step, part: Part, room: Room) -> Html:
    before = room.refused
    shown = [
        room.take(partial(figure_element, figure)) for figure in step.figures.figures if figure.part == part
    ]
    left_out = room.refused - before
    if not any(shown) and not left_out:
        return EMPTY
    note = f"{counted(left_out, 'figure')} did not fit; see the artifacts of run {step.run_id}."
    return joined(
        tag("h3", "From step ", tag("a", step.name, href=f"#step-{step.name}")),
        tag("div", *shown, class_="figs"),
        tag("p", note, class_="soft") if left_out else None,
    )


def chart_of(figure: Figure) -> Chart | None:
    """Returns what draws a figure, None where it is a table alone, or nothing can be drawn."""
    return _CHARTS[figure.mark](figure) if figure.mark in _CHARTS else None


def figure_element(figure: Figure) -> Html:
    """Returns a figure: words, chart and table; a table alone where nothing is to be drawn."""
    chart = chart_of(figure)
    content = table(
        [column.label for column in figure.columns],
        _cells(figure),
        caption=figure.title if chart is None else f"Values: {figure.title}",
        numeric=[at for at, column in enumerate(figure.columns) if _is_numeric(figure, column)],
    )
    more = len(figure.rows) - _MOST_ROWS
    left_out = tag("p", f"{counted(more, 'row')} more in the artifact.", class_="soft") if more > 0 else None
    words = tag("p", figure.description, class_="soft") if figure.description else None
    if not figure.rows:
        return tag("figure", tag("figcaption", tag("h4", figure.title), words), tag("p", "No rows."))
    if chart is None:
        return tag("figure", words, content, left_out)
    title = tag("figcaption", tag("h4", figure.title), words)
    return tag("figure", title, chart.html, details("Table", content, left_out))


def _is_numeric(figure: Figure, column: Column) -> bool:
    values = [value for value in figure.column(column.name) if value is not None]
    return bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _cells(figure: Figure) -> Iterator[list[Child]]:
    for row in figure.rows[:_MOST_ROWS]:
        yield [_cell(value, column) for value, column in zip(row, figure.columns, strict=True)]


def _cell(value: Value, column: Column) -> Child:
    if isinstance(value, bool):
        word = "yes" if value else "no"
        if column.good is None:
            return word
        return badge(f"✓ {word}", "ok") if value == column.good else badge(f"✗ {word}", "bad")
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if value is None else value
