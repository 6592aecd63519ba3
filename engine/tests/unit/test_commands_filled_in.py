"""Placeholders in commands: stock MLflow's text where it has one, else a finding; no part of a value."""

from __future__ import annotations

import re

import pytest

from waypost.contracts.checks import entry_point_problems
from waypost.contracts.command import command_problems, filled
from waypost.contracts.component import Component

VALUES = {"keep": "'a b'", "other-one": "x", "_": "u", "ß": "s"}


@pytest.mark.parametrize(
    "template",
    [
        "run --keep {keep} {keep}",
        "run {other-one} {_} {ß}",
        "awk '{{print $1}}' {{}} {{keep}} {{{keep}}}",
        "{keep!r} {keep!s} {keep!a}",
        "{keep:>10} {keep:*^20} {keep:.2} {keep:s} {keep!r:<30}",
        "no placeholder",
        "",
    ],
)
def test_as_stock_mlflow_fills_them_in(template: str) -> None:
    """What stock MLflow takes gives the same text: it calls `str.format`."""
    assert command_problems(template, VALUES) == []
    assert filled(template, VALUES) == template.format(**VALUES)


@pytest.mark.parametrize(
    ("template", "problem", "hint"),
    [
        ("{kep}", "{kep} is not a parameter", "did you mean 'keep'?"),
        ("{nothing_like_it}", "{nothing_like_it} is not a parameter", "known: _, keep, other-one, ß"),
        ("{0}", "{0} names no parameter", "write a literal brace twice"),
        ("{²}", "{²} is not a parameter", "known: "),
        ("{}", "{} names no parameter", "write a literal brace twice"),
        ("{ }", "{ } is not a parameter", ""),
        ("{keep.upper}", "{keep.upper} asks for part of a value", ""),
        (
            "{keep.__class__.__init__.__globals__}",
            "{keep.__class__.__init__.__globals__} asks for part",
            "",
        ),
        ("{keep[0]}", "{keep[0]} asks for part of a value", ""),
        ("{keep!x}", "{keep!x}: not a format for texts", ""),
        ("{keep:d}", "{keep:d}: not a format for texts", ""),
        ("{keep:>99999999999}", "{keep:>99999999999}: not a format for texts", ""),
        ("{keep:{keep}}", "{keep:{keep}}: not a format for texts", ""),
        ("{keep", "an unmatched { or }", "write a literal brace twice"),
        ("keep}", "an unmatched { or }", ""),
        ("${HOME}", "{HOME} is not a parameter", ""),
    ],
)
def test_what_cannot_be_filled_in(template: str, problem: str, hint: str) -> None:
    """Each is named, with the nearest right name; filling it in raises the same words, no KeyError."""
    ((found, mends),) = command_problems(template, VALUES)
    assert found.startswith(problem)
    assert mends.startswith(hint)
    with pytest.raises(ValueError, match=f"^{re.escape(found)}$"):
        filled(template, VALUES)


def test_every_problem_once() -> None:
    """All of a command's problems are told at once, each once."""
    assert [problem for problem, _ in command_problems("{a} {b} {a} {keep}", VALUES)] == [
        "{a} is not a parameter",
        "{b} is not a parameter",
    ]


def test_contract_as_a_whole() -> None:
    """A contract's own mistakes are found without anybody who uses it: commands, defaults that do not fit."""
    component = Component.model_validate(
        {
            "name": "load",
            "entry_points": {
                "main": {
                    "parameters": {
                        "n": {"type": "int", "default": 0, "minimum": 1},
                        "text": {"default": "a\0b"},
                        "free": {"type": "int"},
                    },
                    "command": "run {m} {text} {free}",
                },
                "other": {"command": "run }"},
            },
        }
    )
    found = [problem for entry in component.entry_points.values() for problem in entry_point_problems(entry)]
    assert found == [
        ("command", "{m} is not a parameter", "known: free, n, text"),
        (
            "parameters.n.default",
            "0 is less than the minimum, 1",
            "another default, or another range or choices",
        ),
        (
            "parameters.text.default",
            "'a\\x00b': a command argument cannot contain the character NUL",
            "another default, or another range or choices",
        ),
        (
            "command",
            "an unmatched { or }",
            "write a literal brace twice: {{ or }}",
        ),
    ]


def test_only_numbers_have_a_range() -> None:
    """A type that MLflow does not know is a text: limits that nobody would keep to are told."""
    parameters = {"n": {"type": "integer", "minimum": 1, "maximum": 3}, "m": {"type": "int", "minimum": 1}}
    contract = {"name": "x", "entry_points": {"main": {"parameters": parameters, "command": "run {n} {m}"}}}
    problem = "type integer is not a number, so it has no range"
    assert entry_point_problems(Component.model_validate(contract).entry_points["main"]) == [
        ("parameters.n.minimum", problem, "did you mean 'int'?"),
        ("parameters.n.maximum", problem, "did you mean 'int'?"),
    ]
