"""`waypost check`: is a component library what its users may expect?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option
from waypost.release.conformance import check_library
from waypost.report.common import counted, line, show_finding, write_document
from waypost.report.console import Console


@click.command()
@click.argument(
    "folder",
    default=".",
    metavar="[FOLDER]",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@as_json_option
def check(folder: Path, as_json: bool) -> int:
    """Check every component of a library for what its users would stumble over.

    Each finding has a category: library (licence, README, changelog, setup.cfg), contract (unreadable, name,
    descriptions), command (placeholders, unused parameters, missing files), default (outside its own range),
    shared (missing or undeclared folders), environment (unpinned, unhashed, files left out), readme (tables
    that differ from the contract), tests. Exit code 1 on any finding. Nothing is executed.

    \b
    Examples:
      waypost check
      waypost check components-repo --json
    """
    found = check_library(folder)
    if as_json:
        write_document(sys.stdout, found)
        return int(bool(found.findings))
    console = Console()
    for finding in found.findings:
        show_finding(console, finding)
    if found.findings:
        line(console, f"[bold red]{counted(len(found.findings), 'finding')}[/]")
    else:
        line(console, f"[green]✓[/] {counted(len(found.components), 'component')}, nothing to mend")
    return int(bool(found.findings))
