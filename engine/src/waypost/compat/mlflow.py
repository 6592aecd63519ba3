"""What MLflow does not document: the tables of its SQL store, their versions, and what it knows of the user.

Seen with MLflow 3.17.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection
from urllib.parse import quote


def are_finished_in(file: str, run_ids: Collection[str]) -> bool:
    """Tells whether a SQLite store has runs, all of which ended well.

    It says no of a store with other tables than MLflow 3 makes: then MLflow has to be asked.
    """
    marks = ",".join("?" * len(set(run_ids)))
    query = (
        f"SELECT count(*) FROM runs WHERE run_uuid IN ({marks})"  # noqa: S608 (question marks)
        " AND status = 'FINISHED' AND lifecycle_stage = 'active'"
    )
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(file)}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute(query, tuple(set(run_ids))).fetchone()
    except sqlite3.Error:
        return False
    return bool(count == len(set(run_ids)))


def user_tag() -> dict[str, str]:
    """Returns the tag by which MLflow says who made a run, as its plugins for the place see it."""
    from mlflow.tracking.context.registry import resolve_tags

    return {name: value for name, value in resolve_tags().items() if name == "mlflow.user"}


def table_versions() -> tuple[list[str], set[str]]:
    """Returns the newest version of the tables of MLflow's SQL store, and all that this MLflow knows."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils

    script = ScriptDirectory.from_config(utils._get_alembic_config(""))  # type: ignore[no-untyped-call]
    return list(script.get_heads()), {revision.revision for revision in script.walk_revisions()}
