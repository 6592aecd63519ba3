"""Where results go: files appear whole or not at all, on this machine or by fsspec."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from waypost.errors import UsageError, WaypostError, redacted
from waypost.sources.process import is_alive

_HALF_WRITTEN = re.compile(r"\.(?:part-\d+|_plan|_manifest|malformed)\.[a-z]+\.(\d+)")


class Sink:
    """A folder for results, on this machine or behind a URL."""

    def __init__(self, url: str) -> None:
        import fsspec

        self.url = url
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UsageError(f"{redacted(url)}: {error}") from error
        self._is_local = "file" in self._fs.protocol

    def names(self) -> set[str]:
        """Returns the names of the files that are there, below folders too; none half-written."""
        if not self._fs.isdir(self._root):
            if self._fs.exists(self._root):
                raise UsageError(f"{redacted(self.url)}: this is a file; results are a folder")
            return set()
        self._fs.invalidate_cache()
        found = {path.removeprefix(self._root).lstrip("/") for path in self._fs.find(self._root)}
        return {name for name in found if not name.rpartition("/")[2].startswith(".")}

    def write(self, name: str, content: Any) -> str:
        """Writes a file (bytes, or what gives a buffer) and returns its sha256 (hex)."""
        view = memoryview(content)
        path = f"{self._root}/{name}"
        try:
            if self._is_local:
                file = Path(path)
                file.parent.mkdir(parents=True, exist_ok=True)
                new = file.with_name(f".{file.name}.{os.getpid()}")
                new.write_bytes(view)
                new.replace(file)
            else:
                self._fs.pipe_file(path, bytes(view))  # object stores show a file when it is whole
        except OSError as error:
            raise WaypostError(f"{redacted(self.url)}/{name}: cannot be written: {error}") from error
        return hashlib.sha256(view).hexdigest()

    def read(self, name: str) -> bytes:
        """Returns a file's content."""
        return bytes(self._fs.cat_file(f"{self._root}/{name}"))

    def remove(self, name: str) -> None:
        """Removes a file."""
        self._fs.rm_file(f"{self._root}/{name}")

    def sweep(self) -> None:
        """Removes what processes that are gone left half-written."""
        if not self._is_local:
            return
        for file in Path(self._root).glob("**/.*.*"):
            owner = _HALF_WRITTEN.fullmatch(file.name)
            if owner and not is_alive(int(owner[1])):
                file.unlink(missing_ok=True)
