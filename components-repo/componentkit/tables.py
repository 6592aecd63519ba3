"""Tables in and out: parquet, csv, csv.gz, feather; a folder of part files reads as one table."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from componentkit.arguments import ComponentError

_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
    ".csv.gz": pd.read_csv,
    ".csv": pd.read_csv,
}
_NOT_READABLE = (pa.ArrowException, OSError, EOFError, ValueError, zlib.error)


def read_table(path: Path) -> pd.DataFrame:
    """Reads a table; a folder's files are read in the order of their names.

    Raises ComponentError that names the file when it is missing, empty, truncated, or of a format
    that is not known.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith((".", "_")))
        if not files:
            raise ComponentError(f"{path}: the folder holds no table")
        tables = [read_table(file) for file in files]
        return tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
    suffix = next((s for s in _READERS if path.name.lower().endswith(s)), None)
    if suffix is None:
        raise ComponentError(f"{path.name}: format not known; use {', '.join(sorted(_READERS))}")
    if not path.exists():
        raise ComponentError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise ComponentError(f"{path.name}: the file is empty")
    try:
        table = _READERS[suffix](path)
    except _NOT_READABLE as error:
        reason = f"cannot be read as {suffix[1:]}: {' '.join(str(error).split())}"
        raise ComponentError(f"{path.name}: {reason}") from error
    if table.empty:
        raise ComponentError(f"{path.name}: the table has no rows")
    return table


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes parquet; the same table gives the same bytes, and the index is not kept."""
    table.to_parquet(path, index=False, compression="zstd")


def require_columns(table: pd.DataFrame, columns: list[str], *, purpose: str) -> None:
    """Raises ComponentError that names every column which is not there."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        names = ("column " if len(missing) == 1 else "columns ") + ", ".join(map(repr, missing))
        raise ComponentError(f"{purpose}: {names} not in the table")
