"""`waypost components info`: all that is known of a component, of a pipeline or of a library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from waypost.catalogue.document import entry_document
from waypost.catalogue.facts import Entry, Library
from waypost.catalogue.opening import opened_at
from waypost.catalogue.reading import read_library
from waypost.catalogue.users import pins_in, with_uses
from waypost.commands.catalogue import libraries_option, read_libraries, used_by_option
from waypost.commands.documents import InfoDocument
from waypost.commands.options import as_json_option, offline_option, pipeline_option
from waypost.contracts.component import Component
from waypost.contracts.lock import Pin, selected
from waypost.errors import RemoteError, UsageError, did_you_mean
from waypost.pins.checkout import checkouts
from waypost.pins.workspace import Workspace, open_workspace
from waypost.report.catalogue import show_entry
from waypost.report.common import notifier, write_document
from waypost.report.console import Console
from waypost.report.pins import show_contract


@dataclass(frozen=True)
class _Known:
    """What is shown of a component: as a pipeline has it (`pin`), and as a catalogue does."""

    uses: str
    contract: Component | None
    pin: Pin | None = None
    listed: tuple[Library, Entry] | None = None


@click.command()
@click.argument("name")
@pipeline_option("FOLDER", "The pipeline that uses it.")
@libraries_option(required=False)
@used_by_option
@offline_option
@as_json_option
def info(
    name: str,
    folder: Path,
    libraries: tuple[str, ...],
    used_by: tuple[Path, ...],
    offline: bool,
    as_json: bool,
) -> None:
    """Show what is known of a component: its contract, its versions with what each changed, whether it is
    deprecated, who uses it.

    Of a pipeline's component the contract is that of its pin, and the versions are those of its library; with
    --in, NAME is a component of a library, and no pipeline is needed.

    \b
    Examples:
      waypost components info core/preprocess -p pipeline
      waypost components info preprocess --in https://github.com/our-team/components.git
      waypost components info preprocess -p pipeline --used-by teams --used-by ../prices
    """
    console = Console(stderr=as_json)
    if libraries:
        found = list(_of_libraries(name, libraries, console, used_by))
    else:
        workspace = open_workspace(folder, notifier(Console(stderr=True)), offline=offline)
        found = list(_of_pipeline(name, workspace, used_by))
    if as_json:
        write_document(sys.stdout, [_document(known) for known in found])
        return
    for known in found:
        if known.contract:
            show_contract(console, known.uses, known.contract, known.pin)
        if known.listed:
            show_entry(console, known.listed[1], str(known.pin or ""), used_by=bool(used_by))


def _document(known: _Known) -> InfoDocument:
    listed = entry_document(*known.listed) if known.listed else None
    return InfoDocument(known.uses, known.pin, known.contract, listed)


def _of_libraries(
    name: str, libraries: tuple[str, ...], console: Console, used_by: tuple[Path, ...]
) -> Iterator[_Known]:
    """Gives the components of libraries with a name. Raises UsageError where there is none."""
    known = read_libraries(libraries, console, used_by)
    all_ = [(library, entry) for library in known for entry in (*library.entries, *library.gone)]
    hits = [(library, entry) for library, entry in all_ if entry.name == name]
    if not hits:
        hint = did_you_mean(name, {entry.name for _, entry in all_})
        raise UsageError(f"no library here has a component {name!r}", hint=hint)
    for library, entry in hits:
        yield _Known(f"{library.name}/{name}", entry.contract, listed=(library, entry))


def _of_pipeline(name: str, workspace: Workspace, used_by: tuple[Path, ...]) -> Iterator[_Known]:
    """Gives the components that a pipeline uses by a name. Raises UsageError where there is none."""
    found, _ = checkouts(workspace)
    meant, _ = selected([name], found)
    if not meant:
        hint = f"one of {', '.join(sorted(found))}"
        raise UsageError(f"{name!r} is not a component of this pipeline", hint=hint)
    for uses in sorted(meant):
        code = found[uses]
        listed = _listed(workspace, uses, used_by) if code.pin and not workspace.offline else None
        yield _Known(uses, code.component, code.pin, listed)


def _listed(workspace: Workspace, uses: str, used_by: tuple[Path, ...]) -> tuple[Library, Entry] | None:
    """Returns what the catalogue of its library would say of a component; None, and a word, where nobody
    answers.
    """
    source, _, name = uses.partition("@")[0].partition("/")
    mirror = workspace.mirror(source)
    try:
        opened = opened_at(source, mirror.url, mirror.inside, workspace.store)
    except RemoteError as error:
        workspace.notify(f"{source}: its versions are not known: {error}")
        return None
    library = read_library(opened, source, workspace.store.memo)
    library = with_uses(library, pins_in(used_by, workspace.notify))
    return next(((library, e) for e in (*library.entries, *library.gone) if e.name == name), None)
