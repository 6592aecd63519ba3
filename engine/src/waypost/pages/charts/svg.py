"""The parts of a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from waypost.pages.html import Child, Html, tag
from waypost.pages.numbers import short
from waypost.pages.scales import Scale

LINE = 16
"""The height of a line of text."""
COLOURS = 8
"""How many colours can be told apart; what is drawn beyond them is grey."""
_CHARACTER = 6.2  # the width of a character at 11 pixels, about


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


def turned(x: float, y: float, content: str) -> Html:
    """Returns a text that is read upwards."""
    return tag("text", content, transform=f"translate({place(x)} {place(y)}) rotate(-90)")


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
    return min(max((len(name) * _CHARACTER + 8 for name in names), default=least), most)


def cut(name: str, width: float) -> str:
    """Returns a name that fits into a width."""
    most = max(int((width - 8) / _CHARACTER), 3)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def colour(at: int) -> str:
    """Returns the class of the colour with this number."""
    return f"c{at}" if at < COLOURS else "cx"


def legend(names: Sequence[str]) -> Html | None:
    """Returns which colour is what; one alone needs none."""
    if len(names) < 2:
        return None
    shown = list(names[:COLOURS])
    more = len(names) - len(shown)
    keys = [(colour(at), name) for at, name in enumerate(shown)]
    keys += [("cx", f"{more} more, in the table")] if more else []
    return tag(
        "ul",
        *(tag("li", _swatch(class_), name) for class_, name in keys),
        class_="legend",
    )


def _swatch(class_: str) -> Html:
    mark = tag("rect", width="12", height="12", class_=class_)
    return tag("svg", mark, width="12", height="12", aria_hidden="true")
