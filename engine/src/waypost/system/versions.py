"""The versions of Python and MLflow."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def made_with() -> dict[str, str]:
    """Returns the versions of Python and MLflow, without importing MLflow."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    try:
        found["mlflow"] = version("mlflow")
    except PackageNotFoundError:
        found["mlflow"] = version("mlflow-skinny")
    return found
