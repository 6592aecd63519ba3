"""Recognizes a run with nothing to do without reading its inputs.

A run's inputs are a list of files; while their sizes, times and inodes and the relevant variables are
unchanged, so is the result. Nothing heavy is imported here, and `waypost run` asks here first.
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
    """A run request, and when it was made (seconds since 1970)."""

    folder: Path
    files: Sequence[Path]
    overrides: Sequence[str]
    env: str
    asked: float = field(default_factory=time.time)

    @property
    def key(self) -> str:
        """Its digest, with everything else that decides and is not a file."""
        files = [str(file.resolve()) for file in self.files]
        settings = {k: v for k, v in os.environ.items() if k.startswith(("MLFLOW_", "GIT_"))}
        facts = [__version__, sys.version, sys.prefix, tracking_uri(), str(Path.cwd()), settings]
        asked = [str(self.folder.resolve()), files, list(self.overrides), self.env, facts]
        return keyed_digest(home(), digest_of(asked))  # the settings include passwords


def find_current(request: Request) -> RunResult | None:
    """Returns the run that is up to date, None if there is none or the files have to be read."""
    if project_run():
        return None
    query = "SELECT known, result FROM current WHERE request = ?"
    rows = _database().rows(query, (request.key,))
    with contextlib.suppress(ValueError, TypeError, KeyError):  # damaged in a way that SQLite does not notice
        return _current(rows[0]) if rows else None
    return None


def _current(row: tuple[str, str]) -> RunResult | None:
    """Returns a run that was up to date, None if anything that decides it has changed."""
    facts, content = map(json.loads, row)
    if _known(facts["deep"], facts["shallow"], facts["variables"])[0] != facts["state"]:
        return None
    steps = tuple(StepResult(**step) for step in content.pop("steps"))
    found = RunResult(**{**content, "warnings": ()}, steps=steps)
    ids = [found.run_id, *(step.run_id for step in steps)]
    return found if are_finished(found.tracking_uri, ids) else None


def note_current(request: Request, prepared: Prepared, options: Options) -> None:
    """Stores that everything is up to date, if that is so and depends only on files and variables."""
    from waypost.runs.preflight import preflight
    from waypost.runs.prepare import input_files, locations
    from waypost.texts.sealed import variables_in

    if any(variables_in(location.text) for _, location in locations(prepared.plan)):
        return  # its secret path would be stored
    if prepared.warnings or prepared.release or options.offline or options.data or project_run():
        return
    if not tracking_uri().startswith("sqlite:"):
        return  # only MLflow can tell whether the runs still exist
    git = _git_files(path for path in prepared.read if path.is_dir())
    if git is None:
        return
    deep = [*prepared.read, *input_files(prepared.plan, prepared.folder, prepared.variables)]
    shallow = {*packages(), *git}
    names = {*prepared.pipeline.variables}.union(*(s.entry_point.variables for s in prepared.plan.steps))
    _, newest = _known(deep, shallow, names)
    if newest >= request.asked - TICK_SECONDS:
        return  # changed after, or just before, it was read
    # Pinned code and outputs may be newer, but their content is compared, once they are old enough.
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
    """Returns the files that change when git's view of the content of folders, or what is committed, changes;
    None if they are not known.
    """
    from waypost.sources.memo import git_files

    found = [git_files(folder) for folder in folders]
    return None if None in found else {file for files in found for file in files or ()}


def _known(
    deep: Iterable[Path | str], shallow: Iterable[Path | str], variables: Iterable[str]
) -> tuple[str, float]:
    """Returns a digest of everything that decides, and when the last of its files changed."""
    one, two = fingerprint(sorted(map(str, deep))), fingerprint(sorted(map(str, shallow)), deep=False)
    values = [f"{name}={os.environ.get(name)}" for name in sorted(variables)]
    # Stores no secret.
    return keyed_digest(home(), "\0".join([one[0], two[0], *values])), max(one[1], two[1])


def _database() -> Database:
    return Database(home() / "current.db", 2, _TABLES)
