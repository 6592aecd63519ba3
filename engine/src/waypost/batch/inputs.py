"""The files of an input: one, a folder or a glob of them, local or behind any URL that fsspec opens. The
suffix of a file gives its format: `.parquet`, `.csv`, `.tsv`, `.jsonl`, in any case; text formats may be
compressed. Folders called NAME=VALUE are columns, as Hive and Spark write them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote

from waypost.batch.sink import is_here, plain
from waypost.errors import UsageError, WaypostError, redacted

Form = Literal["parquet", "csv", "tsv", "jsonl"]
_FORMS: dict[str, Form] = {
    "parquet": "parquet",
    "csv": "csv",
    "tsv": "tsv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}
_PACKINGS = {"gz": "gzip", "bz2": "bz2", "zst": "zstd"}
_TOLD = "tables end in .parquet, .csv, .tsv, .jsonl or .ndjson; texts also in .gz, .bz2 or .zst after that"
_MAGIC = re.compile(r"[*?[]")
_DIGEST_BYTES = 1 << 18
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
# Files of a scoring that could be taken for input tables.
_WRITTEN = ("part-00000.parquet", "part-00000.csv", "_errors/part-00000.jsonl")


@dataclass(frozen=True)
class InputFile:
    """A file of the input. `state` changes with the content: size, and the store's version of it; `name` is
    its name in messages.
    """

    path: str
    size: int
    state: str
    name: str = ""

    @cached_property
    def form(self) -> Form:
        """The file's format."""
        found = _form_of(self.path)
        assert found  # noqa: S101 (a listing has only tables)
        return found[0]

    @property
    def packing(self) -> str | None:
        """Arrow's name of the file's compression, or None."""
        found = _form_of(self.path)
        return found[1] if found else None

    @cached_property
    def folders(self) -> dict[str, str | None]:
        """The columns of the folders above it: the same value in each row."""
        return folder_values(self.path)


def _form_of(path: str) -> tuple[Form, str | None] | None:
    """Returns (format, compression) by a file's name, or None if it is not a table."""
    parts = path.rpartition("/")[2].lower().split(".")
    packing = _PACKINGS.get(parts[-1])
    form = _FORMS.get(parts[-2] if packing and len(parts) > 1 else parts[-1]) if len(parts) > 1 else None
    if form is None or (form == "parquet" and packing):
        return None
    return form, packing


def folder_values(path: str) -> dict[str, str | None]:
    """Returns the values of the folders NAME=VALUE of a path, None for Hive's null."""
    pairs = (part.split("=", 1) for part in path.split("/")[:-1] if "=" in part)
    return {unquote(name): None if value == _NO_VALUE else unquote(value) for name, value in pairs}


class Listing:
    """The files of an input, ordered by path; none is read yet."""

    def __init__(self, url: str) -> None:
        """Raises UsageError if there are no files."""
        import fsspec

        self.url = url
        try:
            self.fs, self.root = fsspec.core.url_to_fs(url)
            self.is_folder = bool(self.fs.isdir(self.root))
            # A file with a name that looks like a pattern is that file.
            self.is_pattern = not self.is_folder and _looks_so(self.root) and not self.fs.exists(self.root)
            paths = sorted(self._paths())
        except (ImportError, ValueError, OSError) as error:
            raise UsageError(f"{redacted(url)}: {error}") from error
        chosen = [path for path in paths if _form_of(path)]
        if not chosen:
            problem = "there are no tables" if paths else "there is nothing"
            raise UsageError(f"{redacted(url)}: {problem} here", hint=_TOLD)
        self.sources = [self._source(path) for path in chosen]
        self.plain_fs = plain(self.fs)

    @classmethod
    def of(cls, url: str, sources: Iterable[InputFile]) -> Listing:
        """Returns an earlier listing, possibly of another machine, without listing again."""
        import fsspec

        listing = cls.__new__(cls)
        listing.url = url
        listing.fs, listing.root = fsspec.core.url_to_fs(url)
        listing.is_folder = listing.is_pattern = False
        listing.sources = list(sources)
        listing.plain_fs = plain(listing.fs)
        return listing

    def _paths(self) -> set[str]:
        if self.is_folder:
            return set(_below(self.fs, self.root))
        if not self.is_pattern:
            return {self.root} if self.fs.exists(self.root) else set()
        found: set[str] = set()
        for path, info in self.fs.glob(self.root, detail=True).items():
            found.update(_below(self.fs, path) if info.get("type") == "directory" else [path])
        return found

    def _source(self, path: str) -> InputFile:
        info = self.fs.info(path)
        if info.get("type") == "other":  # opening a pipe waits for its writer; a device has no end
            raise UsageError(f"{path}: a pipe or a device, not a file", hint="write the table to a file")
        facts = {key: str(info[key]) for key in ("ETag", "etag", "mtime", "LastModified") if key in info}
        return InputFile(path, int(info.get("size") or 0), str(sorted(facts.items())), self._name(path))

    def _name(self, path: str) -> str:
        """Returns a file's path below the common folder of all files, or its name if it is the only one."""
        fixed = self.root
        if self.is_pattern:
            fixed = self.root[: _MAGIC.search(self.root).start()].rpartition("/")[0]  # type: ignore[union-attr]
        below = path.removeprefix(fixed).lstrip("/")
        return below or PurePosixPath(path).name

    @property
    def is_remote(self) -> bool:
        """Whether the files are on another machine."""
        return not is_here(self.fs)

    def digest(self, source: InputFile, is_dropped: Callable[[], bool] = lambda: False) -> str:
        """Returns the sha256 of a local file, or the store's version of a remote one; "" if dropped."""
        if self.is_remote:
            return f"{source.size} bytes, {source.state}"
        try:
            with open(source.path, "rb") as file:  # noqa: PTH123 (fsspec's paths are strings)
                found = hashlib.sha256()
                while block := file.read(_DIGEST_BYTES):
                    if is_dropped():
                        return ""
                    found.update(block)
                return found.hexdigest()
        except OSError as error:
            raise WaypostError(f"{source.name}: cannot be read: {error}") from error

    def has_changed(self, source: InputFile) -> bool:
        """Returns whether a local file is another than when it was listed, or is not there any more."""
        if self.is_remote:
            return False
        try:
            return self._source(source.path) != source
        except OSError:
            return True

    def would_hold(self, folder: str) -> bool:
        """Returns whether the pattern of the input would match parts in a folder."""
        from fsspec.utils import glob_translate

        if not self.is_pattern:
            return False
        pattern = re.compile(glob_translate(self.root))
        place = PurePosixPath(folder.rstrip("/"))
        written = [str(place / name) for name in _WRITTEN]
        return any(map(pattern.match, [str(place), *map(str, place.parents), *written]))


def _looks_so(path: str) -> bool:
    return bool(_MAGIC.search(path))


def _below(fs: Any, root: str) -> Iterator[str]:
    """Yields the files below a folder, without hidden ones."""
    return (path for path in fs.find(root) if _is_visible(path, root))


def _is_visible(path: str, root: str) -> bool:
    """Returns whether no name in a path below the root begins with a dot or an underscore."""
    return not any(part.startswith((".", "_")) for part in path.removeprefix(root).split("/"))
