"""How a CSV is written: what is asked for decides, then the names of the model's columns and the values."""

from __future__ import annotations

import pytest

from waypost.inference.dialect import Dialect, RequestedDialect, guessed
from waypost.inference.layout import TableError

NAMES, NUMBERS = {"größe", "preis", "ort"}, {"größe", "preis"}


def dialect(text: str, *, encoding: str = "utf-8", usual: str = ",", **asked: str) -> Dialect:
    return guessed(text.encode(encoding), RequestedDialect(**asked), NAMES, NUMBERS, usual=usual)


@pytest.mark.parametrize(
    ("text", "separator", "decimal"),
    [
        ("größe,preis,ort\n1.5,2,x\n", ",", "."),
        ("größe;preis;ort\n1,5;2;x\n", ";", ","),
        ("größe;preis;ort\n1.5;2;x,y\n", ";", "."),
        ("größe\tpreis\tort\n1,5\t2\tx\n", "\t", ","),
        ("größe|preis|ort\n1|2|3,5\n", "|", "."),
        ('"größe";"preis";"ort; oder nicht"\n"1,5";"-2,5e3";"x"\n', ";", ","),
        ("größe;preis;ort\n1,5;2.5;x\n", ";", "."),
        ("größe\n1\n", ",", "."),
        ("a,b;c\n1,2\n", ",", "."),
        ("", ",", "."),
    ],
)
def test_separator_and_decimal(text: str, separator: str, decimal: str) -> None:
    """Between which signs most of the wanted names stand; a comma in numbers, if no point is in any."""
    found = dialect(text)
    assert (found.separator, found.decimal) == (separator, decimal)


@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
def test_encoding(written: str) -> None:
    """A byte order mark decides; what is no UTF-8 is what spreadsheets write in the west."""
    found = dialect("größe;preis\n1;2\n", encoding=written)
    assert found.separator == ";"
    expected = {"utf-8-sig": "utf-8", "latin-1": "cp1252"}.get(written, written)
    assert found.encoding == expected


def test_what_is_asked_for_decides() -> None:
    """No guess where something was said; what cannot be so is one line."""
    asked = {"separator": ",", "decimal": ",", "encoding": "latin-1"}
    sample = "größe;preis\n1;2\n".encode("latin-1")
    assert guessed(sample, RequestedDialect(**asked), NAMES, NUMBERS) == Dialect(**asked)
    with pytest.raises(TableError, match="not valid ascii: "):
        guessed(sample, RequestedDialect(encoding="ascii"), NAMES, NUMBERS)


def test_sample_that_ends_within_a_letter_or_a_value() -> None:
    """The beginning of a file is cut anywhere; texts may be longer than the csv module takes."""
    text = 'größe;ort\n1,5;x\n2;"' + "ü" * 200_000
    for cut in range(3):
        found = guessed(text.encode()[: -cut or None], RequestedDialect(), NAMES, NUMBERS)
        assert found == Dialect(separator=";", decimal=",")


def test_tabs_are_usual_in_a_tsv() -> None:
    """Where no name speaks for another sign, the file's name does."""
    assert dialect("a\tb,c\n", usual="\t").separator == "\t"
    assert dialect("größe,preis\n", usual="\t").separator == ","
    assert str(Dialect(separator="\t")) == "--separator tab --decimal '.' --encoding utf-8"
