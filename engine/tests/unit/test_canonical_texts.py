"""Texts that digests are made of, keys of overrides, and how a refusal is worded."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.parameters import merged
from waypost.contracts.trees import shown
from waypost.errors import FindingsError
from waypost.texts.canonical_yaml import canonical_yaml, flat
from waypost.texts.parsing import Strict, parse
from waypost.texts.scalars import Written
from waypost.texts.yaml_text import read_argument


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"b": 1, "a": "é"}, "a: é\nb: 1\n"),
        ({"a": [one := [1], one]}, "a:\n- - 1\n- - 1\n"),
        ("plain", "plain\n"),
        (1, "1\n"),
        ("no", "'no'\n"),
        ({"a": "x " * 200}, "a: '" + "x " * 200 + "'\n"),
    ],
)
def test_the_one_text_of_a_value(content: Any, text: str) -> None:
    """A step's key depends on it to the byte: letters as they are, nothing by reference, no mark of an end,
    no line cut.
    """
    assert canonical_yaml(content) == text


def test_leaves_as_texts() -> None:
    """Each leaf by its path; an empty mapping is a leaf, and nothing at all has none."""
    assert flat({"a": {"b": 1, "c": [1, "x"]}, "d": {}}) == {"a.b": "1", "a.c": "[1, x]", "d": "{}"}
    assert flat({}) == {}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("a.b=2", {"a": {"b": 2}, "l": [{"x": 1}, 5], "k.d": 3, "[odd]": 4}),
        ("l[0].x=2", {"a": {"b": 1}, "l": [{"x": 2}, 5], "k.d": 3, "[odd]": 4}),
        ("l[1]=6", {"a": {"b": 1}, "l": [{"x": 1}, 6], "k.d": 3, "[odd]": 4}),
        ("+l[2]=6", {"a": {"b": 1}, "l": [{"x": 1}, 5, 6], "k.d": 3, "[odd]": 4}),
        ("+l[2].y.z=6", {"a": {"b": 1}, "l": [{"x": 1}, 5, {"y": {"z": 6}}], "k.d": 3, "[odd]": 4}),
        ("k.d=9", {"a": {"b": 1}, "l": [{"x": 1}, 5], "k.d": 9, "[odd]": 4}),
        ("[odd]=9", {"a": {"b": 1}, "l": [{"x": 1}, 5], "k.d": 3, "[odd]": 9}),
        ("+n.m=9", {"a": {"b": 1}, "l": [{"x": 1}, 5], "k.d": 3, "[odd]": 4, "n": {"m": 9}}),
    ],
)
def test_what_an_override_reaches(override: str, expected: dict[str, Any]) -> None:
    """Keys of keys, items of lists and what is in them; a key that has a dot or brackets itself."""
    base = "a: {b: 1}\nl: [{x: 1}, 5]\nk.d: 3\n'[odd]': 4\n"
    assert merged([("params.yaml", base)], [override]).plain() == expected


@pytest.mark.parametrize("override", ["l[2]=1", "+l[3]=1", "l[x]=1", "a.b.c=1", ".=1", "=1", "a"])
def test_what_an_override_does_not_reach(override: str) -> None:
    """An item that is not there, what is below a value, and no key at all are told by the override."""
    with pytest.raises(FindingsError, match="command line: "):
        merged([("params.yaml", "a: {b: 1}\nl: [{x: 1}, 5]\n")], [override])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("# no comment", "# no comment"),
        (" 7", 7),
        ("[1, a]", [1, "a"]),
        ("  {a: 1}", {"a": 1}),
        ("'007'", "007"),
        ("007", 7),
        ("", None),
        ("x" * 5000, "x" * 5000),
    ],
)
def test_arguments(text: str, value: Any) -> None:
    """One scalar as it stands; YAML where a bracket or a quote begins it; a text may be long."""
    found = read_argument(text, "x")
    assert (found.value if isinstance(found, Written) else found) == value


def test_a_number_with_too_many_digits() -> None:
    """A number may be as long as any that means something, and not much longer."""
    with pytest.raises(FindingsError, match="not valid YAML"):
        read_argument("9" * 100_000, "x")


class _Part(Strict):
    size: int = 0


class _Whole(Strict):
    name: str
    part: _Part = _Part()


def test_words_of_a_refusal() -> None:
    """The place is the file and the key, once; the words are ours, without the library's address."""
    with pytest.raises(FindingsError) as error:
        parse(_Whole, {"part": {"size": "x", "sise": 1}}, "file.yaml")
    told = [str(finding) for finding in error.value.findings]
    assert sorted(told) == [
        "file.yaml: name: this key is required",
        "file.yaml: part.sise: unknown key; did you mean 'size'?",
        "file.yaml: part.size: Input should be a valid integer, unable to parse string as an integer",
    ]


def test_long_names_are_cut() -> None:
    """A name of a stranger is quoted, and cut where it would fill the screen; its end is still a quote."""
    assert shown("x" * 78) == f"'{'x' * 78}'"
    assert shown("x" * 79) == f"'{'x' * 59}…'"
