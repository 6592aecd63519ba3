"""`waypost check`: is a component library, or a pipeline, what its users may expect?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.options import as_json_option
from waypost.contracts.pipeline import FILE
from waypost.pins.workspace import open_workspace
from waypost.release.conformance import Conformance, check_library, write_tables
from waypost.release.pipeline_conformance import check_pipeline
from waypost.report.common import counted, line, sayer, show_finding, write_document
from waypost.report.console import Console


@click.command()
@click.argument(
    "folder",
    default=".",
    metavar="[FOLDER]",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--fix", is_flag=True, help="Mend what has one right answer first: the tables of READMEs.")
@as_json_option
def check(folder: Path, fix: bool, as_json: bool) -> int:
    """Check a library, or a pipeline, for what its users would stumble over.

    Each finding has a category. Of a component: contract (unreadable, name, descriptions), command
    (placeholders, unused parameters, missing files), default (outside its own range), shared (missing or
    undeclared folders), environment (unpinned, unhashed, files left out), schema, readme (tables that differ
    from the contract), tests. Of a library: library (licence, README, changelog, setup.cfg). Of a pipeline:
    files, lock-stale, plan (what a run would refuse), parameters (that no step uses), data (without sha256),
    versions (two of one component), paths (that only this machine has), and its own components. Exit code 1
    on any finding. Nothing is executed.

    \b
    Examples:
      waypost check
      waypost check components-repo --fix
      waypost check pipeline --json
    """
    console = Console(stderr=as_json)
    found = _checked(folder, console, fix=fix)
    if as_json:
        write_document(sys.stdout, found)
        return int(bool(found.findings))
    for finding in found.findings:
        show_finding(console, finding)
    if found.findings:
        line(console, f"[bold red]{counted(len(found.findings), 'finding')}[/]")
    else:
        looked = f"{counted(len(found.components), 'component')}, " if found.components else ""
        line(console, f"[green]✓[/] {looked}nothing to mend")
    return int(bool(found.findings))


def _checked(folder: Path, console: Console, *, fix: bool) -> Conformance:
    say = sayer(console)
    if (folder / FILE).is_file():
        workspace = open_workspace(folder, say)
        return check_pipeline(workspace, write_tables(say) if fix else None)
    if fix:
        write_tables(say)(folder)
    return check_library(folder)
