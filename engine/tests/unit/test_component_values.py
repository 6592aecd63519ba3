"""Values at the edges of what a contract allows."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.argument_values import argument_text, sealed_text
from waypost.contracts.component import Parameter
from waypost.contracts.python_env import requirement_file
from waypost.texts.sealed import Sealed, Variable, Variables, sealed


@pytest.mark.parametrize(
    ("parameter", "value", "text"),
    [
        ({"type": "int", "minimum": 1, "maximum": 3}, 1, "1"),
        ({"type": "int", "minimum": 1, "maximum": 3}, 3, "3"),
        ({"type": "float", "minimum": 0.5, "maximum": 0.5}, 0.5, "0.5"),
        ({"type": "string"}, "Grade A", "Grade A"),
        ({"type": "string", "choices": ["A", "b"]}, "A", "A"),
        ({"type": "int", "choices": [1, 2]}, 2, "2"),
    ],
)
def test_limits_belong_to_the_range(parameter: dict[str, Any], value: Any, text: str) -> None:
    """Minimum and maximum are allowed values themselves; texts keep their letters as they are."""
    assert argument_text(Parameter(**parameter), value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [("float", True), ("int", False), ("bool", 2), ("int", "1.0"), ("int", "x"), ("float", "one")],
)
def test_kinds_are_not_mixed(kind: Any, value: Any) -> None:
    """A boolean is no number, and a number no boolean."""
    with pytest.raises(ValueError, match=f"is not an? {kind}"):
        argument_text(Parameter(type=kind), value)


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("-r requirements.txt", "requirements.txt"),
        ("--requirement  a.txt ", "a.txt"),
        ("pandas", None),
        ("-c constraints.txt", None),
        ("-rx.txt", None),
    ],
)
def test_requirement_files(line: str, file: str | None) -> None:
    """A line of `dependencies` names a file by -r or --requirement only."""
    assert requirement_file(line) == file


@pytest.mark.parametrize(("values", "fits"), [({"N": "5"}, True), ({"N": "x"}, False), (None, True)])
def test_a_sealed_value_fits_or_is_refused_unseen(values: dict[str, str] | None, *, fits: bool) -> None:
    """A variable's value is looked at where it is known, and it is not shown."""
    value = sealed([Variable("N")])
    assert isinstance(value, Sealed)
    variables = Variables(frozenset({"N"}), values)
    if fits:
        assert sealed_text(Parameter(type="int"), value, variables) is value
        return
    with pytest.raises(ValueError, match=r"the value of \$\{oc.env:N\} does not match the parameter"):
        sealed_text(Parameter(type="int"), value, variables)
