"""Tracking without MLflow, whose import takes longer than a run with nothing to do."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from waypost.compat.mlflow import are_finished_in


def tracking_uri() -> str:
    """Returns `MLFLOW_TRACKING_URI`, else a SQLite file here, where `mlflow ui` looks too."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def is_local(uri: str) -> bool:
    """Returns whether a tracking store is a file of this machine."""
    return uri.startswith(("sqlite:", "file:", "/", "."))


def is_folder(uri: str) -> bool:
    """Returns whether a tracking store is a folder of files, as MLflow's first versions had it."""
    return uri.startswith("file:") or "://" not in uri


def project_run() -> str | None:
    """Returns the run that `mlflow run` made for us, None if we are called by hand."""
    return os.environ.get("MLFLOW_RUN_ID")


def are_finished(uri: str, run_ids: Collection[str]) -> bool:
    """Returns whether runs are there and ended well, asked of a SQLite file without MLflow.

    Of other stores, or of one with other tables than MLflow 3 makes, it says no: then MLflow is asked.
    """
    file = uri.removeprefix("sqlite:///")
    return file != uri and are_finished_in(file, run_ids)
