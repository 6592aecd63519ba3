"""The page of a sweep: its points, the best one first, and the metric by each parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from waypost.contracts.figures import Column, Figure
from waypost.contracts.metrics import is_finite
from waypost.pages.figure import figure_element
from waypost.pages.frame import frame
from waypost.pages.html import Child, Html, joined, tag
from waypost.pages.numbers import counted, number
from waypost.pages.tables import badge, code, table

_MOST_POINTS, _MOST_FIGURES = 1000, 12


@dataclass(frozen=True)
class SweptPoint:
    """One combination of values: its run, how that ended, and the metric, None where it was not measured."""

    run_id: str
    status: str
    metric: float | None
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """A sweep: the parameters that it goes through, and its points, the best one first, failed ones last."""

    run_id: str
    pipeline: str
    metric: str
    keys: tuple[str, ...]
    points: tuple[SweptPoint, ...]

    @property
    def best(self) -> SweptPoint | None:
        first = self.points[0] if self.points else None
        return first if first and first.status == "FINISHED" and is_finite(first.metric) else None


def sweep_page(sweep: Sweep) -> str:
    """Returns the page. The same facts give the same bytes."""
    failed = sum(point.status != "FINISHED" for point in sweep.points)
    ended = badge(f"{failed} failed", "bad") if failed else badge("Finished", "ok")
    head = joined(
        tag("h1", f"{sweep.pipeline}: sweep ", ended),
        tag(
            "p", f"run {sweep.run_id} · {counted(len(sweep.points), 'point')} · {sweep.metric}", class_="soft"
        ),
    )
    figures = [figure_element(figure) for figure in _figures(sweep)]
    parts = [
        ("summary", "Summary", _best(sweep)),
        (
            "figures",
            "The metric by each parameter",
            joined(tag("h3", sweep.metric), tag("div", *figures, class_="figs")) if figures else Html(""),
        ),
        ("points", "Points", _points(sweep)),
    ]
    return frame(f"{sweep.pipeline}: sweep of {counted(len(sweep.points), 'point')}", head, parts)


def _best(sweep: Sweep) -> Html:
    if sweep.best is None or sweep.best.metric is None:
        return tag("p", "No point has the metric that they are compared by.")
    values = " ".join(f"{k}={v}" for k, v in zip(sweep.keys, sweep.best.values, strict=True))
    return joined(
        tag("p", f"The best one has {sweep.metric} {number(sweep.best.metric)}, by ", code(values), "."),
        tag("pre", f"waypost run --like runs:/{sweep.best.run_id}"),
        tag("p", "Its own page:"),
        tag("pre", f"waypost report {sweep.best.run_id}"),
    )


def _figures(sweep: Sweep) -> Iterator[Figure]:
    for at, key in enumerate(sweep.keys[:_MOST_FIGURES]):
        rows = [(_number(p.values[at]), p.metric) for p in sweep.points if p.metric is not None]
        if len({value for value, _ in rows}) < 2 or sweep.metric == key:
            continue
        is_numeric = all(isinstance(value, float) for value, _ in rows)
        yield Figure(
            title=f"{sweep.metric} by {key}",
            description="A point for each run.",
            mark="point" if is_numeric else "table",
            columns=(Column(name=key), Column(name=sweep.metric)),
            rows=tuple(rows),
            x=key,
            y=(sweep.metric,),
        )


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _points(sweep: Sweep) -> Html:
    rows: list[list[Child]] = [
        [
            at,
            *point.values,
            "–" if point.metric is None else number(point.metric),
            badge("✓ finished", "ok")
            if point.status == "FINISHED"
            else badge(f"✗ {point.status.lower()}", "bad"),
            code(point.run_id),
        ]
        for at, point in enumerate(sweep.points[:_MOST_POINTS], 1)
    ]
    more = len(sweep.points) - _MOST_POINTS
    note = (
        tag("p", f"{counted(more, 'point')} more in the artifact sweep.csv.", class_="soft")
        if more > 0
        else None
    )
    numeric = (0, len(sweep.keys) + 1)
    heads = ["rank", *sweep.keys, sweep.metric, "state", "run"]
    return joined(table(heads, rows, caption="Points, the best first", numeric=numeric), note)
