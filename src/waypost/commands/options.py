"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click

pipeline_argument = click.argument(
    "folder", metavar="[PIPELINE]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
as_json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write the result as JSON to stdout, progress to stderr."
)
offline_option = click.option("--offline", is_flag=True, help="Ask no remote.")


def parted(arguments: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Returns (pipeline folder, names): the first argument is the folder where one holds a pipeline.yaml."""
    from waypost.contracts.pipeline import FILE

    if arguments and (Path(arguments[0]) / FILE).is_file():
        return Path(arguments[0]), arguments[1:]
    return Path(), arguments
