"""The dialect of a CSV: separator, decimal sign and encoding.

What is not given is inferred from the beginning of a file: by the names of the requested columns, not by the
frequency of characters.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections.abc import Collection, Iterable

from pydantic import BaseModel, ConfigDict

from waypost.inference.layout import TableError
from waypost.inference.limits import MIB

SAMPLE_BYTES = MIB
"""Bytes from the beginning of a file to infer from; Arrow requires that they include the header."""
SEPARATORS = (",", ";", "\t", "|")
_ROWS = 1000  # rows of the sample, to find the decimal sign
_BOMS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# The encoding of spreadsheet programs in the west; a superset of latin-1's printable characters.
_OTHERWISE = "cp1252"
_COMMA = re.compile(r"\s*[+-]?\d+,\d+(?:[eE][+-]?\d+)?\s*")


class Dialect(BaseModel):
    """The format of a CSV's values."""

    model_config = ConfigDict(frozen=True)

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"

    def __str__(self) -> str:
        separator = "tab" if self.separator == "\t" else repr(self.separator)
        return f"--separator {separator} --decimal {self.decimal!r} --encoding {self.encoding}"


class RequestedDialect(BaseModel):
    """The requested dialect; None is inferred."""

    model_config = ConfigDict(frozen=True)

    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None


def guessed(
    sample: bytes,
    asked: RequestedDialect,
    names: Collection[str],
    numbers: Collection[str],
    *,
    usual: str = ",",
) -> Dialect:
    """Returns the dialect of a file that begins with a sample.

    Args: `names` are the requested columns, `numbers` the numeric ones among them; `usual` is the default
    separator. Raises TableError.
    """
    encoding = asked.encoding or _encoding(sample)
    text = decoded(sample, encoding)
    separator = asked.separator or _separator(text, names, usual)
    decimal = asked.decimal or ("." if separator == "," else _decimal(text, separator, numbers))
    return Dialect(separator=separator, decimal=decimal, encoding=encoding)


def decoded(sample: bytes, encoding: str) -> str:
    """Returns the text of a sample, without a character that its end has cut. Raises TableError."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeError as error:
        raise TableError(f"not valid {encoding}: {error}", hint="name its encoding: --encoding") from error
    return text.removeprefix("\ufeff")


def names_in(lines: Iterable[str], separator: str = ",") -> list[str]:
    """Returns the names of a CSV's columns, none if it has no header. Raises TableError."""
    try:
        return next((row for row in csv.reader(lines, delimiter=separator) if row), [])
    except csv.Error as error:
        raise TableError(f"the header cannot be read: {error}") from error


def _encoding(sample: bytes) -> str:
    for mark, name in _BOMS.items():
        if sample.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeError:
        return _OTHERWISE
    return "utf-8"


def _separator(text: str, names: Collection[str], usual: str) -> str:
    """Returns the character that separates most of the names."""
    wanted = set(names)

    def found(separator: str) -> int:
        try:
            return len(wanted.intersection(names_in(_lines(text), separator)))
        except TableError:
            return 0

    return max((usual, *SEPARATORS), key=found)  # the first of equal ones


def _decimal(text: str, separator: str, numbers: Collection[str]) -> str:
    """Returns a comma if some number is written with one, and none with a point."""
    values: list[str] = []
    with contextlib.suppress(csv.Error):  # the reader of the rows reports what is wrong
        rows = itertools.islice(csv.reader(_lines(text), delimiter=separator), _ROWS)
        places = [place for place, name in enumerate(next(rows, [])) if name in numbers]
        values.extend(row[place] for row in rows for place in places if place < len(row))
    has_commas = any(_COMMA.fullmatch(value) for value in values)
    return "," if has_commas and not any("." in value for value in values) else "."


def _lines(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")
