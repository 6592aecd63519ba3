"""Secret values in texts of others, in each form that a program writes them."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from waypost.texts.masks import Masks

ODD = "a \"b\\c/é'd\te"


@pytest.mark.parametrize(
    "form",
    [
        ODD,
        quote(ODD),
        quote(ODD, safe=""),
        quote_plus(ODD),
        json.dumps(ODD)[1:-1],
        json.dumps(ODD, ensure_ascii=False)[1:-1],
        repr(ODD)[1:-1],
        base64.b64encode(ODD.encode()).decode(),
        f"https://u:{ODD}@host",
    ],
)
def test_each_form_of_a_value(form: str) -> None:
    """Nothing of it is left, and nothing around it goes."""
    written = f"<{form}>".replace(ODD, "${oc.env:TOKEN}") if ODD in form else "<${oc.env:TOKEN}>"
    assert Masks({"TOKEN": ODD}).text(f"<{form}>") == written


def test_what_is_too_short_to_look_for() -> None:
    """A value of four characters is looked for, one of three is everywhere; without any, nothing is done."""
    masks = Masks({"A": "abcd", "B": "xyz"})
    assert masks.text("abcd xyz") == "${oc.env:A} xyz"
    assert bool(masks)
    assert not Masks({"B": "xyz"})
    assert Masks({}).line(b"xyz") == b"xyz"


def test_the_longest_value_wins() -> None:
    """Of a value within another, the whole is named; of one with several lines, each line."""
    masks = Masks({"SHORT": "abcd", "LONG": "abcdefgh", "LINES": "first line\nno\nthird line"})
    assert masks.text("abcdefgh abcd") == "${oc.env:LONG} ${oc.env:SHORT}"
    assert masks.text("first line / no / third line") == "${oc.env:LINES} / no / ${oc.env:LINES}"


def test_lines_that_are_no_text() -> None:
    """A log may hold any bytes: they stay as they are."""
    assert Masks({"A": "abcd"}).line(b"\xff abcd\n") == b"\xff ${oc.env:A}\n"
