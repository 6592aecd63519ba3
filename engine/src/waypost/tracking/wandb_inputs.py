"""Artifacts on W&B as inputs: wandb://ENTITY/PROJECT/NAME:VERSION[/PATH]."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost.errors import RemoteError, UsageError, redacted
from waypost.extras import require
from waypost.system.places import home

if TYPE_CHECKING:
    from wandb import Artifact

_FORM = re.compile(r"wandb://(?P<name>[^/:]+/[^/:]+/[^/:]+:[^/:]+)(?:/(?P<inner>.+))?")


def split(uri: str) -> tuple[str, str]:
    """Returns (the artifact's name on W&B, the path in it). Raises UsageError for any other form."""
    found = _FORM.fullmatch(uri)
    if found is None:
        raise UsageError(f"{uri}: not of the form wandb://ENTITY/PROJECT/NAME:VERSION[/PATH]")
    return found["name"], (found["inner"] or "").strip("/")


def content_of(uri: str) -> str:
    """Returns W&B's digest of an alias's current version. Raises RemoteError if W&B does not report it."""
    return str(artifact_named(split(uri)[0]).digest)


def fetched(uri: str, expected: str) -> Path:
    """Returns the local path of the content: downloaded once, verified by W&B against its digests.

    Raises UsageError, and RemoteError, also if its digest is no longer the `expected` one (empty: any).
    """
    from waypost.tracking.runs import made_once  # not at the top: every import of MLflow loads its plugin

    name, inner = split(uri)
    artifact = artifact_named(name)
    if expected not in ("", artifact.digest):
        raise RemoteError(f"{uri}: the alias moved while the run began", hint="run it again")
    place = home() / "artifacts" / "wandb" / re.sub(r"\W", "_", str(artifact.digest))

    def make(folder: Path) -> Path:
        download(artifact, folder / "content")
        return folder / "content"

    return inside(made_once(place, make), inner, uri)


def artifact_named(name: str) -> Artifact:
    """Looks up an artifact on W&B. Raises RemoteError if there is no answer, no key, or no such artifact,
    MissingExtraError if the package for it is not installed.
    """
    require("wandb", f"wandb://{name}")
    import wandb

    try:
        found: Artifact = wandb.Api().artifact(name)
    except wandb.errors.UsageError as error:  # no key
        raise RemoteError(f"wandb://{name}: {error}", hint="wandb login, or set WANDB_API_KEY") from error
    except Exception as error:  # anything that W&B and the network raise
        raise RemoteError(
            f"wandb://{name}: {redacted(str(error))}", hint="check that W&B is up, and the name"
        ) from error
    return found


def download(artifact: Artifact, folder: Path, inner: str = "") -> None:
    """Downloads an artifact's files, or those below a path in it, into a folder. Raises RemoteError."""
    options: dict[str, Any] = {"path_prefix": inner} if inner else {}
    try:
        artifact.download(root=str(folder), **options)
    except Exception as error:  # as above
        raise RemoteError(f"wandb://{artifact.qualified_name}: {redacted(str(error))}") from error


def inside(folder: Path, inner: str, uri: str) -> Path:
    """Returns the file or folder at a path; without a path the only file if there is just one, else the
    folder.
    """
    if inner:
        found = folder / inner
        if not found.exists():
            raise UsageError(f"{uri}: the artifact has no {inner}")
        return found
    files = [path for path in folder.rglob("*") if path.is_file()]
    return files[0] if len(files) == 1 else folder
