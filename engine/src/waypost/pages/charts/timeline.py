"""A timeline (Gantt chart): when each step was at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waypost.pages.charts import svg
from waypost.pages.html import Html
from waypost.pages.numbers import duration
from waypost.pages.scales import scale

_WIDTH, _RIGHT, _ROW = 680, 60, 20


@dataclass(frozen=True)
class Span:
    """What took from `start` for some `seconds`, both in seconds since the run began; `kind` is its
    colour.
    """

    name: str
    start: float
    seconds: float
    kind: str = "c0"


def timeline_chart(spans: Sequence[Span], title: str) -> Html | None:
    """Returns the chart, None where nothing took any time."""
    if not spans:
        return None
    left = svg.room_for([span.name for span in spans])
    across = scale([0.0, *(span.start + span.seconds for span in spans)], left, _WIDTH - _RIGHT)
    height = _ROW * len(spans)
    parts = [*svg.across(across, height, 0)]
    for row, span in enumerate(spans):
        start, end, y = across(span.start), across(span.start + span.seconds), row * _ROW
        said = f"{span.name}: {duration(span.seconds)}, from {duration(span.start)} on"
        parts += [
            svg.text(left - 5, y + 14, svg.cut(span.name, left), "end"),
            svg.rect(start, y + 3, max(end - start, 1.5), _ROW - 6, span.kind, said),
            svg.text(end + 4, y + 14, duration(span.seconds)),
        ]
    name = svg.text((left + _WIDTH - _RIGHT) / 2, height + 30, "seconds since the run began", "middle")
    return svg.picture(_WIDTH, height + 18 + svg.LINE, title, *parts, name)
