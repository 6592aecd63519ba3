"""`waypost check`: is a component library, or a pipeline, what its users may expect?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from waypost.commands.options import as_json_option
from waypost.contracts.pipeline import FILE
from waypost.errors import FindingsError, UsageError
from waypost.release.check_logs import write_log
from waypost.release.check_record import released_library, write_check_record
from waypost.release.conformance import Conformance, check_library, write_tables
from waypost.release.pipeline_conformance import check_pipeline, pipeline_at
from waypost.release.trying import Ran, try_components
from waypost.report.common import counted, line, notifier, show_finding, write_document
from waypost.report.console import Console, escape


@click.command()
@click.argument(
    "folder",
    default=".",
    metavar="[FOLDER]",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--fix",
    is_flag=True,
    help="First mend what has only one right answer: tables of READMEs, the schema of params.yaml.",
)
@click.option(
    "--run",
    "executes",
    is_flag=True,
    help="Also run the tests and examples of the components, each in its own environment, the examples under "
    "stock MLflow.",
)
@click.option(
    "--record",
    is_flag=True,
    help="With --run, for a library: write the results for its newest release to releases/, for the badges "
    "of a catalogue.",
)
@click.option(
    "--sarif",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the findings to FILE as SARIF 2.1.0, shown by services next to the lines of a pull request.",
)
@as_json_option
def check(folder: Path, fix: bool, executes: bool, record: bool, sarif: Path | None, as_json: bool) -> int:
    """Check a library or a pipeline for problems that its users would run into.

    Each finding has the id of its rule; docs/rules.md has the rules, their reasons, and which of them prevent
    a release. To accept a finding, give a reason: in a library's setup.cfg under [waypost:ignore],
    `example@evaluate = takes a model`; in pipeline.yaml under `ignore`, `data: REASON`. Exit code 1 if there
    are other findings.

    \b
    Examples:
      waypost check
      waypost check components-repo --fix
      waypost check pipeline --json
      waypost check --run
      waypost check --run --record       of a release; commit the file that it writes
      waypost check --sarif waypost.sarif
    """
    console = Console(stderr=as_json)
    if record and (not executes or fix):
        raise UsageError("--record needs --run, and takes no --fix", hint="waypost check --run --record")
    release = released_library(folder) if record else None
    ran: Ran = {}
    found = _checked(folder, console, fix=fix, ran=ran if executes else None)
    if release:
        everything = (*found.findings, *(each.finding for each in found.ignored))
        file = write_check_record(*release, ran, everything)
        line(console, escape(f"{file} written; commit and push it"))
    if sarif:
        write_log(sarif, folder, found.findings, found.ignored)
    if as_json:
        write_document(sys.stdout, found)
        return int(bool(found.findings))
    _show(console, found)
    return int(bool(found.findings))


def _show(console: Console, found: Conformance) -> None:
    for finding in found.findings:
        show_finding(console, finding)
    for each in found.ignored:
        about = f"{each.finding.place}  {each.finding.category}  ignored: {each.reason}"
        line(console, f"[dim]- {escape(about)}[/]")
    if found.findings:
        line(console, f"[bold red]{counted(len(found.findings), 'finding')}[/]")
        return
    looked = f"{counted(len(found.components), 'component')}, " if found.components else ""
    line(console, f"[green]✓[/] {looked}nothing to mend")


def _checked(folder: Path, console: Console, *, fix: bool, ran: Ran | None) -> Conformance:
    say = notifier(console)
    tried = None if ran is None else lambda library: try_components(library, say, ran)
    if not (folder / FILE).is_file():
        if fix:
            write_tables(say)(folder)
        return check_library(folder, tried)
    try:
        workspace = pipeline_at(folder, say)
    except FindingsError as error:  # nothing else can be looked at
        return Conformance((), tuple(replace(each, category="pipeline") for each in error.findings))
    return check_pipeline(workspace, write_tables(say) if fix else None, tried)
