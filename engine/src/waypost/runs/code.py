"""The code of a step: which of its commands are for a worker, and where it may write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from waypost.contracts.command import PythonCommand, python_command
from waypost.contracts.plan import PlannedStep
from waypost.runs.imports import reached
from waypost.runs.prepare import Prepared
from waypost.sources.memo import Memo
from waypost.sources.store import is_cached
from waypost.system.scratch import writable_copy
from waypost.texts.digests import digest_of


def own_copy(folder: Path, trees: Iterable[str], temp: Path) -> Path | None:
    """Returns a copy of a component's folder for one step, with what it shares beside it (the names of
    `trees`); None if the folder is the user's. What a step writes into its own folder must not change what
    the cache has.
    """
    if not is_cached(folder):
        return None
    return writable_copy(folder.parent, trees, temp) / folder.name


def worker_command(
    prepared: Prepared, step: PlannedStep, values: Mapping[str, str], memo: Memo
) -> tuple[PythonCommand | None, Sequence[str]]:
    """Returns a step's command for a worker, None if it takes a process of its own, and the modules that
    its code imports; looked up once for each content of it.

    What a worker has imported read its variables then: code that sets some is not for one.
    """
    python = python_command(step.entry_point.command, values)
    if python is None:
        return None, ()
    code = prepared.checkout(step)

    def look() -> list[Any]:
        found = reached(code.folder, python)
        return [found.configures, *found.modules]

    what = digest_of([dict(code.trees), code.folder.name, python.file, python.module, dict(python.variables)])
    configures, *modules = memo.by_content("code", what, look)
    return (None, ()) if configures else (python, modules)
