"""How releases are shown."""

from __future__ import annotations

from collections.abc import Mapping

from waypost.interfaces.interface import Change
from waypost.release.check import SemverVerdict
from waypost.release.cut import NextVersion, Released
from waypost.release.product import Product
from waypost.release.reproduce import Reproduction
from waypost.release.tags import Tags
from waypost.report.common import columns, line
from waypost.report.console import Console, escape
from waypost.report.pins import KINDS

_STATES = {
    "equal": "[green]= equal[/]",
    "different": "[bold red]≠ different[/]",
    "cannot compare": "[yellow]? cannot compare[/]",
}


def show_next_version(console: Console, product: Product, following: NextVersion) -> None:
    """Prints what the next version is, and why."""
    noun = product.label
    if not following.base:
        line(console, f"{noun}: first release, [bold]{following.version}[/]")
        return
    why = f"{following.bump}; the changes demand {following.demanded}"
    line(console, f"{noun}: {following.base} → [bold]{following.version}[/] ({why})")
    _show_changes(console, following.changes)


def show_rehearsal(console: Console, released: Released) -> None:
    """Prints what a release would hold: its changelog, and the files that its commit changes."""
    line(console, f"[bold]{released.version}[/] in the changelog, the record and the tag:")
    for each in released.notes.splitlines():
        line(console, f"  {escape(each)}")
    line(console, f"its commit changes: {escape(', '.join(released.files))}")
    line(
        console,
        f"its tag: {released.tag or 'none; `waypost components export` makes it, in its own repository'}",
    )


def show_semver(console: Console, verdict: SemverVerdict) -> None:
    """Prints what changed since a release and whether the version at hand says so."""
    _show_changes(console, verdict.changes)
    if not verdict.changes:
        line(console, f"no interface change since {verdict.base}")
    wanted = f"the next release after {verdict.base} is at least a {verdict.demanded} one, {verdict.least}"
    if verdict.is_enough:
        line(console, f"[green]✓[/] {wanted}" + (f"; at hand: {verdict.at_hand}" if verdict.at_hand else ""))
    else:
        line(console, f"[bold red]✗[/] {wanted}; the current version is only a {verdict.at_hand} one")


def _show_changes(console: Console, changes: Mapping[str, tuple[Change, ...]]) -> None:
    for name, group in changes.items():
        line(console, f"  [bold]{escape(name)}[/]")
        for change in group:
            line(console, f"    {KINDS[change.kind]}: {escape(change.text)}")


def show_tags(console: Console, found: Tags) -> None:
    """Prints each tag and what became of it, and what helps where one is missing."""
    rows = []
    for tag in found.tags:
        state = f"at {tag.actual[:12]}: moved, and left there" if tag.state == "moved" else tag.state
        color = {"there": "dim", "missing": "yellow", "moved": "bold red"}.get(tag.state, "green")
        pushed = ", pushed" if tag.pushed else ""
        rows.append((f"[bold]{escape(tag.name)}[/]", tag.commit[:12], f"[{color}]{state}[/]{pushed}"))
    if rows:
        columns(console, rows)
    else:
        line(console, "no release has a record here")
    if missing := sum(tag.state == "missing" for tag in found.tags):
        line(console, f"{missing} missing; restore them: waypost release tags --restore")
    for guest in found.guests:
        command = f"waypost components export DIR|URL --library {guest}"
        line(console, f"[dim]{escape(guest)}: its tags are in a repository of its own: {escape(command)}[/]")


def show_reproduction(console: Console, found: Reproduction) -> None:
    """Prints what is equal, what is different, and what cannot be compared."""
    counts = {state: sum(c.state == state for c in found.comparisons) for state in _STATES}
    for comparison in found.comparisons:
        sides = ""
        if comparison.state == "different":
            sides = f"  {comparison.recorded} became {comparison.found}"
        elif comparison.reason:
            sides = f"  {comparison.reason}"
        # A run has some hundred metrics: those that are equal are told as a number.
        if comparison.state != "equal" or "/" not in comparison.what:
            line(console, f"  {_STATES[comparison.state]}  {escape(comparison.what)}[dim]{escape(sides)}[/]")
    metrics = sum(c.state == "equal" and "/" in c.what for c in found.comparisons)
    if metrics:
        line(console, f"  {_STATES['equal']}  {metrics} metrics, to the last digit")
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    if found.is_equal:
        line(console, f"[bold green]✓ reproduced[/] {found.what}: {summary}")
    else:
        line(console, f"[bold red]✗ not reproduced[/] {found.what}: {summary or 'the run failed'}")
