"""A component's contract, and values against it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waypost.contracts.argument_values import argument_text, command_line
from waypost.contracts.component import EntryPoint, Parameter, parse_component
from waypost.errors import FindingsError


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("bool", True, "true"),
        ("bool", "No", "false"),
        ("int", 3, "3"),
        ("int", 3.0, "3"),
        ("int", "3", "3"),
        ("float", 1, "1.0"),
        ("float", "0.5", "0.5"),
        ("string", 1.4, "1.4"),
        ("string", True, "true"),
        ("path", "a b.csv", "a b.csv"),
    ],
)
def test_values_become_text(kind: Any, value: Any, text: str) -> None:
    """Each type takes what YAML makes of a value of its kind, and has one text for it."""
    assert argument_text(Parameter(type=kind), value) == text


@pytest.mark.parametrize(
    ("parameter", "value", "problem"),
    [
        ({"type": "int"}, "three", "'three' is not an int"),
        ({"type": "int"}, True, "True is not an int"),
        ({"type": "int"}, 1.5, "1.5 is not an int"),
        ({"type": "bool"}, "maybe", "'maybe' is not a bool"),
        ({"type": "float"}, "x", "'x' is not a float"),
        ({"type": "string"}, {"a": 1}, "type string is expected, not a mapping"),
        ({"type": "int"}, [1], "type int is expected, not a list"),
        ({"type": "string", "choices": ["a", "b"]}, "c", "'c' is not one of a, b"),
        ({"type": "int", "minimum": 1}, 0, "0 is less than the minimum, 1"),
        ({"type": "float", "maximum": 1}, 1.5, "1.5 is more than the maximum, 1"),
    ],
)
def test_misfits_say_why(parameter: dict[str, Any], value: Any, problem: str) -> None:
    """A value that does not fit type, choices or range is refused with the reason."""
    with pytest.raises(ValueError, match=problem):
        argument_text(Parameter(**parameter), value)


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_values_are_quoted(value: str) -> None:
    """Whatever the value, the shell sees one word: nothing in it is ever executed."""
    import shlex

    entry_point = EntryPoint(command="run --x {x}", parameters={"x": Parameter()})
    assert shlex.split(command_line(entry_point, {"x": value})) == ["run", "--x", value]


def test_contracts_of_others() -> None:
    """MLflow's short form and keys of others are fine; a slip in a parameter is found."""
    text = "name: x\ndatabricks: {image: y}\nentry_points:\n  main:\n    command: c\n"
    component = parse_component(text + "    parameters: {alpha: float}\n", "x/MLproject")
    assert component.entry_points["main"].parameters["alpha"].is_required
    parse_component(text + "    owner: me\n    parameters: {alpha: {help: so}}\n", "x/MLproject")
    with pytest.raises(FindingsError, match="did you mean 'minimum'"):
        parse_component(text + "    parameters: {alpha: {type: int, minimun: 1}}\n", "x/MLproject")


@pytest.mark.parametrize("kind", ["str", "number", "String", "datetime", None, 3])
def test_types_of_others_are_texts(kind: object) -> None:
    """MLflow passes on a value of any type that it does not know as it is written, and so do we."""
    parameter = Parameter.model_validate({"type": kind, "default": 0.30})
    assert argument_text(parameter, "0.30") == "0.30"
    assert argument_text(parameter, parameter.default) == "0.3"


@pytest.mark.parametrize(("text", "name"), [("", ""), ("name:\n", ""), ("name: 2024\n", "2024")])
def test_the_name_is_for_people(text: str, name: str) -> None:
    """MLflow needs none, and takes anything."""
    assert parse_component(text + "entry_points: {main: {command: c}}", "x/MLproject").name == name
