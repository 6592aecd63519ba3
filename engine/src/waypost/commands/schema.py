"""`waypost schema`: what an editor needs to know of the files that people write."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.contracts.schemas import FILES, schema_of
from waypost.report.common import line
from waypost.report.console import Console, escape
from waypost.sources.files import write_text
from waypost.texts.pretty_json import json_text


@click.command()
@click.argument("file", type=click.Choice(FILES))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. [default: standard output]",
)
def schema(file: str, output: Path | None) -> None:
    """Print the JSON Schema of a file, for editors.

    An editor with a YAML language server checks the file, and completes its keys, where its first line is
    `# yaml-language-server: $schema=PATH-OF-THE-SCHEMA`.

    \b
    Example:
      waypost schema pipeline.yaml -o .pipeline.schema.json
    """
    text = json_text(schema_of(file)) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    write_text(output, text)
    line(Console(), f"[green]✓[/] {escape(str(output))}")
