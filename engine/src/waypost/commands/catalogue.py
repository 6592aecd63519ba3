"""`waypost components site` and `search`: libraries as pages, and by words."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from waypost.catalogue.document import entry_document
from waypost.catalogue.facts import Library, slugs
from waypost.catalogue.opening import open_library
from waypost.catalogue.reading import read_library
from waypost.catalogue.searching import search as found_by
from waypost.catalogue.site import site as pages_of
from waypost.catalogue.users import pins_in, with_uses
from waypost.catalogue.writing import write_site
from waypost.commands.options import as_json_option
from waypost.report.common import columns, counted, line, notifier, write_document
from waypost.report.console import Console, escape
from waypost.sources.store import Store
from waypost.system.places import home

pipelines_option = click.option(
    "--pipelines",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with pipelines, some levels deep, to show who uses which component; repeatable.",
)


used_by_option = click.option(
    "--used-by",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with pipelines, some levels deep, to show which of them pin it; repeatable.",
)


def libraries_option(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Returns the option that names libraries."""
    return click.option(
        "--in",
        "libraries",
        multiple=True,
        required=required,
        metavar="[NAME=]LIBRARY",
        help="Library to search: a git URL, URL#FOLDER, or a folder in a git repository; repeatable.",
    )


@click.command()
@click.argument("libraries", nargs=-1, required=True, metavar="[NAME=]LIBRARY...")
@click.option(
    "-o",
    "--output",
    default="site",
    show_default=True,
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write: new, empty, or that of an earlier catalogue.",
)
@pipelines_option
@click.option(
    "--title", default="Component catalogue", show_default=True, metavar="TEXT", help="Name of the site."
)
def site(libraries: tuple[str, ...], output: Path, pipelines: tuple[Path, ...], title: str) -> None:
    """Write a static catalogue of libraries: searchable pages that need no server.

    LIBRARY is a git URL, URL#FOLDER, or a folder in a git repository. Each component has a page with its
    contract, an example to copy, its versions and who uses it; a library's page has its releases with records
    and yanks. index.json and an Atom feed are for programs.

    \b
    Examples:
      waypost components site https://github.com/our-team/components.git
      waypost components site components-repo ours=../components.git --pipelines .. -o public
    """
    started = time.monotonic()
    console = Console()
    found = read_libraries(libraries, console, pipelines)
    files = pages_of(title, found)
    write_site(output, files)
    components = counted(sum(len(library.entries) for library in found), "component")
    seconds = time.monotonic() - started
    line(console, f"[green]✓[/] {escape(str(output / 'index.html'))}: {components}, {seconds:.1f} s")


def read_libraries(
    written: tuple[str, ...], console: Console, pipelines: tuple[Path, ...] = ()
) -> list[Library]:
    """Returns libraries by how they were typed, each called by a name of its own."""
    say = notifier(console)
    store = Store(home(), say)
    opened = [open_library(text, store) for text in dict.fromkeys(written)]
    addresses = slugs(one.name for one in opened)
    libraries = [read_library(one, slug, store.memo) for one, slug in zip(opened, addresses, strict=True)]
    pins = pins_in(pipelines, say)
    return [with_uses(library, pins) for library in libraries]


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@libraries_option(required=True)
@as_json_option
def search(words: tuple[str, ...], libraries: tuple[str, ...], as_json: bool) -> int:
    """Find components by words in their names, descriptions, parameters and outputs.

    Exit code 1 if there is none.

    \b
    Example:
      waypost components search split table --in https://github.com/our-team/components.git
    """
    console = Console(stderr=as_json)
    found = found_by(read_libraries(libraries, console), words)
    if as_json:
        write_document(sys.stdout, [entry_document(library, entry) for library, entry in found])
        return int(not found)
    rows = [
        (
            f"[bold]{escape(entry.name)}[/]",
            escape(f"{library.name} {entry.newest.version}"),
            escape(entry.description)
            + (f" [yellow]{escape(str(entry.deprecated))}[/]" if entry.deprecated else ""),
        )
        for library, entry in found
    ]
    if rows:
        columns(console, rows)
    else:
        line(console, "no component has all of these words")
    return int(not found)
