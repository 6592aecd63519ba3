"""A run whose every input is untouched since it was current: known without reading any of them.

What a run reads is a list of files; as long as their sizes, times and inodes are the same, and so
are the variables that count, the answer is the same, too. Nothing heavy is imported here, and
`waypost run` asks here first.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from waypost import __version__
from waypost.runs.events import RunResult, StepResult
from waypost.sources.fingerprints import TICK_SECONDS, fingerprint
from waypost.sources.keyed import keyed_digest
from waypost.system.database import Database
from waypost.system.machine import packages
from waypost.system.places import home
from waypost.texts.digests import digest_of
from waypost.tracking.local import are_finished, project_run, tracking_uri

if TYPE_CHECKING:
    from waypost.runs.preflight import Options
    from waypost.runs.prepare import Prepared

_TABLES = "CREATE TABLE current (request TEXT PRIMARY KEY, known TEXT, result TEXT)"


@dataclass(frozen=True)
class Request:
    """What was asked for, and since when (seconds since 1970)."""

    folder: Path
    files: Sequence[Path]
    overrides: Sequence[str]
    env: str
    asked: float = field(default_factory=time.time)

    @property
    def key(self) -> str:
        """Its digest, with all else that decides and is no file."""
        files = [str(file.resolve()) for file in self.files]
        settings = {k: v for k, v in os.environ.items() if k.startswith(("MLFLOW_", "GIT_"))}
        facts = [__version__, sys.version, sys.prefix, tracking_uri(), str(Path.cwd()), settings]
        asked = [str(self.folder.resolve()), files, list(self.overrides), self.env, facts]
        return keyed_digest(home(), digest_of(asked))  # passwords are among the settings


def find_current(request: Request) -> RunResult | None:
    """Returns the run that has everything, None if there is none or a look at the files is needed."""
    if project_run():
        return None
    query = "SELECT known, result FROM current WHERE request = ?"
    rows = _database().rows(query, (request.key,))
    with contextlib.suppress(ValueError, TypeError, KeyError):  # damaged, and SQLite does not see it
        return _current(rows[0]) if rows else None
    return None


def _current(row: tuple[str, str]) -> RunResult | None:
    """Returns a run that was current, None if anything that decides it has changed."""
    facts, content = map(json.loads, row)
    if _known(facts["deep"], facts["shallow"], facts["variables"])[0] != facts["state"]:
        return None
    steps = tuple(StepResult(**step) for step in content.pop("steps"))
    found = RunResult(**{**content, "warnings": ()}, steps=steps)
    ids = [found.run_id, *(step.run_id for step in steps)]
    return found if are_finished(found.tracking_uri, ids) else None


def note_current(request: Request, prepared: Prepared, options: Options) -> None:
    """Keeps that everything is current, where that is so and only files and variables decide it."""
    from waypost.runs.preflight import preflight
    from waypost.runs.prepare import input_files, locations
    from waypost.texts.sealed import variables_in

    if any(variables_in(location.text) for _, location in locations(prepared.plan)):
        return  # its place would be kept here
    if prepared.warnings or prepared.release or options.offline or options.data or project_run():
        return
    if not tracking_uri().startswith("sqlite:"):
        return  # whether the runs still exist can only be asked with MLflow
    git = _git_files(path for path in prepared.read if path.is_dir())
    if git is None:
        return
    deep = [*prepared.read, *input_files(prepared.plan, prepared.folder, prepared.variables)]
    shallow = {*packages(), *git}
    names = {*prepared.pipeline.variables}.union(*(s.entry_point.variables for s in prepared.plan.steps))
    _, newest = _known(deep, shallow, names)
    if newest >= request.asked - TICK_SECONDS:
        return  # changed since, or just before, it was read
    # Pinned code and outputs may be newer, but their content is compared: as soon as they are old enough.
    for _ in range(2):
        began = time.time()
        found = preflight(prepared, options)
        is_dirty = found.current is not None and found.current.dirty
        until_committed = _git_files([prepared.folder] if is_dirty else [])
        if until_committed is None:
            return
        shallow |= until_committed
        code = [code.folder.parent / name for code in prepared.checkouts.values() for name in code.trees]
        state, newest = _known([*deep, *code, *found.outputs], shallow, names)
        if newest < began - TICK_SECONDS:
            break
        time.sleep(TICK_SECONDS)
    else:
        return
    if found.current is None or found.asked_servers:
        return
    known = {
        "deep": [str(path) for path in [*deep, *code, *found.outputs]],
        "shallow": sorted(str(path) for path in shallow),
        "variables": sorted(names),
        "state": state,
    }
    row = (request.key, json.dumps(known), json.dumps(asdict(found.current)))
    _database().write("INSERT OR REPLACE INTO current VALUES (?, ?, ?)", row)


def _git_files(folders: Iterable[Path]) -> set[Path] | None:
    """Returns the files that change with what git takes for content below folders, or with what of it is
    committed; None if they are not known.
    """
    from waypost.sources.memo import git_files

    found = [git_files(folder) for folder in folders]
    return None if None in found else {file for files in found for file in files or ()}


def _known(
    deep: Iterable[Path | str], shallow: Iterable[Path | str], variables: Iterable[str]
) -> tuple[str, float]:
    """Returns a digest of everything that decides, and when the last file of it changed."""
    one, two = fingerprint(sorted(map(str, deep))), fingerprint(sorted(map(str, shallow)), deep=False)
    values = [f"{name}={os.environ.get(name)}" for name in sorted(variables)]
    # No secret is kept.
    return keyed_digest(home(), "\0".join([one[0], two[0], *values])), max(one[1], two[1])


def _database() -> Database:
    return Database(home() / "current.db", 2, _TABLES)
