"""The keys of a JSON Schema as a flat list, so that two schemas can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from waypost.interfaces.changes import ANY, Change, Facts, changes_for_givers, changes_for_readers, compared

Keys = Mapping[str, Facts]
Schema = Mapping[str, Any]

_ITEM, _ENTRY = "[]", "*"
_COMBINED = ("$ref", "anyOf", "oneOf", "allOf")
_WITH_KEYS = {"array", "object", ANY}
_LIMITS = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength"),
    *("minItems", "maxItems", "minProperties", "maxProperties"),
)
_NO_OTHER_KEYS = "have no other keys"
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def keys_of(schema: Schema) -> dict[str, Facts]:
    """Returns what a schema says of each key, such as `steps.*.uses`: `*` is any name, `[]` an item of a
    list, the empty path the document itself. A definition that holds itself ends where it does.
    """
    walk = _Walk(schema.get("$defs") or schema.get("definitions") or {})
    walk.visit("", [_Node(schema)], required=True)
    return dict(sorted(walk.found.items()))


def written_keys_of(schema: Schema) -> dict[str, Facts]:
    """Returns the keys of a document that is written: what its readers may rely on."""
    kept = {"type", "required", "choices"}
    return {key: Facts(**facts.model_dump(include=kept)) for key, facts in keys_of(schema).items()}


def read_changes(old: Keys, new: Keys) -> Iterator[Change]:
    """Yields what changed for those who write a document that is read."""
    before, after = _comparable(old, new)

    def changes(name: str, one: Facts, other: Facts) -> Iterator[Change]:
        if not _has_keys(one):  # a value without keys is not affected by a rule on them
            kept = tuple(condition for condition in other.must if condition != _NO_OTHER_KEYS)
            other = other.model_copy(update={"must": kept})
        return changes_for_givers(_what(name), one, other)

    yield from compared("key", before, after, changes, is_required=lambda facts: facts.required)


def own_changes(old: Keys, new: Keys) -> Iterator[Change]:
    """Yields what changed for those who keep a document that is read and was written by the package itself.

    A new condition on a value breaks nobody: what was written before is of that form.
    """
    unbound = list(read_changes(_unbound(old), _unbound(new)))
    for change in read_changes(old, new):
        yield change if change in unbound else Change("changed", change.text)


def _unbound(keys: Keys) -> Keys:
    return {key: facts.model_copy(update={"limits": {}, "must": ()}) for key, facts in keys.items()}


def written_changes(old: Keys, new: Keys) -> Iterator[Change]:
    """Yields what changed for those who read a document that is written."""
    before, after = _comparable(old, new)

    def changes(name: str, one: Facts, other: Facts) -> Iterator[Change]:
        return changes_for_readers(_what(name), one, other)

    yield from compared("key", before, after, changes)


def _what(name: str) -> str:
    return f"key {name!r}:" if name else "the document:"


def _comparable(old: Keys, new: Keys) -> tuple[Keys, Keys]:
    """Returns both without the keys below one that came, went, or is no group of keys on one of the sides:
    that one says it all.
    """
    shared = {key for key in old if key in new and _has_keys(old[key]) and _has_keys(new[key])}

    def kept(side: Keys) -> Keys:
        return {key: facts for key, facts in side.items() if not key or _parent(key) in shared}

    return kept(old), kept(new)


def _has_keys(facts: Facts) -> bool:
    return not _WITH_KEYS.isdisjoint(facts.type.split(" | "))


def _parent(key: str) -> str:
    return key.removesuffix(_ITEM) if key.endswith(_ITEM) else key.rpartition(".")[0]


class _Node(NamedTuple):
    """A schema, and the definitions that it is part of."""

    schema: Schema
    inside: frozenset[str] = frozenset()


@dataclass
class _Walk:
    """A way through a schema; `found` is what was seen of each key."""

    definitions: Mapping[str, Any]
    found: dict[str, Facts] = field(default_factory=dict)

    def visit(self, path: str, nodes: Sequence[_Node], *, required: bool) -> None:
        """Notes a key, whose value fits one of these schemas, and all keys below it."""
        variants = [variant for node in nodes for variant in self._variants(node)]
        default = next((n.schema["default"] for n in nodes if "default" in n.schema), None)
        facts = _facts([variant.schema for variant in variants])
        self.found[path] = facts.model_copy(update={"required": required, "default": default})
        below: dict[str, list[_Node]] = {}
        for variant in variants:
            for name, child in _children(variant.schema):
                key = f"{path}{name}" if name == _ITEM or not path else f"{path}.{name}"
                below.setdefault(key, []).append(_Node(child, variant.inside))
        groups = [v.schema for v in variants if "properties" in v.schema]
        for key, children in below.items():
            name = key.removeprefix(f"{path}.") if path else key
            needed = bool(groups) and all(name in group.get("required", ()) for group in groups)
            self.visit(key, children, required=needed)

    def _variants(self, node: _Node) -> Iterator[_Node]:
        """Yields the schemas of which a value fits one, without references."""
        schema, inside = node
        rest = {key: value for key, value in schema.items() if key not in _COMBINED}
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            if name in inside:
                yield _Node({"type": "object"}, inside)
            else:
                yield from self._variants(_Node({**self.definitions.get(name, {}), **rest}, inside | {name}))
        elif parts := [part for key in _COMBINED for part in schema.get(key, ())]:
            for part in parts:
                yield from self._variants(_Node({**rest, **part}, inside))
        elif isinstance(schema.get("type"), list):
            yield from (_Node({**schema, "type": kind}, inside) for kind in schema["type"])
        else:
            yield node


def _children(schema: Schema) -> Iterator[tuple[str, Schema]]:
    yield from (schema.get("properties") or {}).items()
    entries = [schema.get("additionalProperties"), *(schema.get("patternProperties") or {}).values()]
    items = [schema.get("items"), *(schema.get("prefixItems") or ())]
    for name, children in ((_ENTRY, entries), (_ITEM, items)):
        yield from ((name, child) for child in children if isinstance(child, Mapping) and child)


def _facts(variants: Sequence[Schema]) -> Facts:
    """Returns what the alternatives of a value have in common."""
    values = [(v, _values(v)) for v in variants]
    plain = [v for v, choices in values if not choices and v.get("type") != "null"]
    choices = [choice for _, found in values for choice in found]
    if plain:  # one of the choices, or anything of a type: no choice binds
        types = [_type(v) if not found else json.dumps(c) for v, found in values for c in found or (None,)]
    else:
        types = [_NAMES.get(type(choice), "null") for choice in choices]
        types += ["null" for v in variants if v.get("type") == "null"]
    return Facts(
        type=" | ".join(dict.fromkeys(types)) or ANY,
        choices=() if plain else tuple(choice for choice in choices if choice is not None),
        limits={name: v[name] for v in plain for name in _LIMITS if name in v},
        must=tuple(dict.fromkeys(condition for v in plain for condition in _conditions(v))),
    )


def _values(schema: Schema) -> tuple[Any, ...]:
    return (schema["const"],) if "const" in schema else tuple(schema.get("enum", ()))


def _type(schema: Schema) -> str:
    if kind := schema.get("type"):
        return str(kind)
    return "object" if "properties" in schema else "array" if "items" in schema else ANY


def _conditions(schema: Schema) -> Iterator[str]:
    if "pattern" in schema:
        yield f"match {schema['pattern']}"
    if "format" in schema:
        yield f"be of the form {schema['format']}"
    for pattern in schema.get("patternProperties") or {}:
        yield f"have keys that match {pattern}"
    if schema.get("uniqueItems"):
        yield "have no item twice"
    if schema.get("additionalProperties") is False:
        yield _NO_OTHER_KEYS
