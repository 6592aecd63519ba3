"""Boxes and arrows as SVG: pictures of the documentation, which need no script and no other machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from waypost.pages.charts import svg
from waypost.pages.html import Html, tag
from waypost.pages.image import image

WIDE, HIGH = 132, 44
_EDGE = 12
_ARROWS = """.a{fill:none;stroke:var(--soft);stroke-width:1.4}
.h{fill:var(--soft)}.o{fill:var(--bg);stroke:var(--soft)}"""


class Box(NamedTuple):
    """A box with its middle at (x, y): a name, and up to a line below it."""

    x: float
    y: float
    note: str = ""
    kind: str = ""


class Arrow(NamedTuple):
    """An arrow between two boxes; `bend` moves its middle to the right of its way, in pixels."""

    start: str
    end: str
    label: str = ""
    bend: float = 0.0


def drawing(title: str, boxes: Mapping[str, Box], arrows: Iterable[Arrow]) -> str:
    """Returns the picture, as large as its boxes need."""
    width = max(box.x for box in boxes.values()) + WIDE / 2 + _EDGE
    height = max(box.y for box in boxes.values()) + HIGH / 2 + _EDGE
    lines, marks = [], []
    for arrow in arrows:
        line, mark = _drawn(boxes[arrow.start], boxes[arrow.end], arrow)
        lines.append(line)
        marks += [mark] if arrow.label else []
    shapes = [*lines, *(_box(name, box) for name, box in boxes.items()), *marks]
    return image(title, width, height, *shapes, styles=_ARROWS)


def _box(name: str, box: Box) -> Html:
    left, top = box.x - WIDE / 2, box.y - HIGH / 2
    name_y = box.y - 2 if box.note else box.y + 4
    return tag(
        "g",
        tag(
            "rect",
            x=svg.place(left),
            y=svg.place(top),
            width=WIDE,
            height=HIGH,
            rx=5,
            class_=f"node {box.kind}".strip(),
        ),
        svg.text(box.x, name_y, name, "middle", "name"),
        svg.text(box.x, box.y + 13, box.note, "middle") if box.note else None,
    )


def _drawn(start: Box, end: Box, arrow: Arrow) -> tuple[Html, Html]:
    """Returns an arrow from border to border, and its label on the middle of it."""
    dx, dy = end.x - start.x, end.y - start.y
    length = max((dx * dx + dy * dy) ** 0.5, 1.0)
    over = (-dy / length * arrow.bend, dx / length * arrow.bend)
    control = ((start.x + end.x) / 2 + 2 * over[0], (start.y + end.y) / 2 + 2 * over[1])
    x1, y1 = _border(start, control)
    x2, y2 = _border(end, control)
    middle = ((x1 + 2 * control[0] + x2) / 4, (y1 + 2 * control[1] + y2) / 4)
    curve = f"M{svg.place(x1)} {svg.place(y1)}Q{svg.place(control[0])} {svg.place(control[1])} "
    line = tag("path", d=f"{curve}{svg.place(x2)} {svg.place(y2)}", class_="a")
    return tag("g", line, _head((x2, y2), control)), _label(middle, arrow.label)


def _border(box: Box, to: tuple[float, float]) -> tuple[float, float]:
    """Returns where the way from the middle of a box to a point leaves it."""
    dx, dy = to[0] - box.x, to[1] - box.y
    share = min(
        (WIDE / 2 + 2) / abs(dx) if dx else float("inf"), (HIGH / 2 + 2) / abs(dy) if dy else float("inf")
    )
    return box.x + dx * share, box.y + dy * share


def _head(at: tuple[float, float], source: tuple[float, float]) -> Html:
    dx, dy = at[0] - source[0], at[1] - source[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1.0)
    dx, dy = dx / length, dy / length
    back = (at[0] - 8 * dx, at[1] - 8 * dy)
    corners = [at, (back[0] - 4 * dy, back[1] + 4 * dx), (back[0] + 4 * dy, back[1] - 4 * dx)]
    return tag("polygon", points=" ".join(f"{svg.place(x)},{svg.place(y)}" for x, y in corners), class_="h")


def _label(at: tuple[float, float], label: str) -> Html:
    x, y = at
    if len(label) <= 2:
        circle = tag("circle", cx=svg.place(x), cy=svg.place(y), r="9", class_="o")
    else:
        wide = svg.room_for([label], least=0)
        circle = tag(
            "rect",
            x=svg.place(x - wide / 2),
            y=svg.place(y - 8),
            width=svg.place(wide),
            height="16",
            style="fill:var(--bg)",
        )
    return tag("g", circle, svg.text(x, y + 4, label, "middle"))
