# ruff: noqa: E501 (a case is a line)
"""What a difference between two interfaces of a package means for its users."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.interfaces.package import PackageInterface, package_changes
from waypost.interfaces.schema import keys_of
from waypost.interfaces.semver import demanded


def interface(**content: Any) -> PackageInterface:
    return PackageInterface.model_validate(content)


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = package_changes(interface(**before), interface(**after))
    return [f"{group}: {change}" for group, changes in found.items() for change in changes]


def verb(*options: dict[str, Any], arguments: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"commands": {"t run": {"options": options, "arguments": arguments or []}}}


def option(*names: str, **facts: Any) -> dict[str, Any]:
    return {"names": names or ("--size",), "type": "text", **facts}


def argument(**facts: Any) -> dict[str, Any]:
    return {"name": "PLACE", "type": "text", **facts}


INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (verb(), {}, "t run: breaking: the command was removed"),
        ({}, verb(), "t run: added: the command is new"),
        (verb(option()), verb(), "t run: breaking: option '--size' was removed"),
        (verb(), verb(option()), "t run: added: option '--size'"),
        (verb(), verb(option(required=True)), "t run: breaking: required option '--size' was added"),
        (verb(option("--size", "-s")), verb(option("--size")), "t run: breaking: option '-s' was removed"),
        (verb(option("--size")), verb(option("--size", "-s")), "t run: added: option '-s'"),
        (verb(option("--no-x", "--x")), verb(option("--x")), "t run: breaking: option '--no-x' was removed"),
        (
            verb(option(default=1)),
            verb(option(default=2)),
            "t run: changed: option '--size': default 1 became 2",
        ),
        (
            verb(option(choices=["a", "b"])),
            verb(option(choices=["a"])),
            "t run: breaking: option '--size': choice 'b' was removed",
        ),
        (
            verb(option(choices=["a"])),
            verb(option(choices=["a", "b"])),
            "t run: added: option '--size': choice 'b'",
        ),
        (
            verb(option(type="integer")),
            verb(option(type="number")),
            "t run: changed: option '--size': type integer became number",
        ),
        (
            verb(option(type="text")),
            verb(option(type="integer")),
            "t run: breaking: option '--size': type text became integer",
        ),
        (
            verb(option(type="flag")),
            verb(option(type="text")),
            "t run: breaking: option '--size': type flag became text",
        ),
        (
            verb(option(required=True)),
            verb(option(default="x")),
            "t run: changed: option '--size': it is optional now, default 'x'",
        ),
        (
            verb(option()),
            verb(option(required=True)),
            "t run: breaking: option '--size': it is required now",
        ),
        (
            verb(option(multiple=True)),
            verb(option()),
            "t run: breaking: option '--size': it may be given once only now",
        ),
        (
            verb(option()),
            verb(option(multiple=True)),
            "t run: changed: option '--size': it may be given several times now",
        ),
        (
            verb(option(nargs=1)),
            verb(option(nargs=2)),
            "t run: breaking: option '--size': 1 value became 2 values",
        ),
        (
            verb(option(nargs=0)),
            verb(option(nargs=1)),
            "t run: breaking: option '--size': 0 values became 1 value",
        ),
        (
            verb(option(nargs=1)),
            verb(option(nargs=0)),
            "t run: breaking: option '--size': 1 value became 0 values",
        ),
        (
            verb(option(variables=["T_SIZE"])),
            verb(option()),
            "t run: breaking: option '--size': environment variable 'T_SIZE' was removed",
        ),
        (
            verb(option()),
            verb(option(must=["exist"])),
            "t run: breaking: option '--size': it must exist now",
        ),
        (
            verb(option(must=["exist"])),
            verb(option()),
            "t run: changed: option '--size': it need not exist any more",
        ),
        (verb(arguments=[argument()]), verb(), "t run: breaking: argument 'PLACE' was removed"),
        (verb(), verb(arguments=[argument()]), "t run: added: argument 'PLACE'"),
        (
            verb(),
            verb(arguments=[argument(required=True)]),
            "t run: breaking: required argument 'PLACE' was added",
        ),
        (
            verb(arguments=[argument()]),
            verb(arguments=[argument(nargs=-1)]),
            "t run: changed: argument 1: 1 value became any number of values",
        ),
        ({"exit_codes": {"usage": 2}}, {}, "exit codes: breaking: exit code 'usage' was removed"),
        ({}, {"exit_codes": {"usage": 2}}, "exit codes: added: exit code 'usage'"),
        (
            {"exit_codes": {"usage": 2}},
            {"exit_codes": {"usage": 3}},
            "exit codes: breaking: exit code 'usage': 2 became 3",
        ),
        ({"extras": ["serve"]}, {}, "package: breaking: extra 'serve' was removed"),
        ({}, {"extras": ["serve"]}, "package: added: extra 'serve'"),
        (
            {"python": ">=3.11"},
            {"python": ">=3.12"},
            "package: changed: requires-python >=3.11 became >=3.12",
        ),
        (
            {"entry_points": {"console_scripts": ["t"]}},
            {"entry_points": {}},
            "entry points: breaking: console_scripts entry 't' was removed",
        ),
        ({}, {"entry_points": {"g": ["t"]}}, "entry points: added: g entry 't'"),
        ({}, {"api": {"t.run": {"kind": "function"}}}, "Python: added: name 't.run'"),
        ({"api": {"t.run": {"kind": "function"}}}, {}, "Python: breaking: name 't.run' was removed"),
        (
            {"api": {"t.run": {"kind": "function"}}},
            {"api": {"t.run": {"kind": "attribute"}}},
            "Python: breaking: name 't.run': function became attribute",
        ),
        (
            {"api": {"t.E": {"kind": "class", "bases": ["t.Error"]}}},
            {"api": {"t.E": {"kind": "class"}}},
            "Python: breaking: name 't.E': it is no t.Error any more",
        ),
    ],
)
def test_changes(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    """What is gone, needed or narrower breaks its users; what is new or wider does not."""
    assert changes(before, after) == [expected]


@pytest.mark.parametrize(
    "before",
    [
        verb(option(default="x", must=["exist"]), arguments=[argument(required=True)]),
        {"exit_codes": {"ok": 0}, "extras": ["a"], "entry_points": {"g": ["x"]}},
        {"api": {"t.A": {"kind": "class", "signature": "(a: int)"}}},
    ],
)
def test_equal_interfaces(before: dict[str, Any]) -> None:
    """The same interface is no change, and demands no more than a patch."""
    assert package_changes(interface(**before), interface(**before)) == {}


def test_what_breaks_comes_first() -> None:
    """In each group the changes that break users stand before the others."""
    before, after = (
        verb(option(default=1), option("--x")),
        verb(option(default=2), option("--y"), option("--z")),
    )
    assert [text.split(": ")[1] for text in changes(before, after)] == [
        "breaking",
        "changed",
        "added",
        "added",
    ]


@pytest.mark.parametrize("one", [{"signature": "(a: int)"}, {}])
def test_a_signature_that_is_not_known_is_not_compared(one: dict[str, Any]) -> None:
    """A name without a signature on one side says nothing of its parameters."""
    sides = [{"api": {"t.A": {"kind": "class", **facts}}} for facts in (one, {})]
    assert changes(*sides) == changes(*reversed(sides)) == []


def test_options_are_matched_by_spelling() -> None:
    """An option that got a new first spelling, and kept the old one, breaks nobody."""
    assert changes(verb(option("--dir")), verb(option("--folder", "--dir"))) == [
        "t run: added: option '--folder'"
    ]


def test_a_class_that_went_takes_its_members_along() -> None:
    """A removed class is one change, whatever it had."""
    api = {"t.A": {"kind": "class"}, "t.A.x": {"kind": "attribute"}, "t.A.f": {"kind": "function"}}
    assert changes({"api": api}, {}) == ["Python: breaking: name 't.A' was removed"]
    assert changes({"api": {"t.A": api["t.A"]}}, {"api": api}) == [
        "Python: added: name 't.A.x'",
        "Python: added: name 't.A.f'",
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("(a)", "(a, b=1)", ["added: parameter 'b'"]),
        ("(a)", "(a, b)", ["breaking: required parameter 'b' was added"]),
        ("(a, b=1)", "(a)", ["breaking: parameter 'b' was removed"]),
        ("(a, b=1)", "(a, **c)", ["changed: parameter 'b' was removed", "added: it takes any more parameters by name"]),
        ("(a, /)", "(b, /)", []),
        ("(a, /)", "(*b)", ["changed: parameter 'a' was removed", "added: it takes any more parameters by position"]),
        ("(a, b)", "(b, a)", ["breaking: parameter 'a': its position moved", "breaking: parameter 'b': its position moved"]),
        ("(a)", "(*, a)", ["breaking: parameter 'a': it cannot be given by position any more"]),
        ("(*, a)", "(a)", ["changed: parameter 'a': it can be given by name and by position now"]),
        ("(*, a)", "(a, /)", ["breaking: parameter 'a': it can only be given by position now"]),
        ("(a)", "(a, /)", ["breaking: parameter 'a': it cannot be given by name any more"]),
        ("(a, /)", "(a)", ["changed: parameter 'a': it can be given by name and by position now"]),
        ("(a=1)", "(a)", ["breaking: parameter 'a': it is required now"]),
        ("(a)", "(a=1)", ["changed: parameter 'a': it is optional now, default 1"]),
        ("(a=1)", "(a=2)", ["changed: parameter 'a': default 1 became 2"]),
        ("(a: int)", "(a: float)", ["changed: parameter 'a': type int became float"]),
        ("() -> int", "() -> str", ["changed: its return type int became str"]),
        ("(*a)", "()", ["breaking: it takes no more parameters by position"]),
        ("(a: 'int')", "(a: 'int')", []),
    ],
)  # fmt: skip
def test_signatures(before: str, after: str, expected: list[str]) -> None:
    """A call that worked works: what is given by name keeps its name, what by position its place."""
    sides = [{"api": {"t.f": {"kind": "function", "signature": text}}} for text in (before, after)]
    prefix = "Python: "
    assert [c.removeprefix(prefix).replace("name 't.f': ", "") for c in changes(*sides)] == expected


def document(**properties: Any) -> dict[str, Any]:
    needed = [name for name, schema in properties.items() if schema.get("needed")]
    schemas = {n: {k: v for k, v in schema.items() if k != "needed"} for n, schema in properties.items()}
    return {"type": "object", "properties": schemas, "required": needed}


READ = [
    ({"a": INTEGER}, {}, "breaking: key 'a' was removed"),
    ({}, {"a": INTEGER}, "added: key 'a'"),
    ({}, {"a": {**INTEGER, "needed": True}}, "breaking: required key 'a' was added"),
    ({"a": INTEGER}, {"a": {"type": "number"}}, "changed: key 'a': type integer became number"),
    ({"a": {"type": "number"}}, {"a": INTEGER}, "breaking: key 'a': type number became integer"),
    ({"a": INTEGER}, {"a": {"type": ["integer", "null"]}}, "changed: key 'a': type integer became integer | null"),
    ({"a": {"enum": ["x", "y"]}}, {"a": {"enum": ["x"]}}, "breaking: key 'a': choice 'y' was removed"),
    ({"a": {"enum": ["x"]}}, {"a": {"enum": ["x", "y"]}}, "added: key 'a': choice 'y'"),
    ({"a": {**INTEGER, "default": 1}}, {"a": {**INTEGER, "default": 2}}, "changed: key 'a': default 1 became 2"),
    ({"a": INTEGER}, {"a": {**INTEGER, "minimum": 1}}, "breaking: key 'a': minimum none became 1"),
    ({"a": {**INTEGER, "exclusiveMaximum": 1}}, {"a": {**INTEGER, "exclusiveMaximum": 2}}, "changed: key 'a': exclusiveMaximum 1 became 2"),
    ({"a": {"type": "string"}}, {"a": {"type": "string", "pattern": "^x"}}, "breaking: key 'a': it must match ^x now"),
    ({"a": document(b=INTEGER)}, {"a": document()}, "breaking: key 'a.b' was removed"),
    ({"a": {"items": document(b=INTEGER)}}, {"a": {"items": document()}}, "breaking: key 'a[].b' was removed"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), READ)
def test_documents_that_are_read(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    """A file that was taken is taken, and means the same."""
    sides = [{"reads": {"t.yaml": keys_of(document(**p))}} for p in (before, after)]
    assert changes(*sides) == [f"t.yaml: {expected}"]


WRITTEN = [
    ({"a": INTEGER}, {}, "breaking: key 'a' was removed"),
    ({}, {"a": {**INTEGER, "needed": True}}, "added: key 'a'"),
    ({"a": INTEGER}, {"a": {"type": "string"}}, "breaking: key 'a': type integer became string"),
    ({"a": INTEGER}, {"a": {"type": "number"}}, "breaking: key 'a': type integer became number"),
    ({"a": {"type": "number"}}, {"a": INTEGER}, "changed: key 'a': type number became integer"),
    ({"a": INTEGER}, {"a": {"type": ["integer", "null"]}}, "breaking: key 'a': type integer became integer | null"),
    ({"a": {**INTEGER, "needed": True}}, {"a": {**INTEGER, "needed": False}}, "breaking: key 'a': it may be missing now"),
    ({"a": {**INTEGER, "needed": False}}, {"a": {**INTEGER, "needed": True}}, "changed: key 'a': it is always there now"),
    ({"a": {"enum": ["x"]}}, {"a": {"enum": ["x", "y"]}}, "changed: key 'a': it may be 'y' now"),
    ({"a": {"enum": ["x", "y"]}}, {"a": {"enum": ["x"]}}, "changed: key 'a': it is never 'y' any more"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), WRITTEN)
def test_documents_that_are_written(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    """What is read of a document stays there, and is of no other type."""
    sides = [{"writes": {"t --json": keys_of(document(**p))}} for p in (before, after)]
    assert changes(*sides) == [f"t --json: {expected}"]


@pytest.mark.parametrize("kind", ["reads", "writes"])
def test_a_group_of_keys_comes_and_goes_as_one(kind: str) -> None:
    """A key that is new, gone, or no longer a group is one change, whatever stands below it."""
    group, none = {"x": document(a={**INTEGER, "needed": True})}, dict[str, Any]()
    plain = {"x": {"type": "string"}}
    for before, after in ((group, none), (none, group), (plain, group), (group, plain)):
        assert len(changes(*({kind: {"t": keys_of(document(**side))}} for side in (before, after)))) == 1


def test_a_document_that_is_read_and_written() -> None:
    """It keeps its promise to either side: a new key is told once."""
    sides = [{k: {"t.lock": keys_of(document(**p))} for k in ("reads", "writes")} for p in ({}, {"a": {}})]
    assert changes(*sides) == ["t.lock: added: key 'a'"]


def test_conditions_on_a_document_of_our_own() -> None:
    """A lock that is checked more strictly was always written in that form; a key that went is missed."""
    text = {"type": "string"}
    cases = [({"a": text}, {"a": {**text, "pattern": "^x"}}), ({"a": text}, {})]
    found = [
        changes(*({k: {"t.lock": keys_of(document(**p))} for k in ("reads", "writes")} for p in case))
        for case in cases
    ]
    assert found == [
        ["t.lock: changed: key 'a': it must match ^x now"],
        ["t.lock: breaking: key 'a' was removed"],
    ]


def test_keys_of_a_schema() -> None:
    """References, alternatives, lists, free names and what holds itself: each key once, by its path."""
    schema = {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"child": {"$ref": "#/$defs/Node"}, "name": {"type": "string"}},
                "additionalProperties": False,
            },
            "Other": {"type": "object", "properties": {"name": {"type": "integer"}}, "required": ["name"]},
        },
        "type": "object",
        "properties": {
            "hold": {
                "anyOf": [{"type": "array", "items": {"type": "string"}}, {"const": True}],
                "default": [],
            },
            "level": {"enum": [1, 2, None]},
            "either": {"anyOf": [{"$ref": "#/$defs/Node"}, {"$ref": "#/$defs/Other"}, {"type": "null"}]},
            "any": {},
        },
        "required": ["any"],
        "additionalProperties": {"type": "number"},
    }
    found = {key: facts.model_dump(exclude_defaults=True) for key, facts in keys_of(schema).items()}
    assert found == {
        "": {"type": "object", "required": True},
        "*": {"type": "number"},
        "any": {"required": True},
        "either": {"type": "object | null", "must": ("have no other keys",)},
        "either.child": {"type": "object"},
        "either.name": {"type": "string | integer"},
        "hold": {"type": "array | true", "default": []},
        "hold[]": {"type": "string"},
        "level": {"type": "integer | null", "choices": (1, 2)},
    }


def test_help_texts_are_no_interface() -> None:
    """Titles and descriptions of a schema may change as they like."""
    plain = document(a=INTEGER)
    described = document(a={**INTEGER, "description": "Number of rows.", "title": "A"})
    assert keys_of(plain) == keys_of(described)


def test_the_bump() -> None:
    """Broken means major, anything else that changed minor, nothing a patch."""
    found = package_changes(interface(**verb(option(default=1))), interface(**verb(option(default=2))))
    assert demanded(c for group in found.values() for c in group) == "minor"
