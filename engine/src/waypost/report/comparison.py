"""Two runs side by side, in a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from waypost.contracts.run_comparison import (
    BETTER,
    WORSE,
    Change,
    ComponentChange,
    Interval,
    MetricChange,
    PredictionChange,
    RunComparison,
    StepChange,
)
from waypost.report.common import columns, line
from waypost.report.console import Console, escape
from waypost.report.figures import figure
from waypost.texts.escaping import markdown_code, markdown_text
from waypost.texts.limits import shortened

_LONGEST, _DIGEST = 60, 19
_NONE = "–"
_COLOURS = {BETTER: "green", WORSE: "red"}
Table = tuple[str, Sequence[str], list[Sequence[str]]]
"""A heading, the heads of columns, rows."""


def show_comparison(console: Console, found: RunComparison) -> None:
    """Prints what differs, most telling first."""
    line(console, f"[bold]{escape(found.before)}[/] → [bold]{escape(found.after)}[/]")
    if found.is_equal:
        line(console, "[green]=[/] equal: parameters, data, components, results")
    for title, heads, rows in _tables(found):
        line(console, f"[bold]{title}[/]")
        cells = [[f"[dim]{head}[/]" for head in ("", *heads)]]
        cells += [["", *(_coloured(cell) for cell in row)] for row in rows]
        columns(console, cells)


def _coloured(cell: str) -> str:
    colour = _COLOURS.get(cell)
    return f"[{colour}]{cell}[/]" if colour else escape(cell)


def comparison_markdown(found: RunComparison) -> str:
    """Returns the same for a pull request: nothing in it is a link or a mention."""
    parts = [f"### {markdown_code(found.before)} → {markdown_code(found.after)}"]
    if found.is_equal:
        parts.append("Equal: parameters, data, components, results.")
    for title, heads, rows in _tables(found):
        lines = [f"**{title}**", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        lines += [f"| {' | '.join(markdown_text(cell) for cell in row)} |" for row in rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _tables(found: RunComparison) -> Iterator[Table]:
    for title, heads, rows in (
        ("metrics", ("metric", "before", "after", "difference", ""), map(_metric, found.metrics)),
        ("parameters", ("parameter", "before", "after"), map(_change, found.parameters)),
        ("data", ("step.input", "before", "after"), map(_digests, found.data)),
        ("components", ("step", "before", "after", "interface"), map(_component, found.components)),
        ("environment", ("step", "before", "after"), map(_digests, found.environments)),
        (
            "predictions",
            ("step.output", "rows", "changed", "first rows", ""),
            map(_prediction, found.predictions),
        ),
        ("steps", ("step", "", "why", "outputs that differ"), map(_step, found.steps)),
    ):
        if listed := list(rows):
            yield title, heads, listed


def _with_interval(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return _NONE
    return f"{figure(value)} ({figure(interval[0])} to {figure(interval[1])})" if interval else figure(value)


def _metric(change: MetricChange) -> Sequence[str]:
    before = _with_interval(change.before, change.interval_before)
    after = _with_interval(change.after, change.interval_after)
    added = change.difference
    difference = _NONE if added is None else f"{'+' if added > 0 else ''}{figure(added)}"
    return change.name, before, after, difference, change.verdict


def _change(change: Change) -> Sequence[str]:
    return change.name, *(
        _NONE if v is None else shortened(v, _LONGEST) for v in (change.before, change.after)
    )


def _component(change: ComponentChange) -> Sequence[str]:
    return *_change(change), shortened("; ".join(change.interface), 3 * _LONGEST)


def _prediction(change: PredictionChange) -> Sequence[str]:
    if change.problem:
        return change.name, "", "", "", change.problem
    first = ", ".join(map(str, change.first)) + (" …" if change.changed > len(change.first) else "")
    moves = "; ".join(f"{before} → {after}: {rows}" for before, after, rows in change.moves[:3])
    return change.name, f"{change.rows:,}", f"{change.changed:,}", first, moves


def _digests(change: Change) -> Sequence[str]:
    return change.name, *(_NONE if v is None else v[:_DIGEST] for v in (change.before, change.after))


def _step(change: StepChange) -> Sequence[str]:
    because = [shortened(text, _LONGEST) for text in change.because]
    return change.name, change.state, "; ".join(because), ", ".join(change.outputs)
