"""What the steps did: the graph, when each was at work, what it took against what it requested."""

from __future__ import annotations

from waypost.pages.charts.graph import Node, graph_chart
from waypost.pages.charts.svg import Chart
from waypost.pages.charts.timeline import Span, timeline_chart
from waypost.pages.facts import EXECUTED, Run, Step
from waypost.pages.html import Child, Html, joined, tag
from waypost.pages.numbers import duration, megabytes
from waypost.pages.summary import state_kind, state_word
from waypost.pages.tables import details, table, told_columns

MOST_DRAWN = 150
"""More steps than that are in tables only."""
_MIB = 1 << 20


def graph_of(run: Run) -> Chart:
    """Returns the graph of the steps."""
    nodes = [
        Node(step.name, step.needs, state_kind(step.state), step.component, state_word(step.state)[0])
        for step in run.steps
    ]
    return graph_chart(nodes, _title(run))


def _title(run: Run) -> str:
    steps = f"Graph of the {len(run.steps)} steps of {run.pipeline}"
    return f"{steps}; a step needs those above that it is joined with"


def graph(run: Run) -> Html:
    """Returns the graph of the steps, and the same as a table."""
    rows = [[step.name, ", ".join(step.needs) or "nothing"] for step in run.steps]
    listed = table(["step", "needs"], rows, caption="What each step needs")
    if len(run.steps) > MOST_DRAWN:
        return listed
    image, title = graph_of(run).image, _title(run)
    drawn = tag("div", image, class_="scroll", role="group", aria_label=title, tabindex="0")
    return joined(drawn, details("Table", listed))


def timeline(run: Run) -> Html:
    """Returns when the executed steps were at work, and what they took."""
    ran = [step for step in run.steps if step.state in EXECUTED and step.started is not None]
    ran.sort(key=lambda step: (step.started or 0, step.name))
    spans = [
        Span(
            step.name,
            max(((step.started or 0) - run.started) / 1000, 0.0),
            step.seconds or 0.0,
            "c1" if step.state == "failed" else "c0",
        )
        for step in ran
    ]
    if not spans:
        return tag("p", "No step was executed: all results existed already.")
    chart = timeline_chart(
        spans[:MOST_DRAWN], f"When each step was at work, in seconds since {run.pipeline} began"
    )
    heads = [
        "step",
        "time",
        "processor time",
        "processors requested",
        "peak memory",
        "memory requested",
        "GPUs requested",
    ]
    numbers = table(
        *told_columns(heads, map(_taken, ran)), caption="Time and memory of each executed step", numeric=True
    )
    shown = tag("div", chart, class_="scroll", role="group", aria_label="Timeline", tabindex="0")
    return joined(shown, numbers)


def _taken(step: Step) -> list[Child]:
    used = step.seconds and step.cpu_seconds is not None and step.cpu_seconds / step.seconds
    processors = f" ({used:.1f} processors)" if used else ""
    asked = step.memory_mb * _MIB if step.memory_mb else 0
    share = f" ({step.memory / asked:.0%} of that)" if asked and step.memory else ""
    return [
        step.name,
        _known(step.seconds and duration(step.seconds)),
        _known(step.cpu_seconds is not None and duration(step.cpu_seconds) + processors),
        _known(step.cpus),
        _known(step.memory and megabytes(step.memory) + share),
        _known(asked and megabytes(asked)),
        _known(step.gpus),
    ]


def _known(value: object) -> str:
    return str(value) if value else "–"
