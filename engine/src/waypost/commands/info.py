"""`waypost info`: where a registered model comes from."""

from __future__ import annotations

import sys

import click

from waypost.commands.documents import ModelDocument
from waypost.commands.options import as_json_option
from waypost.promotion.aliases import info as find
from waypost.report.common import write_document
from waypost.report.console import Console
from waypost.report.models import show_info
from waypost.sources.files import read_mlmodel


@click.command()
@click.argument("model")
@as_json_option
def info(model: str, as_json: bool) -> int:
    """Show where a registered model comes from: run, release, component trees, data, signature.

    \b
    Examples:
      waypost info models:/grades@champion
      waypost info models:/grades/3 --json
    """
    version, folder = find(model)
    mlmodel = read_mlmodel(folder)
    if as_json:
        content = ModelDocument(
            name=version.name,
            version=version.version,
            aliases=version.aliases,
            run_id=version.run_id,
            folder=str(folder),
            tags=version.tags,
            inputs=tuple(mlmodel.inputs),
            outputs=tuple(mlmodel.outputs),
        )
        write_document(sys.stdout, content)
    else:
        show_info(Console(), version, mlmodel)
    return 0
