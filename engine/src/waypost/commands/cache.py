"""`waypost cache`: what is kept to be quick, and can be made again."""

from __future__ import annotations

import sys

import click

from waypost.commands.options import as_json_option
from waypost.report.common import columns, counted, line, show_finding, write_document
from waypost.report.console import Console, escape
from waypost.sources import cache as content
from waypost.sources.cache import KINDS, collect, items, unsound
from waypost.system.places import home


@click.group()
def cache() -> None:
    """Inspect or empty the cache of mirrors, components and environments.

    The cache is in the platform's cache folder, or in $WAYPOST_HOME. Everything in it can be made again.

    \b
    Examples:
      waypost cache list
      waypost cache verify
      waypost cache gc --days 7
    """


@cache.command("list")
@as_json_option
def list_(as_json: bool) -> None:
    """Show what is in the cache, its size and its last use."""
    found = list(items(home()))
    if as_json:
        write_document(sys.stdout, found)
        return
    console = Console()
    rows = [
        (
            KINDS[i.kind],
            ", ".join(i.holds) or i.name[:44],
            f"{i.size / 1e6:8.1f} MB",
            f"used {i.age:.0f} days ago",
        )
        for i in found
    ]
    if rows:
        columns(console, rows)
    line(console, f"{escape(str(home()))}: {sum(i.size for i in found) / 1e6:.1f} MB")


@cache.command()
@click.option(
    "--days", type=click.FloatRange(min=0), default=30, show_default=True, help="Not used for so long."
)
def gc(days: float) -> None:
    """Remove entries unused for some days, and what killed processes left behind.

    \b
    Example:
      waypost cache gc --days 7
    """
    gone = collect(home(), days)
    size = sum(item.size for item in gone) / 1e6
    line(Console(), f"{counted(len(gone), 'thing')} removed, {size:.1f} MB")


@cache.command()
def clear() -> None:
    """Remove everything; the next run fetches and builds what it needs."""
    content.clear(home())
    line(Console(), f"{escape(str(home()))} is empty")


@cache.command()
def verify() -> int:
    """Check every byte of the components and every object of the mirrors; exit code 4 on a finding."""
    console = Console()
    found = unsound(home())
    for finding in found:
        show_finding(console, finding)
    if found:
        line(console, f"[bold red]{counted(len(found), 'finding')}[/]")
        return 4
    line(console, f"[green]✓[/] {counted(len(list(items(home()))), 'thing')} in the cache, all sound")
    return 0
