"""`waypost gc`: runs of a tracking server that nothing needs any more."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.documents import CollectedDocument
from waypost.commands.options import as_json_option
from waypost.report.collected import show_collected
from waypost.report.common import write_document
from waypost.report.console import Console
from waypost.runs.garbage import collect


@click.command()
@click.argument(
    "folder", metavar="[PIPELINE]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    default=30,
    show_default=True,
    help="Keep runs younger than this many days.",
)
@click.option("--yes", is_flag=True, help="Delete the runs instead of listing them.")
@as_json_option
def gc(folder: Path, days: float, yes: bool, as_json: bool) -> None:
    """List the runs on the tracking server that nothing needs any more; --yes deletes them.

    Only runs made by Waypost are considered, each pipeline run together with its steps. Kept are runs of
    releases, runs that made a registered model, the newest finished run of each pipeline and the newest with
    PIPELINE's lock, runs that this machine would reuse, runs with the tag waypost.keep, active runs, runs
    younger than --days, and every run that one of these reused a result from.

    MLflow keeps the bytes of deleted runs until `mlflow gc`; the command for that is shown.

    \b
    Examples:
      waypost gc pipeline                    what may go, and how many bytes that is
      waypost gc pipeline --days 90 --yes
    """
    found = collect(folder, days, delete=yes)
    if as_json:
        named = (found.tracking_uri, found.deleted, found.unneeded, found.bytes, found.kept, found.freeing)
        write_document(sys.stdout, CollectedDocument(*named))
    else:
        show_collected(Console(), found)
