"""Artifacts on W&B as inputs, for the engine and stock MLflow: wandb://ENTITY/PROJECT/NAME:VERSION[/PATH]."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from waypost.errors import RemoteError, UsageError, redacted
from waypost.sources.places import home

if TYPE_CHECKING:
    from wandb import Artifact

_FORM = re.compile(r"wandb://(?P<name>[^/:]+/[^/:]+/[^/:]+:[^/:]+)(?:/(?P<inner>.+))?")


def split(uri: str) -> tuple[str, str]:
    """Returns (the artifact's name on W&B, the path in it). Raises UsageError for another form."""
    found = _FORM.fullmatch(uri)
    if found is None:
        raise UsageError(f"{uri}: not of the form wandb://ENTITY/PROJECT/NAME:VERSION[/PATH]")
    return found["name"], (found["inner"] or "").strip("/")


def content_of(uri: str) -> str:
    """Returns W&B's digest of what an alias stands for now. Raises RemoteError where W&B does not say."""
    return str(_artifact(split(uri)[0]).digest)


def fetched(uri: str, expected: str) -> Path:
    """Returns where the content is on this machine: downloaded once, checked by W&B against its digests.

    Raises RemoteError, UsageError, and RemoteError too where its digest is no longer the `expected` one
    (empty: any).
    """
    name, inner = split(uri)
    artifact = _artifact(name)
    if expected not in ("", artifact.digest):
        raise RemoteError(f"{uri}: the alias moved while the run began", hint="run it again")
    place = home() / "artifacts" / "wandb" / re.sub(r"\W", "_", str(artifact.digest))
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as folder:
            _download(artifact, Path(folder) / "content")
            (Path(folder) / "content").rename(place)
    return _inside(place, inner, uri)


class WandbArtifactRepository(ArtifactRepository):
    """What MLflow asks for a wandb:// URI; it reads, and writes nothing."""

    def download_artifacts(self, artifact_path: str | None, dst_path: str | None = None) -> str:
        """Returns the local path of an artifact, of its only file, or of what a path in it names."""
        uri = "/".join(part.strip("/") for part in (self.artifact_uri, artifact_path or "") if part)
        name, inner = split(uri)
        folder = Path(dst_path or tempfile.mkdtemp())
        _download(_artifact(name), folder, inner)
        return str(_inside(folder, inner, uri))

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Returns the files and folders directly below a path."""
        name, inner = split("/".join(part for part in (self.artifact_uri, path or "") if part))
        found: dict[str, FileInfo] = {}
        for file, entry in _artifact(name).manifest.entries.items():
            below = file.removeprefix(f"{inner}/" if inner else "")
            if file.startswith(f"{inner}/" if inner else ""):
                first, _, rest = below.partition("/")
                shown = f"{inner}/{first}" if inner else first
                found[shown] = FileInfo(shown, bool(rest), None if rest else entry.size)
        return [found[key] for key in sorted(found)]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            name, inner = split(f"{self.artifact_uri.rstrip('/')}/{remote_file_path}")
            _download(_artifact(name), Path(folder), inner)
            shutil.move(_inside(Path(folder), inner, remote_file_path), local_path)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> NoReturn:  # noqa: ARG002
        raise MlflowException(f"{self.artifact_uri} can only be read")

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> NoReturn:  # noqa: ARG002
        raise MlflowException(f"{self.artifact_uri} can only be read")


def _artifact(name: str) -> Artifact:
    import wandb

    try:
        found: Artifact = wandb.Api().artifact(name)
    except wandb.errors.UsageError as error:  # no key
        raise RemoteError(f"wandb://{name}: {error}", hint="wandb login, or set WANDB_API_KEY") from error
    except Exception as error:  # whatever W&B and the network say
        raise RemoteError(
            f"wandb://{name}: {redacted(str(error))}", hint="is it up, and is the name right?"
        ) from error
    return found


def _download(artifact: Artifact, folder: Path, inner: str = "") -> None:
    options: dict[str, Any] = {"path_prefix": inner} if inner else {}
    try:
        artifact.download(root=str(folder), **options)
    except Exception as error:  # as above
        raise RemoteError(f"wandb://{artifact.qualified_name}: {redacted(str(error))}") from error


def _inside(folder: Path, inner: str, uri: str) -> Path:
    """Returns what a path names; without one the only file, where there is just one, else the folder."""
    if inner:
        found = folder / inner
        if not found.exists():
            raise UsageError(f"{uri}: the artifact has no {inner}")
        return found
    files = [path for path in folder.rglob("*") if path.is_file()]
    return files[0] if len(files) == 1 else folder
