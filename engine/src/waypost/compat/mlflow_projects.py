"""What `mlflow run` does with a project before its backend gets it, which a backend has to do again.

MLflow documents the form of a backend (`AbstractBackend`, `SubmittedRun`), not how one reads a project. Seen
with MLflow 3.17. It is imported by MLflow's plugin alone, so that it imports MLflow at its top.
"""

from __future__ import annotations

from mlflow.projects.utils import PROJECT_ENV_MANAGER, get_or_create_run, get_run_env_vars, load_project

__all__ = ["PROJECT_ENV_MANAGER", "get_or_create_run", "get_run_env_vars", "load_project"]
