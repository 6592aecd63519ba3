"""`waypost components`: what a pipeline can use, and the library on its own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from waypost.commands.catalogue import search, site
from waypost.commands.component_info import info
from waypost.commands.documents import ComponentDocument
from waypost.commands.options import as_json_option, pipeline_argument
from waypost.errors import UsageError, redacted
from waypost.pins.checkout import checkouts
from waypost.pins.workspace import open_workspace
from waypost.release.export import export as split
from waypost.release.importing import take_in
from waypost.report.common import columns, line, notifier, write_document
from waypost.report.console import Console, escape
from waypost.scaffold.library import TEMPLATES, copy_of, kit_update, new_component
from waypost.scaffold.writing import ignored, write
from waypost.sources.files import write_text

GUEST = Path("components-repo")


@click.group()
def components() -> None:
    """Inspect the components of a pipeline; search libraries; add a component to a library; export it.

    \b
    Examples:
      waypost components list pipeline
      waypost components search split --in ../components.git
      waypost components site components-repo -o public
      waypost components info core/preprocess -p pipeline
      waypost components new clean
      waypost components export ../components.git
    """


@components.command("list")
@pipeline_argument
@as_json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the components that a pipeline uses, with their versions.

    \b
    Example:
      waypost components list pipeline
    """
    console = Console(stderr=as_json)
    found, _ = checkouts(open_workspace(folder, notifier(console)))
    if as_json:
        write_document(sys.stdout, {u: ComponentDocument(c.pin, c.component) for u, c in found.items()})
        return
    rows = [
        (
            f"[bold]{escape(uses)}[/]",
            str(code.pin) if code.pin else "[dim]folder[/]",
            escape(
                code.component.entry_points["main"].description
                if "main" in code.component.entry_points
                else ""
            ),
        )
        for uses, code in sorted(found.items())
    ]
    columns(console, rows)


def _library(_: click.Context, __: click.Parameter, given: Path | None) -> Path:
    """Returns the library's folder: the one given, or the guest of this folder, or this folder."""
    if given:
        return given
    return GUEST if GUEST.is_dir() else Path()


library_option = click.option(
    "--library",
    metavar="FOLDER",
    callback=_library,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"Folder of the library. [default: {GUEST} if there is one, else the current folder]",
)


@components.command()
@click.argument("name")
@click.option("--like", metavar="COMPONENT", default="", help="Component of the library to copy.")
@click.option(
    "--language",
    type=click.Choice(list(TEMPLATES)),
    help="Programming language of the component. [default: python]",
)
@library_option
def new(name: str, like: str, language: str | None, library: Path) -> None:
    """Add a working component to a library: contract, code, test, README. It also runs under stock MLflow.

    \b
    Examples:
      waypost components new clean
      waypost components new clean_orders --like preprocess
      waypost components new clean --library components
      waypost components new count --language shell
    """
    console = Console()
    if like and language:
        raise UsageError("--like takes the language of the component that is copied", hint="one of the two")
    files = copy_of(library, like, name) if like else new_component(library, name, language or "python")
    write(library, files)
    line(console, f"[green]✓[/] {escape(str(library / name))}: {len(files)} files")
    if words := ignored(library, files):
        line(console, f"  [yellow]{escape(words)}[/]")
    for step in (f"waypost check {library}", f"waypost check {library} --run"):
        line(console, f"  {escape(step)}")


@components.command("kit")
@library_option
def kit_(library: Path) -> None:
    """Add the folder `componentkit` to a library, or update it to the newest version.

    New components use it for arguments, tables and outputs. It is part of the library, so components do not
    need Waypost at run time. A kit that was edited is not replaced.

    \b
    Examples:
      waypost components kit
      waypost components kit --library components
    """
    console = Console()
    old, newest, files = kit_update(library)
    for name, text in files.items():
        (library / name).parent.mkdir(exist_ok=True)
        if text is None:
            (library / name).unlink()
        else:
            write_text(library / name, text)
    came = f"{old} → {newest}" if old and files else f"version {newest}"
    line(console, f"[green]✓[/] {escape(str(library / 'componentkit'))}: {came}")


@components.command()
@click.argument("destination", metavar="DIR|URL")
@click.option("--onto", is_flag=True, help="Merge with commits that others made there.")
@library_option
def export(destination: str, onto: bool, library: Path) -> None:
    """Export the library to a repository of its own, with its history and tags.

    Tags are made from the records in releases/. Commits and trees are the same on every machine. A new DIR
    becomes a bare repository; an existing one is only ever added to. A library that already is a repository
    of its own is pushed as it is.

    \b
    Examples:
      waypost components export ../components.git
      waypost components export git@github.com:our-team/components.git
    """
    console = Console()
    found = split(library, destination, notifier(console), onto=onto)
    tags = ", ".join(f"{tag} ({commit[:12]})" for tag, commit in found.tags.items()) or "no tags"
    line(console, escape(f"{redacted(destination)}: main at {found.head[:12]}, {tags}"))
    for commit in found.foreign:
        line(console, escape(f"  not here yet: {commit}"))
    if found.foreign:
        line(console, escape(f"take them in: waypost components import {redacted(destination)}"))


@components.command("import")
@click.argument("url", metavar="DIR|URL")
@library_option
def import_(url: str, library: Path) -> None:
    """Import commits that others made in the library's own repository since its export.

    The commits are applied to the library's folder on the current branch, with their authors, dates and
    messages. The next export has the very same commits in its history.

    \b
    Example:
      waypost components import ../components.git
    """
    console = Console()
    found = take_in(library, url, notifier(console))
    for commit in found.commits:
        line(console, escape(f"  {commit}"))
    joined = ", joined with the commits here" if found.merged else ""
    count = f"{len(found.commits)} taken in" if found.commits else "nothing that is not here"
    line(console, f"[green]✓[/] {count}{joined}")


components.add_command(info)
components.add_command(search)
components.add_command(site)
