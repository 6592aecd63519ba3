"""The first part of a run's page: how it ended, how good it is, of which data, what changed, how to remake
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from waypost.contracts.run_comparison import BETTER, WORSE, Change, MetricChange, RunComparison
from waypost.pages.facts import EXECUTED, Remake, Run, Step
from waypost.pages.html import Child, Html, joined, tag
from waypost.pages.numbers import counted, duration, moment, number, signed
from waypost.pages.tables import badge, code, details, table, told_columns
from waypost.texts.limits import shortened

_MOST_METRICS, _MOST_DATA, _MOST_REASONS = 8, 8, 8
_NUMBERS = ("value", "interval", "change")
_VERDICTS = {"FINISHED": "ok", "FAILED": "bad", "KILLED": "warn"}
_LONGEST, _DIGEST = 120, 19  # characters of a value, of a digest
SIGNS = {BETTER: "ok", WORSE: "bad"}


def head(run: Run) -> Html:
    """Returns the title with the verdict, and whose run it is."""
    facts = [f"run {run.run_id}", moment(run.started), duration(run.seconds)]
    facts += [f"by {run.user}"] if run.user else []
    facts += [f"release {run.remake.release}"] if run.remake.release else []
    return joined(
        tag("h1", run.pipeline, " ", badge(run.verdict, _VERDICTS.get(run.status, ""))),
        tag("p", run.description) if run.description else None,
        tag("p", " · ".join(facts), class_="soft"),
        tag("p", verdict(run)),
    )


def verdict(run: Run) -> str:
    """Returns in one sentence how the run went."""
    states = run.states()
    executed = sum(states.get(state, 0) for state in EXECUTED)
    parts = [f"{executed:,} executed"] if executed else []
    parts += [f"{states['reused']:,} reused"] if states.get("reused") else []
    parts += [f"{states['skipped']:,} skipped"] if states.get("skipped") else []
    told = len(run.warnings) + sum(len(step.warnings) for step in run.steps)
    warned = f" {counted(told, 'warning')}." if told else " No warnings."
    return f"{counted(len(run.steps), 'step')}: {', '.join(parts) or 'none is recorded'}.{warned}"


def summary(run: Run) -> Html:
    """Returns the four answers, and which steps ran."""
    cards = [
        ("How good is it?", _metrics(run)),
        ("Which data?", _data(run)),
        (f"What changed since {run.baseline}?" if run.baseline else "What changed?", _changes(run)),
        ("Can I make it again?", remake(run.remake, run.status)),
    ]
    failure = [_failure(step) for step in run.steps if step.state == "failed"]
    boxes = [tag("div", tag("h2", name), content, class_="card") for name, content in cards]
    return joined(*failure, tag("div", *boxes, class_="cards"), tag("h3", "What ran, and why"), _steps(run))


def _failure(step: Step) -> Html:
    log = details("End of its log", tag("pre", step.log_tail)) if step.log_tail else None
    what = tag("p", badge(f"✗ {step.name} failed", "bad"), " ", step.cause or "its log says why")
    return tag("div", what, log, class_="card")


def _metrics(run: Run) -> Html:
    changed = {change.name: change for change in run.comparison.metrics} if run.comparison else {}
    shown = run.qualities or run.last_metrics
    if not shown:
        return tag("p", "No step has a metric that its contract declares.", class_="soft")
    rows = [_metric_row(step, name, changed, run) for step, name in shown[:_MOST_METRICS]]
    heads, cells = told_columns(["metric", "value", "change", "verdict", "interval"], rows)
    word = "Quality" if run.qualities else "Metrics of the last step; no contract says which tell the quality"
    return joined(
        table(heads, cells, caption=word, numeric=[at for at, head in enumerate(heads) if head in _NUMBERS]),
        tag("p", _baseline(run), class_="soft"),
    )


def _metric_row(step: Step, name: str, changed: dict[str, MetricChange], run: Run) -> list[Child]:
    facts, value = step.declared[name], step.metrics[name]
    bounds = [step.metrics.get(bound) for bound in facts.interval or ()]
    interval = " to ".join(number(bound) for bound in bounds if bound is not None)
    change = changed.get(f"{step.name}/{name}")
    if change is None:
        moved: Child = "none" if run.comparison else "–"
    else:
        moved = (
            "new"
            if change.before is None
            else "–"
            if change.difference is None
            else signed(change.difference)
        )
    verdict_of = change.verdict if change else ""
    side = f"{facts.better} is better" if facts.better else ""
    shown = tag("span", f"{step.name}/{name}", title=", ".join(filter(None, (side, facts.unit))) or None)
    unit = f" {facts.unit}" if facts.unit else ""
    mark = badge(verdict_of, SIGNS.get(verdict_of, "")) if verdict_of else ""
    return [shown, f"{number(value)}{unit}", moved, mark, interval]


def _baseline(run: Run) -> str:
    if run.comparison:
        return f"Compared with run {run.comparison.before}, {run.baseline}."
    return "There is no earlier finished run to compare with."


def _data(run: Run) -> Html:
    """Returns the tables of the inputs and outputs of a run's steps."""
    sources = [
        [f"{step.name}.{each.name}", code(each.source), code(each.digest, 19)]
        for step in run.steps
        for each in step.inputs
    ]
    sizes = [
        [
            f"{step.name}.{size.name}",
            size.rows,
            size.columns,
            "–" if size.missing is None else size.missing,
            code(size.sha256, 12),
        ]
        for step in run.steps
        for size in step.figures.tables
    ]
    more = tag("p", tag("a", "All data", href="#data"), class_="soft") if len(sources) > _MOST_DATA else None
    if not sources and not sizes:
        return tag("p", "No step has an external input.", class_="soft")
    counts = [[f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in sizes]
    heads = ["table", "rows", "columns", "missing values", "sha256"]
    told = told_columns(heads, counts[:_MOST_DATA])
    return joined(
        table(["step.input", "source", "digest"], sources[:_MOST_DATA], caption="External inputs"),
        table(*told, caption="Tables of the steps", numeric=(1, 2, 3)),
        more,
    )


def _changes(run: Run) -> Html:
    if run.comparison is None:
        return tag("p", _baseline(run), class_="soft")
    if run.comparison.is_equal:
        return tag("p", "Nothing: parameters, data, components and results are equal.")
    reasons = list(reasons_of(run.comparison))
    more = len(reasons) - _MOST_REASONS
    items = [tag("li", tag("strong", kind), ": ", text) for kind, text in reasons[:_MOST_REASONS]]
    items += [tag("li", f"and {more} more")] if more > 0 else []
    if not items:
        return tag("p", "No parameter, no data and no component: results alone differ.")
    return tag("ul", *items)


def reasons_of(found: RunComparison) -> Iterator[tuple[str, str]]:
    """Gives what may be the reason of other results, as (kind, what); what is the same for several is told
    once.
    """
    kinds: tuple[tuple[str, Sequence[Change], int], ...] = (
        ("component", found.components, _LONGEST),
        ("data", found.data, _DIGEST),
        ("parameter", found.parameters, _LONGEST),
        ("environment", found.environments, _DIGEST),
    )
    for kind, changes, most in kinds:
        same: dict[str, list[str]] = {}
        for change in changes:
            sides = ("not set" if side is None else side for side in (change.before, change.after))
            was, now = (shortened(side, most) for side in sides)
            same.setdefault(f"{was} → {now}", []).append(change.name)
        for moved, names in same.items():
            yield kind, f"{', '.join(names)}: {moved}"


def remake(facts: Remake, status: str = "FINISHED") -> Html:
    """Returns whether and how a run can be made again."""
    again = f"waypost reproduce runs:/{facts.run_id}"
    if facts.release and facts.repository and not facts.differing:
        again = f"waypost reproduce {facts.repository}@{facts.release}"
    doubts = list(_doubts(facts))
    verdict_of = badge("with care", "warn") if doubts else badge("yes", "ok")
    word = "To make it again and compare:" if status == "FINISHED" else "To run the same again:"
    return joined(
        tag("p", verdict_of, " ", word),
        tag("pre", again if status == "FINISHED" else facts.command or again),
        joined(tag("p", "The command of this run:"), tag("pre", facts.command))
        if facts.command and status == "FINISHED"
        else None,
        tag("p", f"At commit {facts.commit} of {facts.repository or 'its repository'}.")
        if facts.commit
        else None,
        tag("ul", *(tag("li", doubt) for doubt in doubts)) if doubts else None,
        details(
            f"{counted(len(facts.differing), 'parameter')} not as in params.yaml",
            tag("ul", *(tag("li", tag("code", text)) for text in facts.differing)),
        )
        if facts.differing
        else None,
    )


def _doubts(facts: Remake) -> Iterator[str]:
    if not facts.commit and not facts.release:
        yield "The run has neither a release nor a commit: files may have changed since."
    if facts.commit and not facts.repository:
        yield "No address is recorded from which others can fetch the repository."
    if facts.dirty:
        kept = {
            "whole": "the run keeps the changes",
            "masked": "the run keeps the changes, without what may not be recorded",
            "too large": "the changes are too large to be kept",
        }
        yield f"The tree was dirty, {kept.get(facts.diff, 'the changes are not kept')}: {facts.dirty}."
    if facts.dev:
        yield "A development run: local folders were taken as they were, without a lock."
    if facts.outside:
        yield f"Components came from folders that only that machine has: {', '.join(facts.outside)}."


def _steps(run: Run) -> Html:
    rows = [
        [
            tag("a", step.name, href=f"#step-{step.name}"),
            state_badge(step.state),
            step.component or "–",
            why(step),
            duration(step.seconds) if step.seconds is not None and step.state != "reused" else "–",
        ]
        for step in run.steps
    ]
    heads = ["step", "state", "component", "why", "time"]
    return table(heads, rows, caption="Steps in their order", numeric=(4,))


def why(step: Step) -> str:
    """Returns why a step was executed, reused or not."""
    if step.state == "skipped":
        return "another step failed"
    by = f" (by {step.user})" if step.user else ""
    return f"{step.cause or step.because or '–'}{by}"


_STATES = {"done": "ok", "reused": "ok", "failed": "bad", "killed": "warn"}
_WORDS = {
    "done": "✓ executed",
    "reused": "= reused",
    "failed": "✗ failed",
    "killed": "✗ killed",
    "skipped": "- skipped",
}


def state_word(state: str) -> str:
    """Returns a state in a word, after a sign that tells it without colour."""
    return _WORDS.get(state, f"? {state}")


def state_badge(state: str) -> Html:
    return badge(state_word(state), _STATES.get(state, ""))


def state_kind(state: str) -> str:
    """Returns the class of a state's colour."""
    return _STATES.get(state, "")
