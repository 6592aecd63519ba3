"""Each step for itself: metrics, parameters, outputs, images that it logged."""

from __future__ import annotations

import base64
from functools import partial

from waypost.pages.facts import Picture, Run, Step
from waypost.pages.figure import Room, figures_of
from waypost.pages.html import EMPTY, Child, Html, joined, tag
from waypost.pages.numbers import counted, number
from waypost.pages.summary import state_badge, why
from waypost.pages.tables import code, details, table

_MOST_METRICS, _MOST_PARAMETERS = 60, 60
_LONGEST = 300  # characters of a value


def steps(run: Run, room: Room) -> Html:
    """Returns the steps, one after another."""
    return joined(*(_step(step, room) for step in run.steps))


def _step(step: Step, room: Room) -> Html:
    facts = [step.component, f"run {step.run_id}" if step.run_id else "", why(step)]
    return tag(
        "section",
        tag("h3", step.name, " ", state_badge(step.state), id=f"step-{step.name}"),
        tag("p", " · ".join(filter(None, facts)), class_="soft"),
        figures_of([step], "other", room),
        _pictures(step, room),
        details(counted(len(step.metrics), "metric"), _metrics(step)) if step.metrics else None,
        details(counted(len(step.parameters), "parameter"), _parameters(step)) if step.parameters else None,
        details(counted(len(step.outputs), "output"), _outputs(step)) if step.outputs else None,
        aria_labelledby=f"step-{step.name}",
    )


def _metrics(step: Step) -> Html:
    ordered = sorted(step.metrics.items(), key=lambda item: item[0] not in step.declared)
    rows: list[list[Child]] = []
    for name, value in ordered[:_MOST_METRICS]:
        facts = step.declared.get(name)
        rows.append([name, number(value), str(facts) if facts else ""])
    note = _rest(len(ordered) - _MOST_METRICS, "metric", step)
    return joined(
        table(["metric", "value", "declared"], rows, caption=f"Metrics of {step.name}", numeric=(1,)), note
    )


def _parameters(step: Step) -> Html:
    items = list(step.parameters.items())
    rows = [
        [name, code(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")]
        for name, text in items[:_MOST_PARAMETERS]
    ]
    note = _rest(len(items) - _MOST_PARAMETERS, "parameter", step)
    return joined(table(["parameter", "value"], rows, caption=f"Parameters of {step.name}"), note)


def _outputs(step: Step) -> Html:
    rows = [[name, code(f"sha256:{digest}" if digest else "")] for name, digest in step.outputs.items()]
    return table(["output", "digest"], rows, caption=f"Outputs of {step.name}")


def _rest(count: int, noun: str, step: Step) -> Html | None:
    return (
        tag("p", f"{counted(count, noun)} more in run {step.run_id}.", class_="soft") if count > 0 else None
    )


def _pictures(step: Step, room: Room) -> Html:
    shown = [room.take(partial(_picture, picture)) for picture in step.pictures]
    left_out = step.pictures_left_out + sum(not element for element in shown)
    if not any(shown) and not left_out:
        return EMPTY
    note = (
        f"{counted(left_out, 'image')} did not fit or cannot be read; see the artifacts of run {step.run_id}."
    )
    return joined(tag("div", *shown, class_="figs"), tag("p", note, class_="soft") if left_out else None)


def _picture(picture: Picture) -> Html:
    data = base64.b64encode(picture.content).decode("ascii")
    image = tag("img", src=f"data:image/{picture.kind};base64,{data}", alt=picture.name)
    return tag("figure", image, tag("figcaption", picture.name, class_="soft"))
