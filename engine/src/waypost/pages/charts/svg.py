"""The parts of a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unicodedata import east_asian_width

from waypost.pages.html import Child, Html, joined, tag
from waypost.pages.numbers import short
from waypost.pages.scales import Scale

LINE = 16
"""The height of a line of text."""
KEY = 26
"""The width of a piece of a line in a legend."""
COLOURS = 8
"""How many colours can be told apart; what is drawn beyond them is grey."""
_FEWEST = 3  # characters that a name keeps
_NARROW, _CAPITAL, _WIDE = 6.4, 8.0, 11.5  # widths of characters at 11 pixels, about


class Chart(NamedTuple):
    """An image of this width and height, and the names of its colours in their order; `lines` tells whether
    they are colours of lines, which differ in their dashes, too.
    """

    image: Html
    width: float
    height: float
    names: tuple[str, ...] = ()
    lines: bool = False

    @property
    def html(self) -> Html:
        """The image and its legend."""
        return joined(self.image, legend(self.names, lines=self.lines))


def chart(
    width: float, height: float, title: str, *parts: Child, names: Iterable[str] = (), lines: bool = False
) -> Chart:
    """Returns a chart with an image that says what it is."""
    return Chart(picture(width, height, title, *parts), width, height, tuple(names), lines)


def picture(width: float, height: float, title: str, *parts: Child) -> Html:
    """Returns an image that says what it is."""
    return tag(
        "svg",
        tag("title", title),
        *parts,
        role="img",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
    )


def text(x: float, y: float, content: str, anchor: str = "start", class_: str | None = None) -> Html:
    """Returns a text; `anchor` is start, middle or end."""
    anchored = None if anchor == "start" else anchor
    return tag("text", content, x=place(x), y=place(y), text_anchor=anchored, class_=class_)


def turned(x: float, y: float, content: str, anchor: str = "start") -> Html:
    """Returns a text that is read upwards; `anchor` is start, middle or end."""
    anchored = None if anchor == "start" else anchor
    turn = f"translate({place(x)} {place(y)}) rotate(-90)"
    return tag("text", content, transform=turn, text_anchor=anchored)


def rect(
    x: float, y: float, width: float, height: float, class_: str, title: str = "", opacity: float = 1.0
) -> Html:
    """Returns a rectangle that tells its title to whoever points at it."""
    return tag(
        "rect",
        tag("title", title) if title else None,
        x=place(x),
        y=place(y),
        width=place(max(width, 0.0)),
        height=place(height),
        class_=class_,
        fill_opacity=None if opacity >= 1 else f"{opacity:.2f}",
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str = "g") -> Html:
    return tag("line", x1=place(x1), y1=place(y1), x2=place(x2), y2=place(y2), class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str, title: str = "") -> Html:
    """Returns a line through points."""
    steps = " ".join(f"{place(x)},{place(y)}" for x, y in points)
    return tag("polyline", tag("title", title) if title else None, points=steps, class_=class_)


def place(value: float) -> str:
    """Returns a coordinate: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def across(scale: Scale, y: float, top: float, most: int = 5) -> list[Html]:
    """Returns the axis of a horizontal scale at `y`, with lines up to `top`."""
    marks = scale.ticks(most)
    lines = [line(scale(mark), top, scale(mark), y) for mark in marks]
    return [*lines, *(text(scale(mark), y + 13, short(mark), "middle") for mark in marks)]


def upward(scale: Scale, x: float, right: float, most: int = 5) -> list[Html]:
    """Returns the axis of a vertical scale at `x`, with lines to the `right`."""
    marks = scale.ticks(most)
    lines = [line(x, scale(mark), right, scale(mark)) for mark in marks]
    return [*lines, *(text(x - 5, scale(mark) + 4, short(mark), "end") for mark in marks)]


def room_for(names: Iterable[str], least: float = 30, most: float = 210) -> float:
    """Returns the width that the longest name takes, within limits."""
    return min(max((_width_of(name) + 8 for name in names), default=least), most)


def cut(name: str, width: float) -> str:
    """Returns a name that fits into a width."""
    if _width_of(name) <= width - 7.9 or len(name) <= _FEWEST:
        return name
    most = next(
        (at for at in range(len(name)) if _width_of(name[: at + 1]) > width - 8 - _CAPITAL), len(name)
    )
    return f"{name[: max(most, _FEWEST - 1)]}…"


def _width_of(name: str) -> float:
    return sum(_CAPITAL if each.isupper() else _NARROW if each.isascii() else _wide(each) for each in name)


def _wide(character: str) -> float:
    return _WIDE if east_asian_width(character) in "WF" else _NARROW


def colour(at: int) -> str:
    """Returns the class of the colour with this number."""
    return f"c{at}" if at < COLOURS else "cx"


def legend(names: Sequence[str], *, lines: bool = False) -> Html | None:
    """Returns which colour is what; one alone needs none."""
    keys = [tag("li", _swatch(key, lines=lines), " ", name) for key, name in keys_of(names)]
    return tag("ul", *keys, class_="legend") if keys else None


def keys_of(names: Sequence[str], rest: str = "in the table") -> list[tuple[str, str]]:
    """Returns (class, name) for each colour; one alone needs none. `rest` says where those without are."""
    if len(names) < 2:
        return []
    more = len(names) - COLOURS
    keys = [(colour(at), name) for at, name in enumerate(names[:COLOURS])]
    return [*keys, ("cx", f"{more} more, {rest}")] if more > 0 else keys


def _swatch(class_: str, *, lines: bool) -> Html:
    width = f"{KEY if lines else 12}"
    return tag("svg", key_mark(class_, 0, 0, lines=lines), width=width, height="12", aria_hidden="true")


def key_mark(class_: str, x: float, y: float, *, lines: bool) -> Html:
    """Returns the mark of a colour in a legend: a square, or a piece of the line."""
    if lines:
        return path([(x, y + 6), (x + KEY, y + 6)], f"l {class_}")
    return tag("rect", x=place(x), y=place(y), width="12", height="12", class_=class_)
