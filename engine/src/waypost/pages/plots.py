"""The most telling charts of a run as images of their own, for the pages of others that show images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from waypost.contracts.figures import Figure
from waypost.pages.charts import svg
from waypost.pages.charts.svg import Chart
from waypost.pages.facts import Run
from waypost.pages.figure import chart_of
from waypost.pages.html import Html, joined, tag
from waypost.pages.image import image
from waypost.pages.work import MOST_DRAWN, graph_of

FOLDER = "plots"
GRAPH = f"{FOLDER}/0-graph.svg"
MOST_PLOTS = 10
"""Beside the graph."""
_MOST_BYTES = 250_000  # of one
_TOLD = re.compile("<title>[^<]*</title>(?=</(?:rect|circle|polyline)>)")
"""What a mark tells to whoever points at it: nobody points at an image."""
_HEAD, _KEY, _EDGE = 26, 18, 8  # pixels above the chart, of a line of the legend, around it all


def plots(run: Run) -> dict[str, bytes]:
    """Returns images by the path of their artifact: the graph, then figures of the model, those of later
    steps first; of a run without figures, images that its steps logged.
    """
    found = {}
    if len(run.steps) <= MOST_DRAWN:
        found[GRAPH] = _image(f"Graph of {run.pipeline}", graph_of(run))
    drawn = _figures(run)
    for at, (name, content) in enumerate(drawn or _pictures(run), 1):
        found[f"{FOLDER}/{at}-{name}"] = content
    return found


def _figures(run: Run) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for figure in _of_models(run):
        if len(found) < MOST_PLOTS and (chart := chart_of(figure)):
            image = _image(figure.title, chart)
            found += [(f"{_file_name(figure.title)}.svg", image)] if len(image) <= _MOST_BYTES else []
    return found


def _of_models(run: Run) -> Iterator[Figure]:
    for step in reversed(run.steps):
        yield from (figure for figure in step.figures.figures if figure.part == "model")


def _pictures(run: Run) -> list[tuple[str, bytes]]:
    """Returns images that steps logged; an SVG of a component, which may hold a script, stays there."""
    pictures = [each for step in reversed(run.steps) for each in step.pictures if each.kind != "svg+xml"]
    names = [PurePosixPath(each.name) for each in pictures]
    files = [f"{_file_name(name.stem)}{name.suffix.lower()}" for name in names]
    return list(zip(files, (each.content for each in pictures), strict=True))[:MOST_PLOTS]


def _file_name(title: str) -> str:
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")[:40].strip("-") or "figure"


def _image(title: str, chart: Chart) -> bytes:
    """Returns a file with the chart, its title above and its legend below."""
    keys = svg.keys_of(chart.names, "in the report")
    width = max(chart.width, 320.0) + 2 * _EDGE
    below = _HEAD + chart.height + 6
    height = below + len(keys) * _KEY + _EDGE
    return image(
        title,
        width,
        height,
        svg.text(_EDGE, 18, svg.cut(title, width), class_="name"),
        tag("g", Html(_TOLD.sub("", chart.image)), transform=f"translate({_EDGE} {_HEAD})"),
        *(_key(chart, *key, below + at * _KEY, width) for at, key in enumerate(keys)),
    ).encode()


def _key(chart: Chart, class_: str, name: str, y: float, width: float) -> Html:
    left = _EDGE + svg.KEY + 6
    mark = svg.key_mark(class_, _EDGE, y, lines=chart.lines)
    return joined(mark, svg.text(left, y + 10, svg.cut(name, width - left)))
