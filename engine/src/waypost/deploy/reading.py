"""Tables of any size, read a part at a time: parquet and CSV, files, folders, globs, any fsspec URL."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from waypost.deploy.delimited import convert_options, named
from waypost.deploy.layout import Layout, TableError, check_names
from waypost.deploy.long_texts import gathered, long_texts, rows_at_once, written_out
from waypost.deploy.sink import is_here, plain
from waypost.errors import UsageError, did_you_mean, redacted

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".csv", ".csv.gz")
_BLOCK_BYTES = 1024 * 1024
_PAGE_BYTES = 64 * 1024  # read ahead of each column
_BATCH_ROWS = 8192


@dataclass(frozen=True)
class Source:
    """A file of the input. `state` tells one content from another: size, and what the store says."""

    path: str
    size: int
    state: str


class Listing:
    """The files that an input names, in the order of their names; nothing of them is read yet."""

    def __init__(self, url: str) -> None:
        """Raises UsageError where there is none."""
        import fsspec

        self.url = url
        try:
            self.fs, self.root = fsspec.core.url_to_fs(url)
            self.is_folder = bool(self.fs.isdir(self.root))
            paths = self._paths()
        except (ImportError, ValueError, OSError) as error:
            raise UsageError(f"{redacted(url)}: {error}") from error
        chosen = sorted(path for path in paths if path.endswith(SUFFIXES))
        if not chosen:
            said = "there are no tables" if paths else "there is nothing"
            raise UsageError(f"{redacted(url)}: {said} here", hint=f"tables end in {', '.join(SUFFIXES)}")
        self.sources = [self._source(path) for path in chosen]
        self.plain_fs = plain(self.fs)

    def _paths(self) -> list[str]:
        if "*" in self.root:
            return list(self.fs.glob(self.root))
        if self.is_folder:
            return [path for path in self.fs.find(self.root) if _is_visible(path, self.root)]
        return [self.root] if self.fs.exists(self.root) else []

    def _source(self, path: str) -> Source:
        info = self.fs.info(path)
        if info.get("type") == "other":  # to open a pipe is to wait for whoever writes; a device has no end
            raise UsageError(f"{path}: this is a pipe or a device, no file", hint="write the table to a file")
        told = {key: str(info[key]) for key in ("ETag", "etag", "mtime", "LastModified") if key in info}
        return Source(path, int(info.get("size") or 0), str(sorted(told.items())))

    @property
    def is_remote(self) -> bool:
        """Tells whether the files are on another machine."""
        return not is_here(self.fs)

    def would_hold(self, folder: str) -> bool:
        """Tells whether parts in a folder would be among the files that a pattern names."""
        from fsspec.utils import glob_translate

        if "*" not in self.root:
            return False
        pattern = re.compile(glob_translate(self.root))
        return any(pattern.match(f"{folder.rstrip('/')}/part-00000{suffix}") for suffix in SUFFIXES)


@dataclass
class Input:
    """What is read of files: the model's columns and the `carried` ones.

    With `lenient`, a CSV's values are left as text, so that a wrong one costs one row and not a block;
    `malformed` gets the lines that have another number of values than the header. Of a Parquet file
    `batch_rows` are read at once. `current` is the name of the file that is being read.
    """

    files: Listing
    layout: Layout
    carried: Sequence[str] = ()
    lenient: bool = False
    malformed: list[str] = field(default_factory=list)
    batch_rows: int = _BATCH_ROWS
    current: str = ""

    @property
    def sources(self) -> list[Source]:
        """The files, in the order of their names."""
        return self.files.sources

    def rows(self) -> int | None:
        """Returns how many rows there are, None where only reading would tell."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not all(source.path.endswith(".parquet") for source in self.sources):
            return None
        total = 0
        for source in self.sources:
            try:
                with self._opened(source) as file:
                    total += pq.read_metadata(file).num_rows
            except (pa.ArrowException, OSError) as error:
                raise TableError(f"{_name(source)}: cannot be read: {error}") from error
        return total

    def digest(self, source: Source) -> str:
        """Returns the sha256 of a file; of one on another machine, what its store says of its content."""
        if self.files.is_remote:
            return f"{source.size} bytes, {source.state}"
        with open(source.path, "rb") as file:  # noqa: PTH123 (fsspec's paths are texts)
            return hashlib.file_digest(file, "sha256").hexdigest()

    def batches(self) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Gives (rows, bytes of the input that were read until here), in order.

        Raises TableError that names file and column.
        """
        done = 0
        for source in self.sources:
            self.current = _name(source)
            try:
                if source.path.endswith(".parquet"):
                    for batch, share in self._parquet(source):
                        yield batch, done + int(source.size * share)
                else:
                    for batch, read in self._csv(source):
                        yield batch, done + read
            except TableError as error:
                raise TableError(f"{_name(source)}: {error}", column=error.column, hint=error.hint) from error
            done += source.size

    def _opened(self, source: Source) -> Any:
        import pyarrow as pa

        if self.files.is_remote:
            return pa.PythonFile(self.files.fs.open(source.path, "rb"), mode="r")
        return pa.OSFile(source.path)

    def _wanted(self, names: Sequence[str]) -> list[str]:
        """Returns the columns to read. Raises TableError, UsageError where one is missing."""
        check_names(names, self.layout)
        for name in self.carried:
            if name not in names:
                raise UsageError(f"--id {name}: no such column", hint=did_you_mean(name, names))
        wanted = self.layout.names | set(self.carried)
        return [name for name in names if name in wanted]

    def _parquet(self, source: Source) -> Iterator[tuple[pa.RecordBatch, float]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Pages are read as they are needed: a row group can be larger than what the memory may hold.
        with self._opened(source) as opened:
            try:
                ask = partial(pq.ParquetFile, opened, buffer_size=_PAGE_BYTES, pre_buffer=False)
                file = ask()
                columns = self._wanted(file.schema_arrow.names)
                texts = {name for name in columns if _is_text(file.schema_arrow.field(name).type)}
                if long := long_texts(file.metadata, ask, texts, self.batch_rows):
                    file = ask(metadata=file.metadata, read_dictionary=long)
                total = max(file.metadata.num_rows, 1)
                rows = 0
                most = rows_at_once(file.metadata, columns, self.batch_rows)
                read = (
                    written_out(batch, long)
                    for batch in file.iter_batches(most, columns=columns, use_threads=False)
                )
                for batch in read if most == self.batch_rows else gathered(read, self.batch_rows):
                    rows += batch.num_rows
                    yield batch, rows / total
            except (pa.ArrowException, OSError) as error:
                raise TableError(f"cannot be read: {error}") from error

    def _csv(self, source: Source) -> Iterator[tuple[pa.RecordBatch, int]]:
        import pyarrow as pa
        from pyarrow import csv

        names = self._header(source)
        columns = self._wanted(names)
        as_text = set(columns) if self.lenient else set(self.carried) - self.layout.names
        with self._opened(source) as opened:
            stream = pa.CompressedInputStream(opened, "gzip") if source.path.endswith(".gz") else opened
            try:
                reader = csv.open_csv(
                    stream,
                    read_options=csv.ReadOptions(block_size=_BLOCK_BYTES),
                    parse_options=csv.ParseOptions(
                        newlines_in_values=True, invalid_row_handler=self._handler()
                    ),
                    convert_options=convert_options(self.layout, columns, as_text=as_text),
                )
                for batch in reader:
                    yield batch, opened.tell()
            except pa.ArrowInvalid as error:
                found = named(error, names)
                if isinstance(found, TableError):
                    raise found from error
                raise TableError(f"cannot be read: {error}") from error

    def _handler(self) -> Any:
        if not self.lenient:
            return None

        def skip(row: Any) -> str:
            self.malformed.append(row.text)
            return "skip"

        return skip

    def _header(self, source: Source) -> list[str]:
        import pyarrow as pa
        from pyarrow import csv

        with self._opened(source) as opened:
            stream = pa.CompressedInputStream(opened, "gzip") if source.path.endswith(".gz") else opened
            try:
                with csv.open_csv(
                    stream,
                    parse_options=csv.ParseOptions(
                        newlines_in_values=True, invalid_row_handler=lambda _: "skip"
                    ),
                ) as reader:
                    return list(reader.schema.names)
            except pa.ArrowInvalid as error:
                raise TableError(f"cannot be read: {error}") from error


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _name(source: Source) -> str:
    return PurePosixPath(source.path).name


def _is_visible(path: str, root: str) -> bool:
    """Tells whether no part of a path below the root begins with a dot or an underscore."""
    return not any(part.startswith((".", "_")) for part in path.removeprefix(root).split("/"))
