"""Files as they are: what their names say, how they begin, and their bytes, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from componentkit.arguments import ComponentError
from componentkit.delimited import CsvOptions

_BY_NAME: dict[str, str] = {
    ".parquet": "parquet",
    ".feather": "feather",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".xlsx": "Excel",
    ".xls": "Excel",
}
_COMPRESSED = (".gz", ".zip", ".bz2", ".xz", ".zst")
# How a file begins tells what it is, whatever it is called.
_BEGINNINGS: dict[bytes, str] = {
    b"PAR1": "parquet",
    b"ARROW1": "feather",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive",
    b"\xd0\xcf\x11\xe0": "Excel",
    b"%PDF": "PDF",
    b"version https://git-lfs": "a pointer of Git LFS",
}
NOT_READABLE = (
    *(pa.ArrowException, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
    NotImplementedError,
)
_SUFFIX = {"none": "", "gzip": ".gz", "zip": ".zip", "bz2": ".bz2", "xz": ".xz", "zstd": ".zst"}


def kind_of(path: Path, csv: CsvOptions | None) -> tuple[str, str]:
    """Returns (format, compression) by a file's name; what `csv` says comes first."""
    name = path.name.lower()
    compression = next((s for s in _COMPRESSED if name.endswith(s)), "")
    if compression == ".zip":
        name = _member(path).lower() if path.exists() and zipfile.is_zipfile(path) else name
    name = name.removesuffix(compression)
    if csv and csv.compression:
        compression = _SUFFIX[csv.compression]
    kind = next((kind for suffix, kind in _BY_NAME.items() if name.endswith(suffix)), "csv" if csv else "")
    if not kind:
        known = ", ".join(sorted(_BY_NAME))
        raise ComponentError(
            f"{path.name}: format not known; use {known}, with {', '.join(_COMPRESSED)} or without;"
            " is it a CSV? The recipe of preprocess takes csv: {separator: ','}"
        )
    return kind, compression


def _member(path: Path) -> str:
    """Returns the name of the one table in a zip archive."""
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
    names = [n for n in names if not n.startswith("__MACOSX/") and not Path(n).name.startswith(".")]
    tables = [n for n in names if n.lower().endswith(tuple(_BY_NAME))] or names
    if len(tables) != 1:
        said = f"{len(tables)} tables, {', '.join(tables[:5])}" if tables else "no file"
        raise ComponentError(
            f"{path.name}: the zip archive holds {said}: one is expected; unpack it into a folder"
        )
    return tables[0]


def opened(path: Path, compression: str) -> Any:
    """Returns the bytes of a file that is perhaps compressed, as a context."""
    match compression:
        case ".gz":
            return gzip.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".xz":
            return lzma.open(path)
        case ".zst":
            return pa.input_stream(str(path), compression="zstd")
        case ".zip":
            return zipfile.ZipFile(path).open(_member(path))
        case _:
            return path.open("rb")


def check_beginning(path: Path, kind: str, compression: str) -> None:
    """Raises ComponentError where a file begins like something else than its name says."""
    with path.open("rb") as file:
        packed = file.read(512)
    try:
        with opened(path, compression) as file:
            start = file.read(512) if compression else packed
    except NOT_READABLE as error:
        found = _kind_of_beginning(packed)
        raise ComponentError(
            f"{path.name}: it is not compressed as its name says{f', but {found}' if found else ''}"
        ) from error
    found = _kind_of_beginning(start)
    if not found or found == kind or (kind == "Excel" and found == "a zip archive"):  # as .xlsx is one
        return
    mend = ""
    if found == "HTML":
        mend = ": does the address lead to a page about the file, or one that asks to log in?"
    elif found == "a pointer of Git LFS":
        mend = ": fetch the file itself with `git lfs pull`"
    elif found in ("parquet", "feather"):
        mend = f": name it .{found}"
    elif found in ("gzip", "a zip archive"):
        mend = f": name it {path.name}{'.gz' if found == 'gzip' else '.zip'}"
    raise ComponentError(f"{path.name}: this is {found}, not {kind}{mend}")


def _kind_of_beginning(start: bytes) -> str:
    found = next((kind for magic, kind in _BEGINNINGS.items() if start.startswith(magic)), "")
    if not found and re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)\b", start, re.IGNORECASE):
        return "HTML"
    return found
