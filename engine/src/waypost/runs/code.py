"""The code of a step: which commands a worker can run, and where a step may write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from waypost.contracts.command import PythonCommand, python_command
from waypost.contracts.component import EntryPoint
from waypost.contracts.plan import PlannedStep
from waypost.runs.imports import reached
from waypost.runs.prepare import Prepared
from waypost.sources.memo import Memo
from waypost.sources.store import is_cached
from waypost.system.scratch import writable_copy
from waypost.texts.digests import digest_of


def own_copy(folder: Path, trees: Iterable[str], temp: Path) -> Path | None:
    """Returns a copy of a component's folder and its shared folders (names of `trees`) for one step, None if
    the folder is the user's. What a step writes into its folder must not change the cache.
    """
    if not is_cached(folder):
        return None
    return writable_copy(folder.parent, trees, temp) / folder.name


def worker_command(
    prepared: Prepared, step: PlannedStep, values: Mapping[str, str], memo: Memo
) -> tuple[PythonCommand | None, Sequence[str]]:
    """Returns `fork_command` of a step whose code is on this machine."""
    code = prepared.checkout(step)
    return fork_command(step.entry_point, values, code.folder, code.trees, memo)


def fork_command(
    entry_point: EntryPoint, values: Mapping[str, str], folder: Path, trees: Mapping[str, str], memo: Memo
) -> tuple[PythonCommand | None, Sequence[str]]:
    """Returns an entry point's command for a fork server, None if it needs its own process, and the modules
    that its code imports; cached by content.

    A fork server's modules have read their variables already: code that sets variables does not run there.
    """
    python = python_command(entry_point.command, values)
    if python is None:
        return None, ()

    def look() -> list[Any]:
        found = reached(folder, python)
        return [found.configures, *found.modules]

    what = digest_of([dict(trees), folder.name, python.file, python.module, dict(python.variables)])
    configures, *modules = memo.by_content("code", what, look)
    return (None, ()) if configures else (python, modules)
