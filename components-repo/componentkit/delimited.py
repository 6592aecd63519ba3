"""CSV and its relatives: how one is written may be said, and a wrong guess is told with what mends it."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from componentkit.arguments import ComponentError

_SEPARATORS = (";", "\t", "|", ",")
_WORDS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Numbers with other signs, which options read them: 1,5 and 1.200,5; 1,200 and 1 200.
_NUMBERS = (
    (r"[-+]?(\d{1,3}(,\d{3})+)(\.\d+)?", "thousands", ","),
    (r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+", "decimal", ","),
    (r"[-+]?\d{1,3}( \d{3})+(\.\d+)?", "thousands", " "),
)
_SAMPLE = 1000
_EXPECTED = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")

Open = Callable[[], AbstractContextManager[IO[bytes]]]
"""Opens the bytes of a file, from their beginning and not compressed."""


class CsvOptions(BaseModel):
    """How a CSV is written. What is left out: commas, points, UTF-8, compressed as its name says."""

    model_config = ConfigDict(extra="forbid")

    separator: str | None = Field(default=None, min_length=1)
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    thousands: Literal[".", ",", " ", "'", "_"] | None = None
    na_values: list[str] = []
    quote: str = Field(default='"', max_length=1)
    compression: Literal["none", "gzip", "zip", "bz2", "xz", "zstd"] | None = None

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        found = _WORDS.get(value or "", value)
        if found is not None and len(found) != 1:
            raise ValueError(f"{value!r} is not one character; tab is written as tab")
        return found

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError as error:
            raise ValueError(
                f"{value!r} is no encoding that Python knows, such as utf-8 or latin-1"
            ) from error
        return value


def read_csv(
    opened: Open, options: CsvOptions, *, default: str = ",", tell: Callable[[str], None] = print
) -> pd.DataFrame:
    """Returns a CSV's rows as pandas reads them; `default` parts its values unless the options say otherwise.

    `tell` hears of what is likely another way to write one.

    Raises ComponentError that says what is not as it was said or guessed.
    """
    separator = options.separator or default
    how: dict[str, Any] = {
        "sep": separator,
        "index_col": False,  # else the first of more values than names would become an index
        "decimal": options.decimal,
        "thousands": options.thousands,
        "encoding": options.encoding,
        "na_values": options.na_values or None,
        **({"quotechar": options.quote} if options.quote else {"quoting": csv.QUOTE_NONE}),
    }
    try:
        _check_header(_header(opened, options), separator, options)
        with warnings.catch_warnings(), opened() as file:
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table: pd.DataFrame = pd.read_csv(file, **how)
    except pd.errors.DtypeWarning:  # a column was numbers in one piece and text in another: look at all of it
        with opened() as file:
            table = pd.read_csv(file, low_memory=False, **how)
    except pd.errors.ParserWarning as error:
        raise ComponentError(
            "the rows have more values than the header has names: name each column"
        ) from error
    except UnicodeError as error:
        raise ComponentError(_other_encoding(opened, options)) from error
    except pd.errors.ParserError as error:
        raise ComponentError(_uneven(str(error), separator)) from error
    except pd.errors.EmptyDataError as error:
        raise ComponentError("the file is empty") from error
    for doubt in _doubts(table, options):
        tell(doubt)
    if options.encoding.lower().startswith(("latin", "windows", "cp", "iso")) and _is_utf_8(opened):
        tell(f"the bytes are those of UTF-8: is {options.encoding} right?")
    return table


def _doubts(table: pd.DataFrame, options: CsvOptions) -> Iterator[str]:
    """Gives the columns of text that are likely numbers, written with other signs."""
    for name in table.select_dtypes(include=["object", "str"]):
        texts = table[name].dropna().head(_SAMPLE).astype("str")
        for form, option, sign in _NUMBERS:
            said = options.decimal if option == "decimal" else options.thousands
            if said != sign and len(texts) and texts.str.fullmatch(form).all():
                mend = f"csv: {{{option}: {sign!r}}} in the recipe of preprocess reads them"
                yield f"column {name!r} is text such as {texts.iloc[0]!r}: are these numbers? {mend}"
                break


def _is_utf_8(opened: Open) -> bool:
    """Tells whether bytes are UTF-8 and not plain ASCII."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_plain = True
    try:
        with opened() as file:
            while piece := file.read(1 << 20):
                is_plain = is_plain and piece.isascii()
                decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return not is_plain


def _header(opened: Open, options: CsvOptions) -> str:
    """Returns the first line that says something."""
    with opened() as file, io.TextIOWrapper(file, encoding=options.encoding, newline=None) as lines:
        return next((line.rstrip("\n").removeprefix("\ufeff") for line in lines if line.strip()), "")


def _check_header(line: str, separator: str, options: CsvOptions) -> None:
    how = {"quotechar": options.quote} if options.quote else {"quoting": csv.QUOTE_NONE}
    names = next(csv.reader([line], delimiter=separator, **how), [])
    twice = [name for at, name in enumerate(names) if name and name in names[:at]]
    if twice:
        places = ", ".join(str(at) for at, name in enumerate(names, 1) if name == twice[0])
        raise ComponentError(
            f"column {twice[0]!r} is there {names.count(twice[0])} times ({places}): name them apart"
        )
    others = [sign for sign in _SEPARATORS if sign != separator and sign in line]
    if len(names) == 1 and others and not line.startswith(options.quote or "\0"):
        said = "tab" if others[0] == "\t" else others[0]
        raise ComponentError(
            f"the table has one column {names[0]!r}: is the separator {said!r}?"
            f" The recipe of preprocess takes csv: {{separator: {said!r}}}"
        )


def _other_encoding(opened: Open, options: CsvOptions) -> str:
    """Returns where a file is not in its encoding, and which one it may be in."""
    guess = "latin-1"
    place = ""
    with opened() as file:
        for number, line in enumerate(_lines(file), 1):
            if number == 1 and line.startswith(_UTF_16):
                guess, place = "utf-16", " at line 1"
                break
            if not place and not _is_in(line, options.encoding):
                place = f" at line {number:,}"
            if any(0x80 <= byte <= 0x9F for byte in line) and place:
                guess = "windows-1252"
                break
    said = "UTF-8" if options.encoding.lower() in ("utf-8", "utf8") else options.encoding
    return f"not {said}{place}: is it {guess}? The recipe of preprocess takes csv: {{encoding: {guess}}}"


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(1 << 20):
        yield line


def _is_in(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeError:
        return False
    return True


def _uneven(message: str, separator: str) -> str:
    """Returns what pandas says of a line with more values than the header has names."""
    if hit := _EXPECTED.search(message):
        expected, line, found = hit.groups()
        return (
            f"line {int(line):,} has {found} values, the lines before have {expected}: is there"
            f" a {separator!r} in a text that is not quoted, or a line before the header?"
        )
    return " ".join(message.split())
