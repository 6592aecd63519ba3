"""A run in Markdown, for the page that MLflow has of it."""

from __future__ import annotations

from collections.abc import Iterator

from waypost.pages.facts import Run
from waypost.pages.numbers import number, signed
from waypost.pages.summary import reasons_of, verdict, why
from waypost.texts.escaping import markdown_block, markdown_code, markdown_text

_MOST_METRICS, _MOST_STEPS, _MOST_REASONS = 8, 60, 10
_LONGEST = 4800  # characters that MLflow keeps of a description


def description(run: Run, page: str) -> str:
    """Returns the description of a run; `page` is the artifact with its page."""
    whole = "\n\n".join(_parts(run, page))
    return whole if len(whole) <= _LONGEST else "\n\n".join(_parts(run, page, short=True))[:_LONGEST]


def _parts(run: Run, page: str, *, short: bool = False) -> Iterator[str]:
    yield f"**{markdown_text(run.verdict)}.** {verdict(run)} The whole story: artifact {markdown_code(page)}."
    if run.description:
        yield markdown_text(run.description)
    if metrics := list(_metrics(run)):
        yield "\n".join(["| metric | value | change |", "|---|---|---|", *metrics])
    if run.comparison:
        reasons = [f"- {kind}: {markdown_text(text)}" for kind, text in reasons_of(run.comparison)]
        yield "\n".join(
            [f"Since {markdown_text(run.baseline)}:", "", *(reasons[:_MOST_REASONS] or ["- nothing"])]
        )
    if not short:
        yield markdown_block("\n".join(_graph(run)))
    if run.remake.command:
        yield f"Given: {markdown_code(run.remake.command)}"
    yield f"Again: {markdown_code(f'waypost reproduce runs:/{run.run_id}')}"


def _metrics(run: Run) -> Iterator[str]:
    changed = {change.name: change for change in run.comparison.metrics} if run.comparison else {}
    for step, name in (run.qualities or run.last_metrics)[:_MOST_METRICS]:
        change = changed.get(f"{step.name}/{name}")
        moved = "" if change is None or change.difference is None else signed(change.difference)
        verdict_of = f" {change.verdict}" if change and change.verdict else ""
        label = markdown_text(f"{step.name}/{name}")
        yield f"| {label} | {number(step.metrics[name])} | {moved}{verdict_of} |"


def _graph(run: Run) -> Iterator[str]:
    width = max((len(step.name) for step in run.steps), default=0)
    for step in run.steps[:_MOST_STEPS]:
        needs = f"← {', '.join(step.needs)}" if step.needs else ""
        yield f"{step.name:{width}}  {step.state:8}  {needs or why(step)}".rstrip()
    if len(run.steps) > _MOST_STEPS:
        yield f"… and {len(run.steps) - _MOST_STEPS} more"
