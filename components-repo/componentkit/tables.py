"""Tables in and out: parquet, csv, tsv, JSON lines, feather, Excel; a folder of parts reads as one table."""

from __future__ import annotations

import difflib
import io
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from componentkit.arguments import ComponentError
from componentkit.delimited import CsvOptions, read_csv
from componentkit.files import NOT_READABLE, check_beginning, kind_of, opened

_MOST_NAMES = 30
_NO_OBJECTS = 'a line is no object: JSON lines have one row a line, such as {"amount": 1.5}'
_MOST_READS = 32  # of a Parquet file: each looks at its footer again
_WORKBOOKS = {b"PK": "openpyxl", b"\xd0\xcf\x11\xe0": "xlrd"}


def read_table(
    path: Path, csv: CsvOptions | None = None, tell: Callable[[str], None] = print
) -> pd.DataFrame:
    """Reads a table; a folder's files are read in the order of their names, `year=2024/` becomes a column.

    `tell` hears what the user should know. Raises ComponentError that names the file when it is missing,
    empty, truncated, of a format that is not known, or not what `csv` says.
    """
    if path.is_dir():
        return _folder(path, csv, tell)
    if not path.exists():
        raise ComponentError(f"{path}: no such file")
    kind, compression = kind_of(path, csv)
    if path.stat().st_size == 0:
        raise ComponentError(f"{path.name}: the file is empty")
    check_beginning(path, kind, compression)
    try:
        table = _read(path, kind, compression, csv or CsvOptions(), lambda text: tell(f"{path.name}: {text}"))
    except NOT_READABLE as error:
        raise ComponentError(
            f"{path.name}: cannot be read as {kind}: {' '.join(str(error).split())}"
        ) from error
    except ComponentError as error:
        raise ComponentError(f"{path.name}: {error}") from error
    return _sound(table, path.name, tell)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Writes parquet; the same table gives the same bytes, and the index is not kept."""
    if twice := sorted(set(table.columns[table.columns.duplicated()])):
        raise ComponentError(f"column {twice[0]!r} would be there twice")
    try:
        table.to_parquet(path, index=False, compression="zstd")
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise ComponentError(f"the table cannot be written: {' '.join(str(error).split())}") from error


def require_columns(table: pd.DataFrame, columns: list[str], *, purpose: str) -> None:
    """Raises ComponentError that names what is not there, what looks like it, and all there is."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        names = ("column " if len(missing) == 1 else "columns ") + ", ".join(map(repr, missing))
        raise ComponentError(f"{purpose}: {names} not in the table{near(missing[0], table.columns)}")


def with_unit(name: object, table: pd.DataFrame) -> str:
    """Returns a column's name with the unit that the recipe of preprocess gave it, such as "amount (EUR)"."""
    unit = dict(table.attrs.get("units", {})).get(str(name))
    return f"{name} ({unit})" if unit else str(name)


def near(name: str, columns: Iterable[Any]) -> str:
    """Returns what a name that is not there may have meant, and what is there."""
    there = [str(column) for column in columns]
    folded = {column.lower().strip(): column for column in there}
    close = difflib.get_close_matches(name.lower().strip(), folded, n=1)
    hint = f"; did you mean {folded[close[0]]!r}?" if close else ""
    more = f" and {len(there) - _MOST_NAMES} more" if len(there) > _MOST_NAMES else ""
    return f"{hint} (it has {', '.join(there[:_MOST_NAMES])}{more})"


def _read(
    path: Path, kind: str, compression: str, options: CsvOptions, tell: Callable[[str], None]
) -> pd.DataFrame:
    if kind in ("csv", "tsv"):
        return read_csv(
            lambda: opened(path, compression), options, default="," if kind == "csv" else "\t", tell=tell
        )
    with opened(path, compression) as file:
        if kind == "Excel":
            return _excel(file, tell)
        source = io.BytesIO(file.read()) if compression else file
        if kind == "parquet":
            return _parquet(source)
        if kind == "feather":
            return pd.read_feather(source)
        # Values stay what JSON says: "007" is a text, and a text with a date in it, too.
        table = pd.read_json(source, lines=True, dtype=False, precise_float=True)
    if isinstance(table.columns, pd.RangeIndex) and len(table.columns):
        raise ComponentError(_NO_OBJECTS)
    return table


def _parquet(file: Any) -> pd.DataFrame:
    """Returns a table that is read some columns at a time: Arrow keeps the memory of what it has given away,
    and would hold a second copy of all of it. What has an index, or names that could mean several columns, is
    read at once.
    """
    schema = parquet.read_schema(file)
    names = list(schema.names)
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    is_plain = len(set(names)) == len(names) and not any("." in name for name in names)
    if not names or not is_plain or not all(isinstance(each, dict) for each in index):
        return _read_parquet(file)
    step = math.ceil(len(names) / _MOST_READS)
    parts = [_read_parquet(file, names[start : start + step]) for start in range(0, len(names), step)]
    return pd.concat(parts, axis=1)


