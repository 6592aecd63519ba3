"""Command-line overrides: the place of the parameter in `key=value`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from waypost.contracts.interpolation import Path
from waypost.contracts.near_keys import near_key
from waypost.errors import Finding, FindingsError
from waypost.texts.expressions import ProblemError, child_key, key_names, key_of
from waypost.texts.limits import WRITTEN, shortened
from waypost.texts.yaml_text import read_argument

COMMAND_LINE = "command line"
_SEPARATOR = re.compile(r"[.\[]|$")


def names_of(key: str, place: str) -> tuple[str, ...]:
    """Returns the names in a key such as `a.b[0]`; a key in any other form is a single name."""
    try:
        names = key_names(key)[1] if not key.startswith(".") else (key,)
    except ProblemError:
        names = (key,)
    if len(names) > WRITTEN.depth:
        raise FindingsError([Finding(place, f"a key of more than {WRITTEN.depth} names")])
    return names


class ListItems(dict[Any, Any]):
    """Some items of a list, by index."""


def override_layer(tree: Mapping[Any, Any], override: str) -> dict[Any, Any]:
    """Returns the layer that an override sets. Raises FindingsError."""
    place = f"{COMMAND_LINE}: {shortened(override)}"
    key, equals, text = override.removeprefix("+").partition("=")
    if not equals or not key:
        raise FindingsError([Finding(place, "an override is of the form key=value")])
    if any("\ud800" <= letter <= "\udfff" for letter in override):
        raise FindingsError([Finding(place, "it is not UTF-8", "is the terminal's locale one of UTF-8?")])
    names = names_of(key, place)
    path = path_of(tree, key)
    if path is None and not override.startswith("+"):
        hint = f"{near_key(key, tree)} (+{shortened(key)}=… adds one)".strip()
        raise FindingsError([Finding(place, "no such parameter", hint)])
    value = read_argument(text, place)
    layer: dict[Any, Any] = _below(tree, path or _new_path(tree, names, place), value)
    return layer


def path_of(tree: Any, key: str) -> Path | None:
    """Returns the path in a tree for a key such as `a.b[0]`, None if there is no such place.

    Keys of a mapping may contain dots and brackets: the shortest existing one counts.
    """
    if not key:
        return ()
    for name, rest in _cuts(key):
        found = key_of(tree, name)
        if found is not None and (below := path_of(tree[found], rest)) is not None:
            return (found, *below)
    return None


def _cuts(key: str) -> Iterator[tuple[str, str]]:
    """Yields the ways to split a key into its first name and the rest."""
    if key.startswith("["):
        name, _, rest = key[1:].partition("]")
        yield name, rest.removeprefix(".")
    for end in _SEPARATOR.finditer(key):
        if end.start():
            yield key[: end.start()], key[end.start() :].removeprefix(".")


def _new_path(tree: Any, names: Sequence[str], place: str) -> Path:
    """Returns the keys of a new value in a tree; a list gets it as its next item."""
    path: list[Any] = []
    while names and (found := child_key(tree, names)):
        key, count = found
        path.append(key)
        tree, names = tree[key], names[count:]
    if isinstance(tree, list):
        if names[0] != str(len(tree)):
            problem = f"a list of {len(tree)} items, counted from 0: it has no item {shortened(names[0])!r}"
            raise FindingsError([Finding(place, problem, f"the next one is {len(tree)}")])
        return (*path, len(tree), *names[1:])
    return (*path, *names)


def _below(tree: Any, path: Path, value: Any) -> Any:
    """Returns a layer that sets a value at a place in a tree."""
    if not path:
        return value
    first, *rest = path
    child = tree[first] if isinstance(tree, (dict, list)) and has_place(tree, (first,)) else None
    layer = _below(child, tuple(rest), value)
    return ListItems({first: layer}) if isinstance(tree, list) else {first: layer}


def has_place(tree: Any, path: Sequence[Any]) -> bool:
    for part in path:
        if isinstance(tree, list) and isinstance(part, int):
            return part < len(tree)  # a list is set as a whole
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True
