"""How a plan is shown: as a tree, with what would run and why, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from waypost.contracts.plan import Argument, Inline, Plan, PlannedStep, Reference
from waypost.errors import redacted
from waypost.report.common import counted, line
from waypost.report.console import Console, escape
from waypost.runs.preflight import Preflight
from waypost.texts.yaml_text import read_yaml

_WORDS = {"current": "[green]current[/]", "runs": "[cyan]runs[/]   ", "may run": "[dim]may run[/]"}


def show_plan(console: Console, plan: Plan, found: Preflight | None = None) -> None:
    """Prints the plan as a tree: steps in order, their parameters, where inputs come from; of a survey
    what would run, and why.
    """
    if found:
        for step in plan.steps:
            word, why = _decided(step, found)
            line(console, f"{_WORDS[word]}  [bold]{step.name}[/]: {escape(why)}")
        return
    line(console, f"[bold]{escape(plan.name)}[/]: {counted(len(plan.steps), 'step')}")
    for step in plan.steps:
        is_last = step is plan.steps[-1]
        after = f" [dim]after {', '.join(step.needs)}[/]" if step.needs else ""
        line(console, f"{'└──' if is_last else '├──'} [bold]{step.name}[/]  {escape(step.uses)}{after}")
        below = [text for name, argument in step.arguments.items() for text in _shown(name, argument)]
        for text in below:
            line(console, f"{'   ' if is_last else '│  '}     {text}")


def _shown(name: str, argument: Argument) -> Iterator[str]:
    """Gives an argument as lines of markup; of a mapping all, since any may be what an override changed."""
    if isinstance(argument, Reference):
        yield f"{escape(name)} ← [cyan]{argument.step}[/].{escape(argument.output)}"
        return
    first, *rest = redacted(str(argument)).rstrip().splitlines() or ["''"]
    yield f"{escape(name)} = {'' if rest else escape(first)}".rstrip()
    yield from (f"  {escape(text)}" for text in ([first, *rest] if rest else ()))


def plan_document(plan: Plan, found: Preflight | None = None) -> dict[str, Any]:
    """Returns the plan as plain values for JSON; of a survey with what would run, and why."""
    return {"name": plan.name, "steps": [_step(step, found) for step in plan.steps]}


def _step(step: PlannedStep, found: Preflight | None) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": step.name,
        "uses": step.uses,
        "needs": list(step.needs),
        "arguments": {name: _value(argument) for name, argument in step.arguments.items()},
    }
    if found:
        content["state"], content["because"] = _decided(step, found)
    return content


def _value(argument: Argument) -> Any:
    """Returns a text, the mapping or list that becomes a file, or the output that is referred to."""
    if isinstance(argument, Reference):
        return f"${{steps.{argument.step}.outputs.{argument.output}}}"
    text = redacted(str(argument))
    return read_yaml(text, "argument") if isinstance(argument, Inline) else text


def _decided(step: PlannedStep, found: Preflight) -> tuple[str, str]:
    decision = found.decisions.get(step.name)
    why = decision.because if decision else f"it depends on {', '.join(step.needs)}"
    if step not in found.missing:
        return "current", why
    return "runs" if decision else "may run", why
