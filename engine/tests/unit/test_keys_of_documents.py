"""The keys of a document, by its JSON Schema, and what a change of them is for those who write or read it."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.interfaces.changes import Facts, changes_for_givers, changes_for_readers
from waypost.interfaces.schema import keys_of, read_changes, written_changes, written_keys_of

TEXT = {"type": "string"}


def types(schema: dict[str, Any]) -> dict[str, str]:
    return {key: facts.type for key, facts in keys_of(schema).items()}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"properties": {"a": TEXT}}, {"": "object", "a": "string"}),
        ({"items": TEXT}, {"": "array", "[]": "string"}),
        ({}, {"": "any"}),
        ({"definitions": {"T": TEXT}, "$ref": "#/definitions/T"}, {"": "string"}),
        ({"enum": [1, None]}, {"": "integer | null"}),
        ({"anyOf": [{"const": 1}, {"type": "null"}]}, {"": "integer | null"}),
        ({"anyOf": [{"const": 1}, TEXT]}, {"": "1 | string"}),
        ({"prefixItems": [TEXT, {}], "items": False}, {"": "array", "[]": "string"}),
        ({"additionalProperties": True, "patternProperties": {"x": TEXT}}, {"": "any", "*": "string"}),
    ],
)
def test_types(schema: dict[str, Any], expected: dict[str, str]) -> None:
    """A type that is not said follows from what is said; definitions under either name are found."""
    assert types(schema) == expected


def test_what_a_key_below_another_needs() -> None:
    """Required is what its own group requires, whatever a key of that name does elsewhere."""
    inner = {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a"]}
    schema = {"type": "object", "properties": {"a": inner, "list": {"items": inner}}, "required": ["list"]}
    needed = {key for key, facts in keys_of(schema).items() if facts.required}
    assert needed == {"", "a.a", "list", "list[].a"}
    assert written_keys_of({"properties": {"a": {**TEXT, "default": "x"}}})["a"] == Facts(type="string")


def test_the_document_itself() -> None:
    """A document that became a list is told as a whole; items of a list belong to it."""
    old, new = keys_of({"properties": {"a": TEXT}}), keys_of({"items": TEXT})
    assert next(str(change) for change in read_changes(old, new)) == (
        "breaking: the document: type object became array"
    )
    item = {"a": {"type": "array", "items": {"properties": {"b": TEXT}}}}
    lists = [keys_of({"properties": side}) for side in (item, {"a": {"type": "array", "items": TEXT}})]
    assert [str(change) for change in written_changes(*lists)] == [
        "breaking: key 'a[]': type object became string"
    ]


@pytest.mark.parametrize(
    ("schema", "binds"),
    [({"type": "object", "properties": {}}, True), ({"type": "string"}, False)],
)
def test_who_a_rule_on_other_keys_binds(schema: dict[str, Any], binds: bool) -> None:
    """Keys that are refused from now on break those who could write some, and nobody else."""
    strict = {"type": "object", "properties": {}, "additionalProperties": False}
    after = strict if binds else {"anyOf": [schema, strict]}
    sides = [keys_of({"properties": {"a": side}}) for side in (schema, after)]
    found = [str(change) for change in read_changes(*sides)]
    assert any("have no other keys" in text for text in found) is binds


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (Facts(choices=(1,)), Facts(), ["changed: it any value from now on"]),
        (Facts(), Facts(choices=(1,)), ["changed: it only 1 from now on"]),
        (Facts(), Facts(), []),
        (Facts(choices=(1, 2)), Facts(choices=(1,)), ["changed: it is never 2 any more"]),
    ],
)
def test_choices_for_readers(old: Facts, new: Facts, expected: list[str]) -> None:
    """Who reads a value hears of one that is new, of one that is gone, and where any may come."""
    assert [str(c).replace("it it", "it") for c in changes_for_readers("it", old, new)] == expected


def test_limits_that_stay() -> None:
    """An equal limit is no change; of two that moved each is told."""
    old = Facts(limits={"minimum": 1, "maximum": 5})
    assert not list(changes_for_givers("it", old, Facts(limits={"minimum": 1, "maximum": 5})))
    wider = Facts(limits={"minimum": 0, "maximum": 5})
    assert [str(c) for c in changes_for_givers("it", old, wider)] == ["changed: it minimum 1 became 0"]
