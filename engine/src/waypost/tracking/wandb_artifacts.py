"""MLflow's plugin for wandb://ENTITY/PROJECT/NAME:VERSION[/PATH]; only MLflow imports it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import NoReturn

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from waypost.tracking.wandb_inputs import artifact_named, download, inside, split


class WandbArtifactRepository(ArtifactRepository):
    """The artifact repository for wandb:// URIs, read-only."""

    def download_artifacts(self, artifact_path: str | None, dst_path: str | None = None) -> str:
        """Returns the local path of an artifact, of its only file, or of a path in it."""
        uri = self._uri(artifact_path)
        name, inner = split(uri)
        folder = Path(dst_path or tempfile.mkdtemp())
        download(artifact_named(name), folder, inner)
        return str(inside(folder, inner, uri))

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Returns the files and folders directly below a path."""
        name, inner = split(self._uri(path))
        found: dict[str, FileInfo] = {}
        for file, entry in artifact_named(name).manifest.entries.items():
            below = file.removeprefix(f"{inner}/" if inner else "")
            if file.startswith(f"{inner}/" if inner else ""):
                first, _, rest = below.partition("/")
                shown = f"{inner}/{first}" if inner else first
                found[shown] = FileInfo(shown, bool(rest), None if rest else entry.size)
        return [found[key] for key in sorted(found)]

    def _uri(self, path: str | None) -> str:
        return "/".join(part.strip("/") for part in (self.artifact_uri, path or "") if part)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            name, inner = split(self._uri(remote_file_path))
            download(artifact_named(name), Path(folder), inner)
            shutil.move(inside(Path(folder), inner, remote_file_path), local_path)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> NoReturn:  # noqa: ARG002
        raise MlflowException(f"{self.artifact_uri} is read-only")

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> NoReturn:  # noqa: ARG002
        raise MlflowException(f"{self.artifact_uri} is read-only")
