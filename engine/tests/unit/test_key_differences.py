"""Why two steps have other keys, in words."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from waypost.contracts.keys import StepInputs, difference
from waypost.texts.digests import digest_of

BASE: dict[str, Any] = {
    "trees": {"train": "a" * 40},
    "entry_point": "run",
    "arguments": {"data": "sha256:1", "depth": "8", "model": "a: 1\nb: {c: 2}\n"},
    "environment": "e",
    "platform": "p",
    "variables": {"SEED": "1"},
}


def test_inputs_are_kept_without_credentials() -> None:
    """What is kept to explain a difference has every input, and no password."""
    inputs = StepInputs(**BASE | {"arguments": {"url": "https://u:secret@host/x"}})
    assert inputs.shown() == BASE | {"arguments": {"url": "https://host/x"}}


def changed(key: str, value: Any) -> str:
    content = BASE | {key: BASE[key] | value if isinstance(value, dict) else value}
    return difference(BASE, content)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("trees", {"train": "b" * 40}, f"the code of train changed: {'a' * 12} → {'b' * 12}"),
        ("trees", {"kit": "b" * 40}, f"the code of kit changed: nothing → {'b' * 12}"),
        ("entry_point", "go", "its command changed"),
        ("arguments", {"data": "sha256:2"}, "input data changed"),
        ("arguments", {"depth": "9"}, "depth: 8 → 9"),
        ("arguments", {"more": "1"}, "parameter more is new"),
        ("arguments", {"model": "a: 1\nb: {c: 3}\n"}, "model.b.c: 2 → 3"),
        ("arguments", {"model": "a: 1\nb: {d: 2}\n"}, "model.b.c: 2 → nothing; model.b.d: nothing → 2"),
        ("arguments", {"data": "x.csv"}, "data: sha256:1 → x.csv"),
        ("environment", "f", "the environment changed"),
        ("platform", "q", "the platform changed"),
        ("variables", {"SEED": "2"}, "the variable SEED changed"),
    ],
)
def test_each_reason(key: str, value: Any, words: str) -> None:
    """Each part of the key has its own words, down to the value that changed."""
    assert changed(key, value) == words


def test_a_parameter_that_is_gone() -> None:
    """What only the older inputs have is gone."""
    assert difference(
        BASE | {"arguments": {"depth": "8", "x": "1"}}, BASE | {"arguments": {"depth": "8"}}
    ) == ("parameter x is gone")


def test_long_values_are_cut() -> None:
    """A value is shown on one line of 60 characters at most, an empty one as quotes."""
    assert changed("arguments", {"depth": "x" * 60}) == f"depth: 8 → {'x' * 60}"
    assert changed("arguments", {"depth": "x" * 61}) == f"depth: 8 → {'x' * 60}…"
    assert changed("arguments", {"depth": ""}) == "depth: 8 → ''"


def test_the_key_is_of_the_content() -> None:
    """Equal inputs have equal keys in whatever order; another value of any part has another key."""
    key = StepInputs(**BASE).key
    reversed_ = {**BASE, "arguments": dict(reversed(BASE["arguments"].items()))}
    assert StepInputs(**reversed_).key == key
    assert all(StepInputs(**(BASE | {name: "other"})).key != key for name in BASE)


def test_digests_are_of_canonical_json() -> None:
    """Sorted keys, no spaces, UTF-8: the same digest on every machine and in every version."""
    assert digest_of("\udce9") == hashlib.sha256(b'"\xe9"').hexdigest()  # a file's name by its bytes
    assert digest_of({"b": [1], "a": "ä"}) == hashlib.sha256('{"a":"ä","b":[1]}'.encode()).hexdigest()
