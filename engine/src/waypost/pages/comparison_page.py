"""The page of a comparison of two runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from waypost.contracts.run_comparison import (
    Change,
    ComponentChange,
    Interval,
    MetricChange,
    PredictionChange,
    RunComparison,
    StepChange,
)
from waypost.pages.frame import frame
from waypost.pages.html import EMPTY, Child, Html, joined, tag
from waypost.pages.numbers import counted, number, signed
from waypost.pages.summary import SIGNS, reasons_of
from waypost.pages.tables import badge, code, table

_LONGEST = 400  # characters of a value
_MOST_METRICS = 1000


def comparison_page(found: RunComparison, before: str = "", after: str = "") -> str:
    """Returns the page; `before` and `after` are the runs as they were asked for."""
    names = found.titles(before, after)
    parts = [
        ("summary", "Summary", _summary(found)),
        ("metrics", "Metrics", _metrics(found.metrics)),
        ("predictions", "Predictions", joined(*map(_predictions, found.predictions))),
        ("components", "Components", _components(found.components)),
        ("parameters", "Parameters", _changes("parameter", found.parameters)),
        ("data", "Data", _changes("step.input", found.data)),
        ("environment", "Environment", _changes("step", found.environments)),
        ("steps", "Steps", _steps(found.steps)),
    ]
    head = joined(
        tag("h1", f"{names[0]} → {names[1]}"),
        tag("p", f"run {found.before} → run {found.after}", class_="soft"),
        tag("p", f"Two pipelines: {' and '.join(found.pipelines)}.") if found.pipelines else None,
    )
    return frame(f"Comparison: {names[0]} → {names[1]}", head, parts)


def _summary(found: RunComparison) -> Html:
    if found.is_equal:
        return tag("p", badge("= equal", "ok"), " Parameters, data, components and results are equal.")
    verdicts = [change.verdict for change in found.metrics]
    words = [f"{verdicts.count(word)} {word}" for word in ("better", "worse") if word in verdicts]
    reasons = list(reasons_of(found))
    what = [tag("li", tag("strong", kind), ": ", text) for kind, text in reasons]
    told = f"{counted(len(found.metrics), 'metric')} {'differs' if len(verdicts) == 1 else 'differ'}"
    changed = [
        tag("p", f"{each.changed:,} of {each.rows:,} predictions of {each.name} changed.")
        for each in found.predictions
        if each.changed
    ]
    return joined(
        tag("p", f"{told}{': ' if words else ''}{', '.join(words)}."),
        *changed,
        tag("h3", "Why"),
        tag("ul", *what) if what else tag("p", "No parameter, no data, no component: results alone differ."),
    )


def _metrics(changes: Sequence[MetricChange]) -> Html:
    rows: list[list[Child]] = [
        [
            change.name,
            _value(change.before, change.interval_before),
            _value(change.after, change.interval_after),
            "–" if change.difference is None else signed(change.difference),
            badge(change.verdict, SIGNS.get(change.verdict, "")) if change.verdict else "",
        ]
        for change in changes[:_MOST_METRICS]
    ]
    heads = ["metric", "before", "after", "difference", "verdict"]
    caption = "Metrics that differ; intervals where they were logged"
    more = len(changes) - _MOST_METRICS
    return joined(
        table(heads, rows, caption=caption, numeric=(1, 2, 3)),
        tag("p", f"{counted(more, 'metric')} more: waypost compare --json.", class_="soft")
        if more > 0
        else None,
    )


def _value(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "–"
    return f"{number(value)} ({number(interval[0])} to {number(interval[1])})" if interval else number(value)


def _predictions(change: PredictionChange) -> Html:
    if change.problem:
        return tag("p", f"{change.name}: {change.problem}.")
    places = ", ".join(f"{row:,}" for row in change.first)
    more = " …" if change.changed > len(change.first) else ""
    moves = [[before, after, f"{rows:,}"] for before, after, rows in change.moves]
    return joined(
        tag("h3", f"{change.name}: {change.changed:,} of {change.rows:,} rows"),
        tag("p", f"In rows {places}{more}.") if places else None,
        table(["before", "after", "rows"], moves, caption="What became of what", numeric=(2,)),
    )


def _components(changes: Iterable[ComponentChange]) -> Html:
    rows: list[list[Child]] = [
        [
            change.name,
            change.before or "–",
            change.after or "–",
            tag("ul", *(tag("li", text) for text in change.interface))
            if change.interface
            else "no change known",
        ]
        for change in changes
    ]
    heads = ["step", "before", "after", "interface"]
    return table(heads, rows, caption="Components that moved (code: waypost diff)")


def _changes(what: str, changes: Iterable[Change]) -> Html:
    rows = [[change.name, _shown(change.before), _shown(change.after)] for change in changes]
    return table([what, "before", "after"], rows, caption="What differs")


def _shown(text: str | None) -> Html:
    if text is None:
        return Html("–")
    return code(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…") if text else EMPTY


def _steps(changes: Iterable[StepChange]) -> Html:
    rows = [
        [change.name, change.state, "; ".join(change.because), ", ".join(change.outputs)]
        for change in changes
    ]
    return table(["step", "state", "why", "outputs that differ"], rows, caption="Steps that are not the same")
