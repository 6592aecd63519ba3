"""What can be told of tracking without MLflow, whose import takes longer than a run with nothing to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote


def tracking_uri() -> str:
    """Returns `MLFLOW_TRACKING_URI`, else a SQLite file here, where `mlflow ui` looks too."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def is_local(uri: str) -> bool:
    """Tells whether a tracking store is a file of this machine."""
    return uri.startswith(("sqlite:", "file:", "/", "."))


def project_run() -> str | None:
    """Returns the run that `mlflow run` made for us, None where we are called by hand."""
    return os.environ.get("MLFLOW_RUN_ID")


def are_finished(uri: str, run_ids: Collection[str]) -> bool:
    """Tells whether runs are there and ended well, asked of a SQLite file without MLflow.

    Of other stores, or of one with other tables than MLflow 3 makes, it says no: then MLflow is asked.
    """
    file = uri.removeprefix("sqlite:///")
    if file == uri:
        return False
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
