"""`waypost rollback`: the version before gets its alias back."""

from __future__ import annotations

import sys

import click

from waypost.commands.options import as_json_option
from waypost.promotion.aliases import previous_of
from waypost.promotion.aliases import rollback as execute
from waypost.report.common import line, write_document
from waypost.report.console import Console, escape


@click.command()
@click.argument("name")
@click.option("--alias", default="champion", show_default=True)
@as_json_option
def rollback(name: str, alias: str, as_json: bool) -> int:
    """Give an alias back to the version that had it before the last promotion.

    Servers that follow the alias load that version by themselves. A second rollback undoes the first.

    \b
    Example:
      waypost rollback grades
    """
    now, before = execute(name, alias)
    if as_json:
        write_document(sys.stdout, {"name": name, alias: now.version, previous_of(alias): before.version})
    else:
        line(
            Console(),
            f"[green]✓[/] {escape(name)}@{escape(alias)} is version [bold]{now.version}[/] again,"
            f" version {before.version} is {escape(previous_of(alias))}",
        )
    return 0
