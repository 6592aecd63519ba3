"""A component in the terminal, as the catalogue of its library knows it."""

from __future__ import annotations

from waypost.catalogue.facts import Entry, State, Version
from waypost.report.common import columns, line
from waypost.report.console import Console, escape

_STATES: dict[State, str] = {
    "new": "new",
    "interface": "[yellow]interface changed[/]",
    "content": "other content",
    "same": "[dim]same content[/]",
}


def show_entry(console: Console, entry: Entry, pinned: str, *, used_by: bool) -> None:
    """Prints the versions of a component and what each changed, and, where asked for, who pins it.

    Args: `pinned` is the version that the pipeline has, empty without one.
    """
    if entry.deprecated:
        line(console, f"[yellow]{escape(str(entry.deprecated))}[/]")
    line(console, "[bold]versions[/]")
    columns(console, [_row(version, pinned) for version in entry.versions])
    for version in entry.versions:
        told = [*map(str, version.changes), *(note.removeprefix("- ") for note in version.notes)]
        for text in filter(None, (version.problem, *told)):
            line(console, f"  {escape(version.release.version)}: {escape(text)}")
    if used_by:
        line(console, "[bold]used by[/]" if entry.uses else "[bold]used by[/] no pipeline that was looked at")
    if entry.uses:
        uses = ((use.place, use.pipeline, use.version, ", ".join(use.steps)) for use in entry.uses)
        columns(console, [tuple(map(escape, ("", *row))) for row in uses])


def _row(version: Version, pinned: str) -> tuple[str, ...]:
    release = version.release
    here = "[green]pinned here[/]" if release.version == pinned else ""
    yanked = f"[red]yanked: {escape(release.yanked)}[/]" if release.yanked else ""
    state = "[red]cannot be read[/]" if version.problem else _STATES[version.state]
    return "", escape(release.version), escape(release.date), state, "  ".join(filter(None, (here, yanked)))
