"""The graph of a pipeline's steps, from top to bottom: what a step needs is above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waypost.pages.charts import svg
from waypost.pages.html import Html, tag

_NARROWEST, _WIDEST, _HIGH, _GAP_X, _GAP_Y = 110, 230, 38, 16, 30
_MOST_WIDE = 1090  # pixels; steps of one level that need more go on below


@dataclass(frozen=True)
class Node:
    """A step: its `kind` is the class of its colour, `note` stands below its name, `sign` before it."""

    name: str
    needs: tuple[str, ...]
    kind: str = ""
    note: str = ""
    sign: str = ""

    @property
    def title(self) -> str:
        return f"{self.sign} {self.name}".strip()


def levels(nodes: Sequence[Node]) -> list[list[str]]:
    """Returns the names of nodes by level: each is below all that it needs; those of one level are ordered by
    the places of these, so that few lines cross.
    """
    depth: dict[str, int] = {}
    known = {node.name: node for node in nodes}
    for node in _above_first(nodes):
        above = [depth[name] for name in node.needs if name in depth]
        depth[node.name] = max(above, default=-1) + 1
    found: list[list[str]] = []
    places: dict[str, float] = {}

    def middle(name: str) -> float:
        above = [places[need] for need in known[name].needs if need in places]
        return sum(above) / len(above) if above else 0.0

    for level in range(max(depth.values(), default=-1) + 1):
        found.append(sorted((name for name in known if depth[name] == level), key=middle))
        places |= {name: at - (len(found[-1]) - 1) / 2 for at, name in enumerate(found[-1])}
    return found


def _above_first(nodes: Sequence[Node]) -> list[Node]:
    """Returns nodes so that what one needs comes before it; of a circle, whatever order."""
    left = {node.name: node for node in nodes}
    found: list[Node] = []
    while left:
        free = [node for node in left.values() if not any(name in left for name in node.needs)]
        for node in free or list(left.values()):
            found.append(node)
            del left[node.name]
    return found


def graph_chart(nodes: Sequence[Node], title: str) -> svg.Chart:
    """Returns the graph; each step leads to the part of the page with its name."""
    wide = svg.room_for((text for node in nodes for text in (node.title, node.note)), _NARROWEST, _WIDEST) + 8
    abreast = int(_MOST_WIDE // (wide + _GAP_X))
    rows = [row[start : start + abreast] for row in levels(nodes) for start in range(0, len(row), abreast)]
    widest = max(map(len, rows), default=1)
    width = widest * (wide + _GAP_X) + _GAP_X
    places = {
        name: ((width - len(row) * (wide + _GAP_X) + _GAP_X) / 2 + at * (wide + _GAP_X), _top(down))
        for down, row in enumerate(rows)
        for at, name in enumerate(row)
    }
    edges = [
        _edge(places[need], places[node.name], wide)
        for node in nodes
        for need in node.needs
        if need in places
    ]
    boxes = [_box(node, places[node.name], wide) for node in nodes]
    return svg.chart(width, _top(len(rows)), title, *edges, *boxes)


def _top(row: int) -> float:
    return 4 + row * (_HIGH + _GAP_Y)


def _edge(above: tuple[float, float], below: tuple[float, float], wide: float) -> Html:
    (x1, y1), (x2, y2) = (above[0] + wide / 2, above[1] + _HIGH), (below[0] + wide / 2, below[1])
    bend = (y2 - y1) / 2
    points = f"M{svg.place(x1)} {svg.place(y1)}c0 {svg.place(bend)} {svg.place(x2 - x1)} {svg.place(bend)}"
    return tag("path", d=f"{points} {svg.place(x2 - x1)} {svg.place(y2 - y1)}", class_="e")


def _box(node: Node, corner: tuple[float, float], wide: float) -> Html:
    x, y = corner
    return tag(
        "g",
        svg.rect(x, y, wide, _HIGH, f"node {node.kind}", f"{node.name}: {node.note}"),
        svg.text(x + 8, y + 16, svg.cut(node.title, wide), class_="name"),
        svg.text(x + 8, y + 31, svg.cut(node.note, wide)),
    )
