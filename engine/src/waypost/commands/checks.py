"""`waypost checks`: the rules that a pipeline checks its tables by."""

from __future__ import annotations

from pathlib import Path

import click

from waypost.commands.options import checked_pipeline_option, env_option
from waypost.errors import UsageError
from waypost.pins.workspace import open_workspace
from waypost.report.common import line, notifier
from waypost.report.console import Console, escape
from waypost.report.runs import reporter_for
from waypost.runs.suggesting import Request, suggested
from waypost.system.scratch import scratch


@click.group()
def checks() -> None:
    """Suggest the rules that a pipeline checks a table by."""


@checks.command()
@click.argument("table", type=click.Path(exists=True, path_type=Path))
@checked_pipeline_option
@click.option(
    "--output",
    default="checks.yaml",
    show_default=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write the rules to, which must not be there.",
)
@click.option(
    "--component",
    metavar="SOURCE/COMPONENT",
    default="",
    help="Component that suggests them. [default: the one that takes data and suggest]",
)
@click.option("--dev", is_flag=True, help="Use local component folders as they are now.")
@env_option
def suggest(table: Path, folder: Path, output: Path, component: str, env: str, *, dev: bool) -> None:
    """Write a first set of rules that TABLE keeps, to read, correct, and give to the step that checks data.

    The pipeline's component for checks (check_data in the reference library) makes them, as a step tracked by
    MLflow.

    \b
    Example:
      waypost checks suggest loans.csv -p pipeline --output pipeline/checks.yaml
    """
    if output.exists():
        raise UsageError(f"{output} already exists", hint="name another file: --output FILE")
    console = Console()
    workspace = open_workspace(folder, notifier(console))
    with scratch() as temp:
        text = suggested(Request(table, env, component, dev), workspace, temp, reporter_for(console))
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}", hint="name another file: --output FILE") from error
    line(
        console, escape(f"{output}: rules that {table.name} keeps: read them, then name the file as `checks`")
    )
