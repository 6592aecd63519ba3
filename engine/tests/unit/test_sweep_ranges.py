"""Sweeps: ranges, lists, limits."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.sweep import points, smaller_is_better, swept
from waypost.errors import FindingsError, UsageError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("range(3)", ["0", "1", "2"]),
        ("range(1, 3)", ["1", "2"]),
        ("range(1, 2)", ["1"]),
        ("range(0, 5, 2)", ["0", "2", "4"]),
        ("range(3, 0, -1)", ["3", "2", "1"]),
        ("range(0.1, 0.4, 0.1)", ["0.1", "0.2", "0.3"]),
        ("range(0, 1, 0.5)", ["0", "0.5"]),
        ("range(10000000000000, 10000000000002)", ["10000000000000", "10000000000001"]),
        ("a,b", ["a", "b"]),
        ("[1,[2,3]],{a: 1,b: 2}", ["[1,[2,3]]", "{a: 1,b: 2}"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("f(g(1,2),3),x", ["f(g(1,2),3)", "x"]),
        ("a=b,c=d", ["a=b", "c=d"]),
        ("", [""]),
    ],
)
def test_values_of_a_key(text: str, values: list[str]) -> None:
    """A range as in Python, or a list; a comma within brackets or quotes does not part."""
    assert points([f"key={text}"]) == [(f"key={value}",) for value in values]


def test_all_combinations() -> None:
    """The product of all values, the last key fastest."""
    assert points(["a=1,2", "b=x", "c=3,4"]) == [
        ("a=1", "b=x", "c=3"),
        ("a=1", "b=x", "c=4"),
        ("a=2", "b=x", "c=3"),
        ("a=2", "b=x", "c=4"),
    ]
    assert points([]) == [()]


def test_what_is_swept() -> None:
    """The keys with more than one value, without the sign that adds them."""
    assert swept(["a=1", "+b=1,2", "c=x=1,x=2"]) == ["b", "c"]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["a"], "key=value or key=a,b,c"),
        (["=1"], "key=value or key=a,b,c"),
        (["a=1,1"], "a value appears twice"),
        (["a=range(x)"], "a range is"),
        (["a=range(1, 2, 3, 4)"], "a range is"),
        (["a=range(1, 2, 0)"], "the range has no value"),
        (["a=range(2, 1)"], "the range has no value"),
        (["a=range(0)"], "the range has no value"),
        (["a=range(10001)"], "the range has 10,001 values"),
        (["a=range(101)", "b=range(100)"], "10,100 combinations; the limit is 10,000"),
    ],
)
def test_what_is_refused(overrides: list[str], problem: str) -> None:
    """What has no value, too many, or one twice is refused."""
    with pytest.raises(FindingsError, match=problem):
        points(overrides)


def test_as_many_as_allowed() -> None:
    """10,000 values, or combinations, are the most."""
    assert len(points(["a=range(10000)"])) == 10_000
    assert len(points(["a=range(100)", "b=range(100)"])) == 10_000


@pytest.mark.parametrize(
    ("declared", "asked", "smallest"),
    [
        ("", None, False),
        ("lower", None, True),
        ("higher", None, False),
        ("", True, True),
        ("", False, False),
        ("lower", True, True),
        ("higher", False, False),
    ],
)
def test_which_value_is_the_best(declared: Any, asked: bool | None, smallest: bool) -> None:
    """The contract says it, or the command line; the metric's name does not."""
    assert smaller_is_better("evaluate/log_loss", declared, asked) is smallest


@pytest.mark.parametrize(
    ("declared", "asked", "option"), [("lower", False, "maximize"), ("higher", True, "minimize")]
)
def test_a_side_against_the_contract_is_refused(declared: Any, asked: bool, option: str) -> None:
    """An option that contradicts the contract is a slip."""
    with pytest.raises(UsageError, match=f"--{option}: the contract says that {declared} is better for 'm'"):
        smaller_is_better("m", declared, asked)
