"""The index of finished steps: what a step was made from, and the run that holds its result."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from waypost.contracts.keys import FinishedStep
from waypost.errors import redacted
from waypost.system.database import Database

_TABLES = """
CREATE TABLE step (scope TEXT, key TEXT, run_id TEXT, inputs TEXT, outputs TEXT, metrics TEXT,
                   seconds REAL, memory INTEGER, user TEXT, PRIMARY KEY (scope, key));
CREATE TABLE latest (scope TEXT, pipeline TEXT, step TEXT, key TEXT, PRIMARY KEY (scope, pipeline, step));
CREATE TABLE run (scope TEXT, key TEXT, run_id TEXT, PRIMARY KEY (scope, key))
"""


class Index:
    """The finished steps and runs of one tracking server, its `scope`, known to this machine."""

    def __init__(self, home: Path, scope: str) -> None:
        self._database = Database(home / "index.db", 2, _TABLES)
        self._scope = redacted(scope)

    @property
    def problem(self) -> str:
        """Why nothing can be stored, empty if it can."""
        return self._database.problem

    def step(self, key: str) -> FinishedStep | None:
        """Returns the step with a key."""
        columns = "run_id, inputs, outputs, metrics, seconds, memory, user"
        query = f"SELECT {columns} FROM step WHERE scope=? AND key=?"  # noqa: S608 (our own names)
        for row in self._database.rows(query, (self._scope, key)):
            with contextlib.suppress(
                ValueError, TypeError, AttributeError
            ):  # damaged in a way that SQLite does not notice
                return _step(row)
        return None

    def latest(self, pipeline: str, step: str) -> FinishedStep | None:
        """Returns a pipeline's step as it last ended well or was reused."""
        query = "SELECT key FROM latest WHERE scope=? AND pipeline=? AND step=?"
        for (key,) in self._database.rows(query, (self._scope, pipeline, step)):
            return self.step(key)
        return None

    def latest_runs(self) -> set[str]:
        """Returns the latest runs of the steps of this machine's pipelines: the next to be reused."""
        query = "SELECT run_id FROM step JOIN latest USING (scope, key) WHERE scope=?"
        return {run_id for (run_id,) in self._database.rows(query, (self._scope,))}

    def add_step(self, key: str, pipeline: str, name: str, step: FinishedStep) -> None:
        """Adds a finished step; called last, once everything is recorded."""
        outputs = {output: [digest, step.paths.get(output, "")] for output, digest in step.digests.items()}
        texts = [json.dumps(x) for x in (dict(step.inputs), outputs, dict(step.metrics))]
        row = (self._scope, key, step.run_id, *texts, step.seconds, step.memory, step.user)
        self._database.write("INSERT OR REPLACE INTO step VALUES (?,?,?,?,?,?,?,?,?)", row)
        self.note_latest(key, pipeline, name)

    def note_latest(self, key: str, pipeline: str, name: str) -> None:
        """Records that a pipeline's step is now the one with this key."""
        row = (self._scope, pipeline, name, key)
        self._database.write("INSERT OR REPLACE INTO latest VALUES (?,?,?,?)", row)

    def run(self, key: str) -> str | None:
        """Returns the id of the pipeline run with exactly these steps."""
        query = "SELECT run_id FROM run WHERE scope=? AND key=?"
        return next((run_id for (run_id,) in self._database.rows(query, (self._scope, key))), None)

    def add_run(self, key: str, run_id: str) -> None:
        """Adds a finished pipeline run."""
        self._database.write("INSERT OR REPLACE INTO run VALUES (?,?,?)", (self._scope, key, run_id))


def _step(row: tuple[Any, ...]) -> FinishedStep:
    run_id, inputs, outputs, metrics, seconds, memory, user = row
    found = json.loads(outputs)
    return FinishedStep(
        run_id,
        {name: digest for name, (digest, _) in found.items()},
        {name: path for name, (_, path) in found.items() if path},
        json.loads(metrics),
        json.loads(inputs),
        seconds,
        memory,
        user,
    )