def _read_parquet(file: Any, names: list[str] | None = None) -> pd.DataFrame:
    file.seek(0)
    return pd.read_parquet(file, columns=names)


def _excel(file: Any, tell: Callable[[str], None]) -> pd.DataFrame:
    """Returns the first sheet of a workbook that is not empty; `tell` hears of others."""
    content = file.read()
    package: Any = next((name for magic, name in _WORKBOOKS.items() if content.startswith(magic)), "")
    if not package:
        raise ValueError("no workbook begins so")
    try:
        with pd.ExcelFile(io.BytesIO(content), engine=package) as book:
            sheets = {str(name): pd.read_excel(book, sheet_name=name) for name in book.sheet_names}
    except ImportError as error:
        raise ComponentError(
            f"{package}, which reads this kind of Excel, is not in this environment: save it as .xlsx or CSV"
        ) from error
    except KeyError as error:  # a zip archive of another kind
        raise ValueError(f"no workbook: {error.args[0]}") from error
    full = [name for name, sheet in sheets.items() if not sheet.empty] or list(sheets)
    if len(full) > 1:
        others = ", ".join(map(repr, full[1:6])) + (" …" if len(full) > 6 else "")
        tell(f"sheet {full[0]!r} is read, {others} not")
    return sheets[full[0]]


def _sound(table: pd.DataFrame, name: str, tell: Callable[[str], None]) -> pd.DataFrame:
    """Returns a table with its columns by name. Raises ComponentError where it has none, or no rows."""
    if twice := sorted(set(map(str, table.columns[table.columns.duplicated()]))):
        raise ComponentError(f"{name}: column {twice[0]!r} is there twice: name them apart")
    if not isinstance(table.index, pd.RangeIndex):
        named = [str(each) for each in table.index.names if each is not None]
        if named and not set(named) & set(table.columns):
            tell(f"{name}: the index {', '.join(named)} is read as a column")
            table = table.reset_index()
        else:
            tell(f"{name}: the index of the table has no name and is left out")
            table = table.reset_index(drop=True)
    elif not table.index.equals(pd.RangeIndex(len(table))):
        table = table.reset_index(drop=True)
    table.columns = table.columns.map(str)
    nameless = [column for column in table if re.fullmatch(r"Unnamed: \d+|__index_level_\d+__", str(column))]
    if nameless:
        tell(f"{name}: column {nameless[0]!r} has no name in the file; is it an index? drop leaves it out")
    if table.empty:
        raise ComponentError(f"{name}: the table has no rows")
    return table


def _folder(path: Path, csv: CsvOptions | None, tell: Callable[[str], None]) -> pd.DataFrame:
    files = sorted(_files(path), key=lambda file: file.relative_to(path).as_posix())
    if not files:
        raise ComponentError(f"{path}: the folder holds no table")
    tables: list[pd.DataFrame] = []
    for file in files:
        table = read_table(file, csv, tell)
        for part in file.relative_to(path).parts[:-1]:
            key, _, value = part.partition("=")
            table[key] = None if value == "__HIVE_DEFAULT_PARTITION__" else _hive(unquote(value))
        if tables and set(table) != set(tables[0]):
            other = sorted(set(map(str, table)) ^ set(map(str, tables[0])))
            lacks = file.name if other[0] in tables[0] else files[0].name
            tell(f"{lacks} has no column {other[0]!r}, which other files have: it is missing there")
        tables.append(table)
    return tables[0] if len(tables) == 1 else _joined(tables)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Returns the rows of all tables, as `pd.concat` does; they give up each column that is joined, so that
    there is no second copy of everything.
    """
    units = tables[0].attrs if all(table.attrs == tables[0].attrs for table in tables) else {}
    columns: dict[Any, pd.Series] = {}
    for name in dict.fromkeys(column for table in tables for column in table):
        pieces = [table[[name]] if name in table else table[[]] for table in tables]
        columns[name] = pd.concat(pieces, ignore_index=True)[name]
        del pieces
        for table in tables:
            if name in table:
                del table[name]
    result = pd.DataFrame(columns, copy=False)
    result.attrs = dict(units)
    return result


def _files(folder: Path) -> Iterable[Path]:
    """Gives the files of a folder, and of those below it that say which part they are (`year=2024`)."""
    for entry in folder.iterdir():
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir() and "=" in entry.name:
            yield from _files(entry)
        elif entry.is_file():
            yield entry


def _hive(value: str) -> int | str:
    return int(value) if re.fullmatch(r"0|-?[1-9]\d{0,17}", value) else value
