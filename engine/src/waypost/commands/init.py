"""`waypost init`: a new repository, of a pipeline or of a component library."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from waypost import __version__
from waypost.contracts.pipeline import PARAMETERS_FILE
from waypost.errors import UsageError
from waypost.report.common import line, notifier
from waypost.report.console import Console, escape
from waypost.scaffold import library, repository
from waypost.scaffold.adopting import adopted
from waypost.scaffold.environment import engine_lock, locked
from waypost.scaffold.writing import New, check_free, ignored, without, write
from waypost.sources import git
from waypost.sources.files import read_text

_folder = click.argument(
    "folder", default=".", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path)
)
_name = click.option("--name", default="", metavar="NAME", help="Name. [default: that of the folder]")


@click.group()
def init() -> None:
    """Create a repository for a pipeline, or for a component library.

    \b
    Examples:
      waypost init pipeline grades
      waypost init pipeline grades --from ../components.git --components download,preprocess
      waypost init library components
    """


@init.command()
@_folder
@_name
@click.option(
    "--from",
    "url",
    metavar="URL[#FOLDER][@VERSION]",
    default="",
    help="Library with the components. [default: two new components in DIR/components]",
)
@click.option(
    "--components",
    metavar="A,B",
    default="",
    help="Components of that library to use, in the order of the steps.",
)
@click.option("--as", "source", metavar="NAME", default="", help="Name of the library in pipeline.yaml.")
def pipeline(folder: Path, name: str, url: str, components: str, source: str) -> None:
    """Create a pipeline in DIR. It runs at once, on a dataset of scikit-learn; with --from it runs on your
    data, whose location you set in params.yaml.

    Existing files in DIR are never replaced: a README, a LICENSE and a .gitignore are kept; anything else in
    the way is named, and nothing is written.

    \b
    Examples:
      waypost init pipeline grades && cd grades && waypost lock && waypost run
      waypost init pipeline grades --from ../components.git@~=1.4 --components download,preprocess,segregate
    """
    console = Console()
    name = name or repository.name_of(folder)
    below = _is_below_top(console, folder)
    if url:
        asked = [part.strip() for part in components.split(",") if part.strip()]
        found = adopted(url, asked, source, notifier(console))
        files: New = repository.pipeline_of(name, _owner(folder), found, _engine(console, below=below))
    else:
        if components or source:
            raise UsageError("--components and --as belong to --from", hint="--from URL[@VERSION]")
        check_free(folder, _new(folder, repository.pipeline_repository(name, "", "")))
        locks = _lock(console), _engine(console, below=below)
        files = repository.pipeline_repository(name, _owner(folder), *locks)
    files = _new(folder, repository.below_top(name, files) if below else files)
    write(folder, files)
    asks = "???" in str(files[PARAMETERS_FILE])
    _told(console, folder, files, ["waypost lock", *(["fill in params.yaml"] if asks else []), "waypost run"])


@init.command("library")
@_folder
@_name
def library_(folder: Path, name: str) -> None:
    """Create a component library in DIR, with two working components.

    Existing files in DIR are never replaced: a README, a LICENSE and a .gitignore are kept; anything else in
    the way is named, and nothing is written.

    \b
    Example:
      waypost init library components && cd components && waypost check
    """
    console = Console()
    name = name or repository.name_of(folder)
    check_free(folder, _new(folder, repository.library_repository(name, "", "")))
    below = _is_below_top(console, folder)
    locks = _lock(console), _engine(console, below=below)
    files: New = repository.library_repository(name, _owner(folder), *locks)
    files = _new(folder, repository.below_top(name, files) if below else files)
    write(folder, files)
    _told(console, folder, files, ["waypost check", "waypost components new NAME", "waypost release"])


def _is_below_top(console: Console, folder: Path) -> bool:
    """Tells whether new files lie below the top of a repository, and says what follows."""
    there = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir())
    top = git.top_of(there)
    if top is None or top.resolve() == folder.resolve():
        return False
    words = "below the top of a repository: it has its own tags (setup.cfg), and no workflow"
    notifier(console)(f"{words}: workflows belong to the top")
    return True


def _new(folder: Path, files: New) -> New:
    return without(folder, files, repository.FOR_PEOPLE)


def _lock(console: Console) -> str:
    notifier(console)("resolving the environment of the components")
    return locked(library.requirements_in())


def _engine(console: Console, *, below: bool) -> str:
    """Returns what the workflow installs, with hashes: nothing where no index has it, which is said, nor
    `below` the top of a repository, where there is no workflow.
    """
    if below:
        return ""
    lock = engine_lock()
    if not lock:
        words = f"no package index here has waypost=={__version__}: .github/workflows/check.yml installs it"
        notifier(console)(f"{words} without hashes; Waypost's docs/ci.md has the command that pins it")
    return lock


def _owner(folder: Path) -> str:
    """Returns who owns new files: as git has it, else the folder's name."""
    return git.user_name() or repository.name_of(folder)


def _told(console: Console, folder: Path, files: New, steps: list[str]) -> None:
    line(console, f"[green]✓[/] {escape(str(folder))}: {len(files)} files")
    if words := ignored(folder, files):
        line(console, f"  [yellow]{escape(words)}[/]")
    if kept := [name for name in repository.FOR_PEOPLE if name not in files]:
        line(console, f"  kept as they are: {', '.join(kept)}")
    if ".gitignore" in kept and (lines := repository.ignored_by_none(read_text(folder / ".gitignore"))):
        line(console, f"  add to .gitignore: {' '.join(lines)}")
    here = folder.resolve() == Path.cwd()
    first = [] if here else [f"cd {shlex.quote(str(folder))}"]
    begun = (
        [] if git.top_of(folder) else ["git init -b main", "git add --all", "git commit --message 'Begin'"]
    )
    for step in [*first, *begun, *steps]:
        line(console, f"  {escape(step)}")
