"""Plain scalars of YAML by the core schema of YAML 1.2, in files and on the command line alike.

A number keeps the text that it was written as, where that is not the one that Python writes: whether 007 is a
number at all is for the contract of the parameter to say that it is given to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

TAG = "tag:yaml.org,2002:"
STRING = f"{TAG}str"
NUMBERS = (f"{TAG}int", f"{TAG}float")
Schema = Callable[[str], str]
"""Gives the tag of a plain scalar's text."""


@dataclass(frozen=True)
class Written:
    """A value whose text is not the one that Python gives it: the number 1.1, written 1.10."""

    value: Any
    text: str


# https://yaml.org/spec/1.2.2/#103-core-schema
_CORE = {
    "null": re.compile(r"|~|null|Null|NULL"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
_FIRST = frozenset("~nNtTfF+-.0123456789")
_BASES = {"0o": 8, "0x": 16}


def core(text: str) -> str:
    """Returns the tag that YAML 1.2's core schema gives a plain scalar."""
    if text and text[0] not in _FIRST:
        return STRING
    return next((TAG + kind for kind, rule in _CORE.items() if rule.fullmatch(text)), STRING)


def yaml_1_1(text: str) -> str:
    """Returns the tag that YAML 1.1 gives a plain scalar: as Waypost 1.0.0 read it."""
    rules = yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], ())
    tag = next((name for name, rule in rules if rule.match(text)), STRING)
    return tag if tag in _OF_1_1 else STRING  # `<<` and `=` mean something as keys only


def scalar(schema: Schema, tag: str, text: str) -> Any:
    """Returns the value of a scalar with a tag. Raises ValueError, KeyError for a tag that is not taken."""
    if schema is yaml_1_1:
        return _OF_1_1[tag](yaml.ScalarNode(tag, text))
    return _OF_1_2[tag](text)


def plain(text: str) -> Any:
    """Returns the value of a plain scalar."""
    return scalar(core, core(text), text)


def written(value: Any, text: str) -> Any:
    """Returns a value, with its text where that is not the one that Python gives it."""
    is_said = value is None or isinstance(value, str) or text_of(value) == text
    return value if is_said else Written(value, text)


def text_of(value: Any) -> str:
    """Returns a value as a text, as it was written where that is known."""
    if isinstance(value, Written):
        return value.text
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_of(found: Any) -> Any:
    """Returns the plain value of something written."""
    return found.value if isinstance(found, Written) else found


def unwritten(content: Any) -> Any:
    """Returns a tree without its texts; what occurs twice by an alias stays the same object."""
    return _unwritten(content, {})


def _unwritten(content: Any, done: dict[int, Any]) -> Any:
    if id(content) in done:
        return done[id(content)]
    if isinstance(content, dict):
        done[id(content)] = copy = {key: _unwritten(child, done) for key, child in content.items()}
        return copy
    if isinstance(content, list):
        done[id(content)] = members = [_unwritten(child, done) for child in content]
        return members
    return value_of(content)


def _null(text: str) -> None:
    _matching("null", text)


def _bool(text: str) -> bool:
    return _matching("bool", text).lower() == "true"


def _int(text: str) -> int:
    return int(_matching("int", text), _BASES.get(text[:2], 10))


def _float(text: str) -> float:
    if _CORE["int"].fullmatch(text):
        return float(_int(text))
    return float(re.sub(r"\.(?=[iInN])", "", _matching("float", text)))


def _matching(kind: str, text: str) -> str:
    if not _CORE[kind].fullmatch(text):
        raise ValueError
    return text


_construct = SafeConstructor()
_OF_1_2: Mapping[str, Callable[[str], Any]] = {
    f"{TAG}null": _null,
    f"{TAG}bool": _bool,
    f"{TAG}int": _int,
    f"{TAG}float": _float,
    f"{TAG}timestamp": lambda text: _construct.construct_yaml_timestamp(
        yaml.ScalarNode(f"{TAG}timestamp", text)
    ),
    f"{TAG}binary": lambda text: _construct.construct_yaml_binary(yaml.ScalarNode(f"{TAG}binary", text)),
    STRING: str,
}
_OF_1_1: Mapping[str, Callable[[yaml.ScalarNode], Any]] = {
    f"{TAG}null": _construct.construct_yaml_null,
    f"{TAG}bool": _construct.construct_yaml_bool,
    f"{TAG}int": _construct.construct_yaml_int,
    f"{TAG}float": _construct.construct_yaml_float,
    f"{TAG}timestamp": _construct.construct_yaml_timestamp,
    f"{TAG}binary": _construct.construct_yaml_binary,
    STRING: lambda node: node.value,
}
