"""`waypost schema`: what an editor needs to know of the files that people write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from waypost.commands.options import pipeline_option
from waypost.contracts.pipeline import PARAMETERS_FILE
from waypost.contracts.schemas import FILES, schema_of
from waypost.pins.checkout import checkouts
from waypost.pins.parameters import schema_of_parameters
from waypost.pins.workspace import open_workspace
from waypost.report.common import line, notifier
from waypost.report.console import Console, escape
from waypost.sources.files import write_text
from waypost.texts.pretty_json import json_text


@click.command()
@click.argument("file", type=click.Choice([*FILES, PARAMETERS_FILE]))
@pipeline_option("FOLDER", "Of params.yaml: the pipeline that it belongs to.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. [default: standard output]",
)
def schema(file: str, folder: Path, output: Path | None) -> None:
    """Print the JSON Schema of a file, for editors.

    The schema of params.yaml is generated from the contracts of a pipeline's components: types, choices,
    ranges and descriptions. An editor with a YAML language server checks the file, and completes keys and
    values, if its first line is `# yaml-language-server: $schema=PATH-OF-THE-SCHEMA`. `waypost check` reports
    a schema that no longer fits the contracts.

    \b
    Examples:
      waypost schema pipeline.yaml -o .schemas/pipeline.json
      waypost schema params.yaml -p pipeline -o pipeline/.schemas/params.json
    """
    found = _of_parameters(folder) if file == PARAMETERS_FILE else schema_of(file)
    text = json_text(found) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    write_text(output, text)
    line(Console(), f"[green]✓[/] {escape(str(output))}")


def _of_parameters(folder: Path) -> dict[str, Any]:
    workspace = open_workspace(folder, notifier(Console(stderr=True)))
    code, _ = checkouts(workspace)
    return schema_of_parameters(workspace.pipeline, code)
