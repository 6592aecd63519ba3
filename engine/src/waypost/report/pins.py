"""How pins, moves and checks are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text

from waypost.contracts.component import Component
from waypost.contracts.lock import Pin
from waypost.contracts.requirements import PackageMove
from waypost.errors import Finding
from waypost.pins.updating import Move, Update
from waypost.pins.verdict import Verdict
from waypost.release.fetched import Seen
from waypost.report.common import columns, counted, line, show_finding
from waypost.report.console import Console, escape
from waypost.texts.escaping import terminal_text


def show_pins(console: Console, pins: Mapping[str, Pin]) -> None:
    """Prints what each component is pinned to."""
    rows = [("[dim]component[/]", "[dim]version[/]", "[dim]asked for[/]", "[dim]commit[/]", "[dim]tree[/]")]
    for uses, pin in sorted(pins.items()):
        asked = pin.requirement if pin.requirement != str(pin) else ""
        rows.append((escape(uses), str(pin), escape(asked), pin.commit[:12], pin.tree[:12]))
    if pins:
        columns(console, rows)


_STATES = {
    "moved": "[bold green]moved[/]",
    "environment only": "[green]environment only[/]",
    "same content": "[dim]no change: same tree[/]",
    "current": "[dim]current[/]",
    "held": "[yellow]held[/]",
    "refused": "[bold red]refused[/]",
}
KINDS = {"breaking": "[bold red]breaking[/]", "added": "[green]added[/]", "changed": "[cyan]changed[/]"}


def show_update(console: Console, update: Update, *, verbs: Mapping[str, str] = {}) -> None:
    """Prints old → new of each component, its interface change, and the changelog in between.

    `verbs` replaces the words of states, where something could move but does not.
    """
    if not update.moves:
        line(console, "no component has a version: all come from folders")
    width = max((len(move.uses) for move in update.moves), default=0)
    for move in update.moves:
        word = verbs.get(move.state, _STATES[move.state])
        beyond = f"  [dim](newest of all: {move.beyond})[/]" if move.beyond else ""
        waiting = f"  [dim](cooldown: {escape(move.waiting)})[/]" if move.waiting else ""
        line(
            console, f"[bold]{escape(move.uses.ljust(width))}[/]  {_versions(move)}  {word}{beyond}{waiting}"
        )
        if move.is_relevant and move.new and move.state != "environment only":
            _show_changes(console, move)
        for problem in move.problems:
            line(console, f"    [red]✗[/] {escape(str(problem))}")
    _show_packages(console, update.moves)
    for source, text in update.changelogs.items():
        line(console, "")
        line(console, f"[bold]{escape(source)}[/]: CHANGELOG.md")
        for each in text.splitlines():
            line(console, f"  {escape(each)}")


_SIDES = {"+++": "bold", "---": "bold", "diff": "bold", "@@": "cyan", "+": "green", "-": "red"}


def show_difference(console: Console, text: str) -> None:
    """Prints a unified diff in colours."""
    for each in text.splitlines():
        style = next((style for start, style in _SIDES.items() if each.startswith(start)), "")
        console.print(Text(terminal_text(each), style), soft_wrap=True)


def _show_packages(console: Console, moves: Iterable[Move]) -> None:
    """Prints what changes in environments, each once: components that share one have the same changes."""
    groups: dict[tuple[PackageMove, ...], list[str]] = {}
    for move in moves:
        if move.goes and move.packages:
            groups.setdefault(move.packages, []).append(move.uses)
    for packages, uses in groups.items():
        whose = uses[0] if len(uses) == 1 else f"{uses[0]} and {len(uses) - 1} more"
        line(console, "")
        line(console, f"[bold]environment[/] of {escape(whose)}:")
        for package in packages:
            line(console, f"  {escape(str(package))}")


def _versions(move: Move) -> str:
    old, new = move.old, move.new
    if old is None or new is None or new == old:
        return str(old)
    if str(old) == str(new):
        return f"{old} → {new} [yellow](tag moved: {old.commit[:12]} → {new.commit[:12]})[/]"
    return f"{old} → {new}"


def _show_changes(console: Console, move: Move) -> None:
    if move.changes is None:
        line(console, "    interface: cannot be compared, the old content is gone")
    elif not move.changes:
        line(console, "    interface: no change")
    for change in move.changes or ():
        line(console, f"    {KINDS[change.kind]}: {escape(change.text)}")


def show_verdict(console: Console, verdict: Verdict) -> None:
    """Prints every finding, or what was found to be well."""
    for finding in verdict.findings:
        show_finding(console, finding)
    if verdict.unchecked:
        names = ", ".join(verdict.unchecked)
        line(console, f"[yellow]not verified[/], since the cache does not have it: {escape(names)}")
    if verdict.findings:
        line(console, f"[bold red]{counted(len(verdict.findings), 'finding')}[/]")
    if verdict.findings or verdict.unchecked:
        return
    pins = verdict.lock.components if verdict.lock else {}
    asked = f"remotes asked: {', '.join(verdict.asked)}" if verdict.asked else "no remote was asked"
    line(console, f"[green]✓[/] {counted(len(pins), 'component')} as locked; {escape(asked)}")


def show_release(console: Console, name: str, seen: Seen, attested_by: str) -> None:
    """Prints what a release was found to be; `attested_by` is the repository that says where it is from."""
    word = (
        "as the default branch records it"
        if seen.attested.record
        else "which the default branch does not record"
    )
    tag = seen.tagged.tag or "commit"
    line(console, f"[green]✓[/] {escape(name)}: {escape(tag)} {seen.tagged.commit[:12]}, {word}")
    if attested_by:
        line(console, f"[green]✓[/] made by a workflow, as {escape(attested_by)} attests")


def show_contract(console: Console, uses: str, component: Component, pin: Pin | None) -> None:
    """Prints what a component takes and gives."""
    for name, entry in component.entry_points.items():
        suffix = "" if name == "main" else f" ({name})"
        version = f"  {pin}" if pin else ""
        line(console, f"[bold]{escape(uses)}[/]{suffix}{version}  {escape(entry.description)}")
        rows = [
            (
                f"  {escape(key)}",
                f"[cyan]{parameter.type}[/]",
                "[yellow]required[/]" if parameter.is_required else escape(f"= {parameter.default}"),
                escape(parameter.description),
            )
            for key, parameter in entry.parameters.items()
        ]
        rows += [
            (
                f"  [green]→[/] {escape(key)}",
                "[cyan]output[/]",
                escape(output.path),
                escape(output.description),
            )
            for key, output in entry.outputs.items()
        ]
        rows += [
            (f"  [green]#[/] {escape(key)}", "[cyan]metric[/]", escape(str(m.facts)), escape(m.description))
            for key, m in entry.metrics.items()
        ]
        if rows:
            columns(console, rows)


def show_several_updates(console: Console, found: Mapping[str, str | Sequence[Move]]) -> None:
    """Prints what can move in several pipelines: by their folders, the moves or why there are none."""
    rows = [("[dim]pipeline[/]", "[dim]component[/]", "[dim]version[/]", "")]
    for pipeline, moves in found.items():
        if isinstance(moves, str):
            rows.append((escape(pipeline), "", "", f"[red]✗[/] {escape(moves.splitlines()[0])}"))
            continue
        shown = [move for move in moves if move.is_relevant or move.waiting]
        waiting = [f" [dim](cooldown: {escape(move.waiting)})[/]" if move.waiting else "" for move in shown]
        rows += [
            (escape(pipeline), escape(move.uses), _versions(move), _STATES[move.state] + more)
            for move, more in zip(shown, waiting, strict=True)
        ]
        if not shown:
            rows.append((escape(pipeline), "", "", "[dim]current[/]"))
    columns(console, rows)


def show_several_verdicts(console: Console, found: Mapping[str, str | Sequence[Finding]]) -> None:
    """Prints what was found in several pipelines: by their folders, the findings or why there are none."""
    rows = []
    for pipeline, findings in found.items():
        if isinstance(findings, str):
            rows.append((escape(pipeline), "[red]✗[/]", escape(findings.splitlines()[0])))
            continue
        rows += [
            (escape(pipeline), f"[yellow]{escape(f.category)}[/]", escape(f"{f.place}: {f.problem}"))
            for f in findings
        ]
        if not findings:
            rows.append((escape(pipeline), "[green]✓[/]", "as locked"))
    columns(console, rows)
