"""Models that MLflow keeps: where their files are, and the originals, loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from waypost.contracts.mlmodel import FILE
from waypost.errors import UsageError
from waypost.tracking.local import tracking_uri
from waypost.tracking.store import tracking_errors


def model_folder(uri: str, place: Path) -> Path:
    """Returns the folder of a model: a path as it is, else (`models:/…`, `runs:/…`, a URL) as MLflow
    finds it, downloaded to `place` where it is not on this machine.

    Raises UsageError where there is no model, WaypostError where the server does not answer.
    """
    if "://" not in uri and not uri.startswith(("models:", "runs:")):
        folder = Path(uri)
        if not (folder / FILE).is_file():
            raise UsageError(f"{uri}: no MLflow model here", hint="a model is a folder with a file MLmodel")
        return folder.resolve()
    with tracking_errors():
        import mlflow
        from mlflow.artifacts import download_artifacts

        mlflow.set_tracking_uri(tracking_uri())
        try:
            return Path(download_artifacts(uri, dst_path=None if _is_local(uri) else str(place)))
        except OSError as error:
            raise UsageError(f"{uri}: {error}") from error


def _is_local(uri: str) -> bool:
    return uri.startswith(("models:", "runs:"))


def load_sklearn(folder: Path) -> Any:
    """Returns the scikit-learn estimator of a model. Raises WaypostError."""
    with tracking_errors():
        import mlflow.sklearn

        return mlflow.sklearn.load_model(str(folder))


def load_pyfunc(folder: Path) -> Any:
    """Returns a model of any flavour as a pyfunc. Raises WaypostError."""
    with tracking_errors():
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(folder))
