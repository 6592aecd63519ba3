"""A value against the JSON Schema that a component declares for it."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.texts.sealed import Variable, sealed
from waypost.texts.value_schema import SchemaError, schema_problems, value_problems

COLUMN = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "missing": {"type": "number", "minimum": 0, "maximum": 1}},
    "required": ["name"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "$defs": {"Column": COLUMN, "Loop": {"$ref": "#/$defs/Loop"}},
    "title": "Checks",
    "type": "object",
    "properties": {
        "columns": {"type": "array", "items": {"$ref": "#/$defs/Column"}},
        "cast": {"type": "object", "additionalProperties": {"enum": ["int", "float"], "type": "string"}},
        "rows": {"anyOf": [{"type": "null"}, {"type": "integer", "exclusiveMinimum": 0}]},
        "one": {"anyOf": [{"$ref": "#/$defs/Column"}, {"type": "null"}]},
        "any": True,
        "none": False,
        "few": {"type": "array", "minItems": 1, "maxItems": 2},
        "word": {"type": ["string", "null"], "maxLength": 3},
        "same": {"const": "x"},
        "loop": {"$ref": "#/$defs/Loop"},
        "gone": {"$ref": "#/$defs/Gone"},
        "bare": {"$ref": "Column"},
        "lost": {"$ref": "http://elsewhere/schema.json"},
        "wrong": {"minimum": "x"},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"columns": [{"name": "a"}, {"name": "b", "missing": 0.5}, {"name": "c", "missing": 1}]},
        {"cast": {"Ticket (USD)": "float"}},
        {"rows": None},
        {"rows": 3},
        {"rows": 3.0},
        {"one": {"name": "a"}, "any": [[{}]], "few": [1], "word": None},
        {"few": [1, 2], "word": "abc", "same": "x"},
        {"columns": sealed([Variable("NAMES")]), "rows": sealed(["1", Variable("N")])},
    ],
)
def test_values_that_fit(value: Any) -> None:
    """A value that fits has no problem; what only the environment will tell fits everything."""
    assert value_problems(value, SCHEMA) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], (".", "a list: object is expected", "")),
        ({"column": []}, ("column", "unknown key", "did you mean 'columns'?")),
        (
            {"columns": [{"name": "a"}, {"nme": "b", "name": "c"}]},
            ("columns.1.nme", "unknown key", "did you mean 'name'?"),
        ),
        ({"columns": [{"missing": 0.5}]}, ("columns.0.name", "this key is required", "")),
        ({"columns": [{"name": "a", "missing": 2}]}, ("columns.0.missing", "2 is more than 1", "")),
        ({"columns": "a"}, ("columns", "'a': array is expected", "")),
        ({"cast": {"a": "flot"}}, ("cast.a", "'flot' is not one of int, float", "")),
        ({"rows": 0}, ("rows", "0 is not more than 0", "")),
        ({"rows": True}, ("rows", "True: null or integer is expected", "")),
        ({"one": {"name": 1}}, ("one.name", "1: string is expected", "")),
        ({"none": 1}, ("none", "nothing is allowed here", "")),
        ({"few": []}, ("few", "0 items: at least 1 and at most 2 are expected", "")),
        ({"same": "y"}, ("same", "'y' is not one of x", "")),
        ({"word": "long"}, ("word", "4 characters: at most 3 are expected", "")),
    ],
)
def test_values_that_do_not_fit(value: Any, problem: tuple[str, str, str]) -> None:
    """Each problem is told once, with its place and the nearest key."""
    [found] = value_problems(value, SCHEMA)
    assert (found.place or ".", found.problem, found.hint) == problem


@pytest.mark.parametrize("key", ["loop", "lost", "gone", "bare", "wrong"])
def test_schemas_that_cannot_be_used(key: str) -> None:
    """A reference that leads nowhere, or round in a circle, and a wrong form are errors of the schema."""
    with pytest.raises(SchemaError, match="not a JSON Schema" if key == "wrong" else "leads nowhere"):
        value_problems({key: 1}, SCHEMA)


def test_a_schema_that_branches_without_end() -> None:
    """A hostile schema costs bounded work, not the time of the universe."""
    branch = {"anyOf": [{"properties": {"a": {"$ref": "#/$defs/b"}}, "required": ["z"]}] * 8}
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"a": value}
    with pytest.raises(SchemaError, match="branches too much"):
        value_problems(value, {"$defs": {"b": branch}, "$ref": "#/$defs/b"})


def test_what_is_not_checked_is_told() -> None:
    """A keyword that is not known would check nothing: the author hears of it."""
    assert schema_problems(SCHEMA) == []
    assert schema_problems({"properties": {"a": {"pattern": "x"}}, "items": {"anyOf": [{"if": True}]}}) == [
        "the keyword 'if' is not checked",
        "the keyword 'pattern' is not checked",
    ]
    assert schema_problems([1]) == ["[1] is no schema: a mapping is expected"]
    assert schema_problems({"anyOf": [{"if": 1}, True]}) == ["the keyword 'if' is not checked"]


def test_a_schema_is_looked_through_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many parts as the limit says, and not one more."""
    deep = {"items": {"items": {"if": 1}}}
    monkeypatch.setattr("waypost.texts.value_schema._MOST_LOOKS", 2)
    assert schema_problems(deep) == []
    monkeypatch.setattr("waypost.texts.value_schema._MOST_LOOKS", 3)
    assert schema_problems(deep) == ["the keyword 'if' is not checked"]
    monkeypatch.setattr("waypost.texts.value_schema._MOST_LOOKS", 2)
    assert value_problems([1], {"items": {}}) == []
    with pytest.raises(SchemaError, match="branches too much"):
        value_problems([1, 2], {"items": {}})


@pytest.mark.parametrize(
    ("limits", "words"), [({"minItems": 2}, "at least 2"), ({"maxItems": 0}, "at most 0")]
)
def test_an_open_range(limits: dict[str, int], words: str) -> None:
    """Of a range with one end that one is told."""
    [problem] = value_problems(["a"], {"type": "array", **limits})
    assert problem.problem == f"1 items: {words} are expected"
