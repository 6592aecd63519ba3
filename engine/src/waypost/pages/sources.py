"""What a run was made of: data, parameters, components, environment, warnings."""

from __future__ import annotations

from waypost.contracts.run_comparison import ComponentChange
from waypost.pages.facts import Run, Step
from waypost.pages.figure import Room, figures_of
from waypost.pages.html import Child, Html, joined, tag
from waypost.pages.numbers import counted
from waypost.pages.tables import badge, code, table, told_columns

_MOST_PARAMETERS = 300


def data(run: Run, room: Room) -> Html:
    """Returns where the data comes from, what the tables hold, and what the steps found in them."""
    sources = [
        [f"{step.name}.{each.name}", code(each.source), code(each.digest)]
        for step in run.steps
        for each in step.inputs
    ]
    sizes = [
        [
            step.name,
            size.name,
            f"{size.rows:,}",
            f"{size.columns:,}",
            _missing(size.missing),
            code(size.sha256, 12),
        ]
        for step in run.steps
        for size in step.figures.tables
    ]
    heads = ["step", "table", "rows", "columns", "missing values", "sha256"]
    return joined(
        table(["step.input", "source", "digest of its content"], sources, caption="External inputs"),
        table(*told_columns(heads, sizes), caption="Tables that steps read or wrote", numeric=(2, 3, 4)),
        figures_of(run.steps, "data", room),
    )


def _missing(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def parameters(run: Run) -> Html:
    """Returns the parameters; those that changed, or that are not as params.yaml has them, come first."""
    before = {change.name: change for change in run.comparison.parameters} if run.comparison else {}
    own = {text.partition("=")[0] for text in run.remake.differing}
    names = sorted(run.parameters, key=lambda name: (name not in before, name not in own))
    rows: list[list[Child]] = []
    for name in names[:_MOST_PARAMETERS]:
        was = before[name].before if name in before else None
        notes: list[Child] = [badge(f"changed, before: {was if was is not None else 'not set'}", "warn"), " "]
        notes = notes if name in before else []
        notes += [badge("not as in params.yaml", "warn")] if name in own else []
        rows.append([code(name), code(run.parameters[name]), notes])
    more = len(names) - _MOST_PARAMETERS
    note = f"{counted(more, 'parameter')} more in the artifact params.yaml." if more > 0 else ""
    heads, rows = told_columns(["parameter", "value", "note"], rows)
    gone = [change for change in before.values() if change.after is None]
    return joined(
        table(heads, rows, caption="Those that changed come first"),
        tag("p", note, class_="soft") if note else None,
        tag("p", f"No longer set: {', '.join(change.name for change in gone)}.") if gone else None,
    )


def components(run: Run) -> Html:
    """Returns the component of each step, its version and trees, and what moved."""
    moved = {change.name: change for change in run.comparison.components} if run.comparison else {}
    rows = [
        [step.name, step.component or "–", _trees(step), _moved(moved.get(step.name))] for step in run.steps
    ]
    since = f"changed since {run.baseline}" if run.comparison else "changed"
    return table(
        ["step", "component", "git trees of its code", since],
        rows,
        caption="The component of each step, and its code",
    )


def _trees(step: Step) -> list[Html]:
    return [joined(name, " ", code(tree, 12), " ") for name, tree in step.trees.items()]


def _moved(change: ComponentChange | None) -> Child:
    if change is None:
        return "no"
    texts = change.interface or ("its interface is the same, or not known",)
    return [
        badge(f"was {change.before or 'none'}", "warn"),
        *(tag("div", text, class_="soft") for text in texts),
    ]


def environment(run: Run) -> Html:
    """Returns what the run was executed with."""
    rows: list[list[Child]] = [[name, version] for name, version in run.packages.items()]
    groups: dict[tuple[str, str], list[str]] = {}
    for step in run.steps:
        if step.environment or step.platform:
            groups.setdefault((step.environment, step.platform), []).append(step.name)
    steps = [[", ".join(names), code(env), platform] for (env, platform), names in groups.items()]
    return joined(
        table(["what", "version"], rows, caption="Engine"),
        table(["steps", "digest of the packages", "platform"], steps, caption="Environments of the steps"),
    )


def warnings(run: Run) -> Html:
    """Returns what the user should know although the run went on."""
    told = [("the run", text) for text in run.warnings]
    told += [(step.name, text) for step in run.steps for text in step.warnings]
    told += [(step.name, step.figures_problem) for step in run.steps if step.figures_problem]
    return table(["from", "warning"], told, caption="Of the run and of its steps")
