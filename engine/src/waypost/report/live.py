"""How a model does while it is served, in a terminal and as a page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from waypost.report.common import columns, counted, line
from waypost.report.console import Console, escape
from waypost.serving.monitoring import ColumnShift, LiveReport, ModelReport

_MOVED, _FAR = 0.1, 0.25
_MOST_COLUMNS = 10


def show_live(console: Console, report: LiveReport) -> None:
    """Prints the report, model by model."""
    for model in report.models:
        role = f" ({escape(model.role)})" if model.role != "main" else ""
        line(console, f"[bold]{escape(model.model)}[/]{role}")
        columns(
            console, [[f"  {escape(name)}", escape(text)] for name, text in _facts(model, report.compared)]
        )
    if report.unknown:
        line(console, f"{counted(report.unknown, 'label')} of requests that were not read")
    if not report.is_whole:
        line(console, "older rows were left out: --rows reads more")


def _facts(model: ModelReport, compared: str) -> list[tuple[str, str]]:
    """Returns (name, text) of what is said of a model."""
    spans = f"{model.first:%Y-%m-%d %H:%M} to {model.last:%Y-%m-%d %H:%M} UTC"
    facts = [
        ("answered", f"{counted(model.requests, 'request')}, {counted(model.rows, 'row')}, {spans}"),
        ("latency", ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in model.seconds.items())),
        ("predictions", _numbers(model.predictions)),
        ("labels", f"{model.labelled:,} of {model.rows:,} rows"),
    ]
    if model.quality:
        facts.append(("quality", _numbers(model.quality)))
    if not model.drift:
        return [*facts, ("drift", "too few rows to compare")]
    moved = [one for one in model.drift if one.psi >= _MOVED][:_MOST_COLUMNS]
    drifted = ", ".join(f"{one.column} {one.psi:.2f}{_far(one)}" for one in moved) or "none"
    return [*facts, ("drift", f"{drifted} (PSI of {len(model.drift)} columns, against {compared})")]


def _far(one: ColumnShift) -> str:
    return " (far)" if one.psi >= _FAR else ""


def _numbers(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Models in service</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; } td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
  meter { width: 12rem; }
</style>
<h1>Models in service</h1>
"""


def live_page(report: LiveReport) -> str:
    """Returns the report as one page that needs nothing from elsewhere."""
    return _HEAD + "".join(_section(model, report.compared) for model in report.models) + "</html>\n"


def _section(model: ModelReport, compared: str) -> str:
    facts = [
        f"<tr><td>{_text(name)}</td><td>{_text(fact)}</td></tr>" for name, fact in _facts(model, compared)
    ]
    shares = {} if "mean" in model.predictions else model.predictions
    drift = [(one.column, min(one.psi / (2 * _FAR), 1.0), f"{one.psi:.3f}") for one in model.drift]
    return (
        f"<h2>{_text(model.model)} ({_text(model.role)})</h2><table>{''.join(facts)}</table>"
        f"{_bars('Predictions', [(name, share, f'{share:.1%}') for name, share in shares.items()])}"
        f"{_bars('Drift by column', drift)}"
    )


def _bars(title: str, bars: Sequence[tuple[str, float, str]]) -> str:
    rows: Iterable[str] = (
        f'<tr><td>{_text(name)}</td><td><meter value="{share:.4f}">{text}</meter></td><td>{text}</td></tr>'
        for name, share, text in bars
    )
    return f"<h3>{title}</h3><table>{''.join(rows)}</table>" if bars else ""


def _text(text: str) -> str:
    return html.escape(text)
