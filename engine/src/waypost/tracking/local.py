"""Tracking without MLflow: importing it takes longer than a run with nothing to do."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from waypost.compat.mlflow import are_finished_in


def tracking_uri() -> str:
    """Returns `MLFLOW_TRACKING_URI`, else a SQLite file here, which is also the default of `mlflow ui`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def is_local(uri: str) -> bool:
    """Returns whether a tracking store is a file on this machine."""
    return uri.startswith(("sqlite:", "file:", "/", "."))


def is_folder(uri: str) -> bool:
    """Returns whether a tracking store is a folder of files, as in MLflow's first versions."""
    return uri.startswith("file:") or "://" not in uri


def project_run() -> str | None:
    """Returns the run that `mlflow run` opened for us, None if called by hand."""
    return os.environ.get("MLFLOW_RUN_ID")


def are_finished(uri: str, run_ids: Collection[str]) -> bool:
    """Returns whether runs exist and ended well, read from a SQLite file without MLflow.

    False for other stores, and for tables that are not MLflow 3's: then MLflow is asked.
    """
    file = uri.removeprefix("sqlite:///")
    return file != uri and are_finished_in(file, run_ids)
