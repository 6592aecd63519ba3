"""A build folder: written completely or not at all, and replaced only if it is unchanged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from waypost.errors import UsageError, WaypostError
from waypost.images.identity import Identity
from waypost.sources.files import content_digest

MANIFEST = "image.json"
_ELSE = "choose another folder: -o DIR, or move it away"

Content = bytes | Path
"""The content of a file: bytes, or the file that has them."""


class Manifest(BaseModel):
    """Content of a build folder: sha256 (hex) of each other file, by path. Written last."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    engine: str
    python: str
    model: Identity
    is_compiled: bool
    is_trusted: bool
    files: dict[str, str]

    def text(self) -> bytes:
        return self.model_dump_json(indent=1, by_alias=True).encode() + b"\n"


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Raises UsageError if a folder holds other files than `waypost image` wrote there, or these without
    `overwrite`.
    """
    if not folder.is_dir():
        if folder.exists() or folder.is_symlink():
            raise UsageError(f"{folder}: not a folder", hint=_ELSE)
        return
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not _is_plain(path)}
    if not there:
        return
    listed = _manifest_in(folder).files
    for name, path in sorted(there.items()):
        if name != MANIFEST and name not in listed:
            raise UsageError(f"{folder}: not empty, it has {name}", hint=_ELSE)
        if path.is_symlink() or (name != MANIFEST and content_digest(path) != listed[name]):
            raise UsageError(f"{path}: changed since it was written", hint=_ELSE)
    if not overwrite:
        raise UsageError(f"{folder}: already has an image", hint="replace it: --overwrite")


def _is_plain(path: Path) -> bool:
    """Returns whether a path is a real folder, which only its files make occupied."""
    return path.is_dir() and not path.is_symlink()


def _manifest_in(folder: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        name = min(path.name for path in folder.iterdir())
        raise UsageError(f"{folder}: not empty, it has {name}", hint=_ELSE) from error


def write(folder: Path, files: Mapping[str, Content], manifest: Manifest) -> None:
    """Writes files into a folder that is free or to be replaced. Raises WaypostError if that fails."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temp:
            new, old = Path(temp, "new"), Path(temp, "old")
            for name, content in {**files, MANIFEST: manifest.text()}.items():
                _put(new / name, content)
            for each in (
                new,
                *new.rglob("*"),
            ):  # whatever the umask is: in the image, another user reads them
                each.chmod(0o755 if each.is_dir() else 0o644)
            if not folder.exists():
                new.rename(folder)
                return
            old.mkdir()
            _moved(folder, old)  # a shell may be in the folder, so the folder itself stays
            _moved(new, folder)
    except OSError as error:
        raise WaypostError(f"{folder}: cannot be written: {error}") from error


def _moved(source: Path, target: Path) -> None:
    """Moves the content of a folder into another one, the manifest last."""
    for path in sorted(source.iterdir(), key=lambda path: path.name == MANIFEST):
        path.rename(target / path.name)


def _put(file: Path, content: Content) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        shutil.copyfile(content, file)
