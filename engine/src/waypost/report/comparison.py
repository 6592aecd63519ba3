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
_COMMENT = 60_000  # characters; GitHub takes 65,536 in a comment
_MOST_ROWS = (60, 10, 0)  # of a table, in Markdown: the most that a comment holds
_COLOURS = {BETTER: "green", WORSE: "red"}
Table = tuple[str, Sequence[str], list[Sequence[str]]]
"""A heading, the heads of columns, rows."""


def show_comparison(console: Console, found: RunComparison, before: str = "", after: str = "") -> None:
    """Prints what differs, most telling first; `before` and `after` are the runs as they were asked for."""
    was, now = (escape(title) for title in found.titles(before, after))
    line(console, f"[bold]{was}[/] → [bold]{now}[/]")
    line(console, f"[dim]run {escape(found.before)} → run {escape(found.after)}[/]")
    if found.pipelines:
        line(console, f"two pipelines: {escape(' and '.join(found.pipelines))}")
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


def comparison_markdown(found: RunComparison, before: str = "", after: str = "") -> str:
    """Returns the same for a pull request: nothing in it is a link or a mention, and a comment holds it."""
    texts = ("\n\n".join(_parts(found, (before, after), most)) + "\n" for most in _MOST_ROWS)
    return next((text for text in texts if len(text) <= _COMMENT), "")


def _parts(found: RunComparison, asked: tuple[str, str], most: int) -> Iterator[str]:
    """Yields title and tables, each with its first rows."""
    was, now = (markdown_code(title) for title in found.titles(*asked))
    yield f"### {was} → {now}"
    yield f"run {markdown_code(found.before)} → run {markdown_code(found.after)}"
    if found.pipelines:
        yield f"Two pipelines: {' and '.join(map(markdown_code, found.pipelines))}."
    if found.is_equal:
        yield "Equal: parameters, data, components, results."
    for title, heads, rows in _tables(found):
        lines = [f"**{title}**", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        lines += [f"| {' | '.join(markdown_text(cell) for cell in row)} |" for row in rows[:most]]
        lines += ["", f"and {len(rows) - most:,} more"] if len(rows) > most else []
        yield "\n".join(lines)


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
