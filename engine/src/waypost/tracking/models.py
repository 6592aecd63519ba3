"""Models in MLflow: their files, the registry, and loaded originals."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from waypost.contracts.mlmodel import FILE
from waypost.contracts.urls import scheme_of
from waypost.errors import UsageError, redacted
from waypost.system.places import home
from waypost.texts.digests import digest_of
from waypost.tracking.connection import client, set_defaults, tracking_errors
from waypost.tracking.databases import Turn
from waypost.tracking.local import tracking_uri
from waypost.tracking.runs import downloaded, output_of

_ALIAS = re.compile(r"models:/(?P<name>[^/@]+)@(?P<alias>[^/@]+)")
_VERSION = re.compile(r"models:/(?P<name>[^/@]+)/(?P<version>\d+)")
_OUTPUT = re.compile(r"runs:/(?P<run>\w+)/(?P<path>.+)")


@dataclass(frozen=True)
class Found:
    """A model on this machine: its `folder`; if registered, its name, version, tags and `card`, the version's
    description.
    """

    uri: str
    folder: Path
    name: str = ""
    version: str = ""
    run_id: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    card: str = ""

    @property
    def label(self) -> str:
        """Its display name: `loan-grades/3`, else the URI or the folder's name."""
        return f"{self.name}/{self.version}" if self.version else self.uri


def is_local(uri: str) -> bool:
    """Returns whether a text names a folder, and not a model that MLflow has to look up."""
    return "://" not in uri and not uri.startswith(("models:", "runs:"))


def follows_alias(uri: str) -> bool:
    """Returns whether a URI can come to name a different model."""
    return bool(_ALIAS.fullmatch(uri))


def find(uri: str) -> Found:
    """Returns a model: a folder as it is, else (`models:/NAME@ALIAS`, `models:/NAME/VERSION`,
    `runs:/RUN/PATH`, a URL) as MLflow finds it, downloaded into the cache if it is not on this machine.

    Raises UsageError if there is no model, WaypostError if the server does not answer.
    """
    if is_local(uri):
        folder = Path(uri).resolve()
        if not (folder / FILE).is_file():
            raise UsageError(f"{uri}: no MLflow model here", hint="a model is a folder with a file MLmodel")
        return Found(folder.name, folder)
    with tracking_errors():
        import mlflow
        from mlflow.exceptions import MlflowException

        mlflow.set_tracking_uri(tracking_uri())
        try:
            return _registered(uri) or _output(uri) or Found(uri, _local_or_downloaded(uri))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                place = redacted(tracking_uri())
                hint = f"looked up on {place}; set MLFLOW_TRACKING_URI for another server"
                raise UsageError(f"{uri}: {error.message}", hint=hint) from error
            raise
        except OSError as error:
            raise UsageError(f"{uri}: {error}") from error


def mlmodel_of(uri: str) -> str:
    """Returns the MLmodel file of a model in MLflow, without fetching the rest.

    Empty if not available: `find` says why.
    """
    with tracking_errors():
        import mlflow

        mlflow.set_tracking_uri(tracking_uri())
        try:
            return Turn(tracking_uri())(lambda: str(mlflow.artifacts.load_text(f"{uri.rstrip('/')}/{FILE}")))
        except Exception:  # stores raise different errors for a missing file
            return ""


def _registered(uri: str) -> Found | None:
    asked = client(tracking_uri())
    if hit := _ALIAS.fullmatch(uri):
        found = asked.get_model_version_by_alias(hit["name"], hit["alias"])
    elif hit := _VERSION.fullmatch(uri):
        found = asked.get_model_version(hit["name"], hit["version"])
    else:
        return None
    place = asked.get_model_version_download_uri(found.name, found.version)
    folder = _local_or_downloaded(str(place))
    tags, card = dict(found.tags), str(found.description or "")
    return Found(uri, folder, found.name, str(found.version), str(found.run_id or ""), tags, card)


def _output(uri: str) -> Found | None:
    hit = _OUTPUT.fullmatch(uri)
    if hit is None:
        return None
    folder = output_of(client(tracking_uri()), hit["run"], hit["path"])
    if folder is None or not (folder / FILE).is_file():
        raise UsageError(f"{uri}: no MLflow model there")
    return Found(uri, folder, run_id=hit["run"])


def _local_or_downloaded(uri: str) -> Path:
    local = Path(unquote(urlsplit(uri).path) if scheme_of(uri) == "file" else uri)
    if local.is_absolute() and local.exists():
        return local
    return downloaded(uri, home() / "artifacts" / digest_of(uri)[:32])


def load_pyfunc(folder: Path) -> Any:
    """Returns a model of any flavour as a pyfunc. Raises whatever its files and MLflow raise."""
    set_defaults()
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)  # `differing` reports versions
