"""`waypost update`, `outdated` and `diff`: from one pin to the next."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from waypost.commands.completion import component_names
from waypost.commands.documents import OutdatedDocument
from waypost.commands.options import as_json_option, parted, several
from waypost.contracts.lock import Lock, selected
from waypost.errors import UsageError, WaypostError
from waypost.pins import locking, updating
from waypost.pins.pin_differences import code_differences, sides
from waypost.pins.workspace import fresh_lock, open_workspace, required_lock
from waypost.report.common import line, notifier, write_document
from waypost.report.console import Console, escape
from waypost.report.pins import show_difference, show_several_updates, show_update


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE] [NAME]…", shell_complete=component_names)
@click.option("--to", metavar="VERSION", help="Version to move to, instead of the newest allowed one.")
@click.option(
    "--save-diff",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the code diff of everything that moved to FILE.",
)
@as_json_option
def update(arguments: tuple[str, ...], to: str | None, save_diff: Path | None, as_json: bool) -> int:
    """Move pins to the newest releases that pipeline.yaml allows.

    NAME is a source (core), a component (preprocess) or both (core/preprocess); the default is all. A
    component that the new version lacks, or that no longer fits `with:`, keeps its pin and is reported (exit
    code 1); the others move.

    \b
    Examples:
      waypost update pipeline
      waypost update pipeline core/preprocess --to 1.2.0
      waypost update pipeline --save-diff changes.diff
    """
    folder, names = parted(arguments)
    console = Console(stderr=as_json)
    workspace = open_workspace(folder, notifier(console))
    old = required_lock(workspace, fresh_lock(workspace))
    found = updating.plan_update(workspace, old, names, to)
    if save_diff:
        moved = [(m.uses, m.old, m.new) for m in found.moves if m.goes and m.old and m.new]
        # What several components share is said once.
        diffs = dict.fromkeys(d for move in moved for d in code_differences(workspace, *move))
        save_diff.write_text("".join(diffs), encoding="utf-8")
    locking.write_lock(workspace, found.lock, old)
    if as_json:
        write_document(sys.stdout, found)
    else:
        show_update(console, found)
    return int(any(move.state == "refused" for move in found.moves))


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE]… [NAME]…", shell_complete=component_names)
@as_json_option
def outdated(arguments: tuple[str, ...], as_json: bool) -> int:
    """Show what `waypost update` would do, and write nothing.

    Exit code 1 if pipeline.yaml allows a newer release whose content differs. A new version of the same
    content does not count. Several pipelines are shown in one table.

    \b
    Examples:
      waypost outdated pipeline
      waypost outdated teams/*/pipeline
    """
    folders, names = several(arguments)
    console = Console(stderr=as_json)
    if len(folders) > 1:
        return _outdated_in(folders, names, console, as_json=as_json)
    found = _looked_up(folders[0], names, console)
    if as_json:
        write_document(sys.stdout, found)
    else:
        verbs = {"moved": "[bold yellow]newer[/]", "environment only": "[yellow]newer environment[/]"}
        show_update(console, found, verbs=verbs)
    return int(any(move.is_relevant for move in found.moves))


def _looked_up(folder: Path, names: tuple[str, ...], console: Console) -> updating.Update:
    workspace = open_workspace(folder, notifier(console))
    lock = required_lock(workspace, fresh_lock(workspace))
    return updating.plan_update(workspace, lock, names, held=True)


def _outdated_in(folders: Sequence[Path], names: tuple[str, ...], console: Console, *, as_json: bool) -> int:
    """Shows several pipelines in one table; one that cannot be looked at does not keep the others from it."""
    found, code = [], 0
    for folder in folders:
        try:
            update = _looked_up(folder, names, console)
        except WaypostError as error:
            found.append(OutdatedDocument(str(folder), problem=str(error)))
            code = max(code, error.exit_code)
        else:
            found.append(OutdatedDocument(str(folder), update.moves))
            code = max(code, int(any(move.is_relevant for move in update.moves)))
    if as_json:
        write_document(sys.stdout, found)
    else:
        show_several_updates(console, {one.pipeline: one.problem or one.moves for one in found})
    return code


@click.command()
@click.argument("arguments", nargs=-1, metavar="[PIPELINE] NAME [OLD] [NEW]", shell_complete=component_names)
def diff(arguments: tuple[str, ...]) -> int:
    """Show the code diff of a component between two versions, its shared folders included.

    OLD defaults to the locked version, NEW to the newest that pipeline.yaml allows. If two versions are
    locked, each is compared.

    \b
    Examples:
      waypost diff pipeline core/preprocess
      waypost diff pipeline core/preprocess 1.0.0 1.2.0
    """
    folder, names = parted(arguments)
    if not 1 <= len(names) <= 3:
        raise UsageError("which component? waypost diff [PIPELINE] NAME [OLD] [NEW]")
    console = Console(stderr=True)
    workspace = open_workspace(folder, notifier(console))
    lock = required_lock(workspace, fresh_lock(workspace))
    pins = _of_one_component(names[0], lock)
    for uses in pins[:1] if len(names) == 3 else pins:
        old, new = sides(workspace, lock, uses, names[1:])
        text = "".join(code_differences(workspace, uses, old, new))
        if text and sys.stdout.isatty():
            show_difference(Console(), text)
        elif text:
            sys.stdout.write(text)  # byte for byte: it may be applied
        else:
            line(console, escape(f"{uses}: no change from {old} to {new}: same trees"))
    return 0


def _of_one_component(name: str, lock: Lock) -> list[str]:
    """Returns the pins that a name means: more than one where two versions of a component are locked.

    Raises UsageError where it means none, or several components.
    """
    meant = {name} if name in lock.components else selected([name], lock.components)[0]
    if len({uses.partition("@")[0] for uses in meant}) != 1:
        known = ", ".join(sorted(meant or lock.components))
        raise UsageError(f"{name!r} does not mean one component", hint=f"one of {known}")
    return sorted(meant)
