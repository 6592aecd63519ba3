"""A run in Markdown, for the page that MLflow has of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from waypost.compat.mlflow_pages import artifact_address, content_address, run_address
from waypost.pages.facts import Run, Step
from waypost.pages.numbers import number, signed
from waypost.pages.summary import reasons_of, verdict, why
from waypost.texts.escaping import markdown_block, markdown_code, markdown_text

_MOST_METRICS, _MOST_STEPS, _MOST_REASONS, _FIRST = 8, 60, 10, 3
LONGEST = 4800
"""Characters that MLflow keeps of a description."""


def description(run: Run, page: str, images: Sequence[str] = (), longest: int = LONGEST) -> str:
    """Returns the description of a run with at most `longest` characters; `page` and `images` are artifacts.

    MLflow shows its first lines at once, and the rest when asked: verdict and quality come first.
    """
    ways = ((_table, images), (_table, ()), (_block, ()), (_nothing, ()))
    texts = ("\n\n".join(_parts(run, page, steps(run), shown)) for steps, shown in ways)
    fitting = next((text for text in texts if len(text) <= longest), "")
    return fitting or shortest(run, page)[:longest]


def shortest(run: Run, page: str) -> str:
    """Returns the same in a line, for servers that keep little of a text."""
    return f"{_verdict(run)} {_page(run, page)}"


def _parts(run: Run, page: str, steps: str, images: Sequence[str]) -> Iterator[str]:
    yield shortest(run, page)
    if run.description:
        yield markdown_text(run.description)
    if metrics := list(_metrics(run)):
        yield "\n".join(["| metric | value | change |", "|---|---|---|", *metrics])
    if run.comparison:
        reasons = [f"- {kind}: {markdown_text(text)}" for kind, text in reasons_of(run.comparison)]
        yield "\n".join(
            [f"Since {markdown_text(run.baseline)}:", "", *(reasons[:_MOST_REASONS] or ["- nothing"])]
        )
    if steps:
        yield steps
    if images:
        yield "\n".join(f"![{image}]({content_address(run.run_id, image)})" for image in images)
    if run.remake.command:
        yield f"Given: {markdown_code(run.remake.command)}"
    yield f"Again: {markdown_code(f'waypost reproduce runs:/{run.run_id}')}"


def _verdict(run: Run) -> str:
    shown = (run.qualities or run.last_metrics)[:_FIRST]
    figures = [f"{markdown_text(f'{step.name}/{name}')} {number(step.metrics[name])}" for step, name in shown]
    ended = f"**{markdown_text(run.verdict)}.** {verdict(run)}"
    return f"{ended} {', '.join(figures)}." if figures else ended


def _page(run: Run, page: str) -> str:
    if not run.experiment:
        return f"Full report: artifact {markdown_code(page)}."
    return f"[Full report]({artifact_address(run.experiment, run.run_id, page)})."


def _metrics(run: Run) -> Iterator[str]:
    changed = {change.name: change for change in run.comparison.metrics} if run.comparison else {}
    for step, name in (run.qualities or run.last_metrics)[:_MOST_METRICS]:
        change = changed.get(f"{step.name}/{name}")
        moved = "" if change is None or change.difference is None else signed(change.difference)
        verdict_of = f" {change.verdict}" if change and change.verdict else ""
        label = markdown_text(f"{step.name}/{name}")
        yield f"| {label} | {number(step.metrics[name])} | {moved}{verdict_of} |"


def _table(run: Run) -> str:
    """Returns the steps as a table, each with a link to its run."""
    rows = [
        [_link(run, step), step.state, markdown_text(", ".join(step.needs)), markdown_text(why(step))]
        for step in run.steps
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(["| step | state | needs | why |", "|---|---|---|---|", *lines])


def _link(run: Run, step: Step) -> str:
    address = run_address(run.experiment, step.run_id) if step.run_id else ""
    return f"[{markdown_text(step.name)}]({address})" if address else markdown_text(step.name)


def _block(run: Run) -> str:
    """Returns the steps in lines that are as short as can be."""
    return markdown_block("\n".join(_graph(run)))


def _nothing(_: Run) -> str:
    return ""


def _graph(run: Run) -> Iterator[str]:
    width = max((len(step.name) for step in run.steps), default=0)
    for step in run.steps[:_MOST_STEPS]:
        needs = f"← {', '.join(step.needs)}" if step.needs else ""
        yield f"{step.name:{width}}  {step.state:8}  {needs or why(step)}".rstrip()
    if len(run.steps) > _MOST_STEPS:
        yield f"… and {len(run.steps) - _MOST_STEPS} more"
