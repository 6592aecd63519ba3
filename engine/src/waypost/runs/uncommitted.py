"""Files that a run could read and that differ from its repository's commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.pipeline import FILE, PARAMETERS_FILE
from waypost.runs.prepare import Prepared, input_files
from waypost.sources.changes import changed, work_tree


def uncommitted(prepared: Prepared) -> tuple[str, ...]:
    """Returns these files by their paths in the repository; for a reproduced run, the original run's."""
    if prepared.made_from is None or prepared.release:
        return ()
    if kept := prepared.made_from.workspace.kept:
        return kept.facts.dirty
    tree = work_tree(prepared.folder)
    return tuple(changed(tree.top, readable(prepared))) if tree else ()


def readable(prepared: Prepared) -> Iterator[Path]:
    """Yields the files and folders that decide a run and are not in the lock."""
    for name in (FILE, PARAMETERS_FILE, LOCK_FILE):
        yield prepared.folder / name
    for code in prepared.checkouts.values():
        if code.pin is None:
            root = code.folder.parent.resolve()
            yield from (root / name for name in code.trees)
    yield from (file.resolve() for file in input_files(prepared.plan, prepared.folder, prepared.variables))
