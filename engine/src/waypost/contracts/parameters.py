"""A pipeline's parameters: params.yaml, files merged on top, `key=value` overrides last."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from waypost.contracts.interpolation import Interpolation, Path, near_key
from waypost.errors import Finding, FindingsError
from waypost.texts.expressions import ProblemError, child_key, has_expression, key_names, key_of
from waypost.texts.limits import WRITTEN, shortened
from waypost.texts.parsing import load_mapping
from waypost.texts.scalars import STRING, core
from waypost.texts.sealed import NO_VARIABLES, Sealed, Variables
from waypost.texts.yaml_text import read_argument

REPLACE = "$replace"
"""In a parameter file: keys (dotted) whose content is taken over whole instead of merged."""
_COMMAND_LINE = "command line"
_SEPARATOR = re.compile(r"[.\[]|$")


@dataclass(frozen=True)
class _Layer:
    """What a file or an override sets; `place` is how a finding names it."""

    place: str
    content: Mapping[Any, Any]


class Parameters:
    """Merged parameters. `content` has them with their references resolved, as plain mappings, lists and
    values; `findings` is what is wrong with them.
    """

    def __init__(self, tree: dict[Any, Any], layers: Sequence[_Layer], variables: Variables) -> None:
        self.variables = variables
        self._layers = layers
        self._interpolation = Interpolation(tree, variables, self._place)
        self.content = {str(key): value for key, value in self._interpolation.whole().items()}
        self.findings = tuple(self._interpolation.findings)

    def resolved(self, value: Any, place: str) -> Any:
        """Returns a value with its references filled in, a Written one where it is one value with a text of
        its own. Raises FindingsError that names `place`, or the parameter that is wrong itself.
        """
        before = len(self._interpolation.findings)
        found, is_whole = self._interpolation.value(value, place)
        if not is_whole:
            raise FindingsError(self._interpolation.findings[before:] or self.findings)
        return found

    def plain(self) -> dict[str, Any]:
        """Returns `content`. Raises FindingsError where anything is wrong with it."""
        if self.findings:
            raise FindingsError(self.findings)
        return self.content

    def _place(self, path: Path) -> str:
        """Returns the file or the command line that set what stands at a place, and its key."""
        setting = next((layer for layer in reversed(self._layers) if _has(layer.content, path)), None)
        place = setting.place if setting else self._layers[0].place if self._layers else "parameters"
        return f"{place}: {'.'.join(map(str, path))}" if path else place


def merged(
    texts: Sequence[tuple[str, str]], overrides: Iterable[str], variables: Variables = NO_VARIABLES
) -> Parameters:
    """Returns the parameters. Raises FindingsError that lists every override which does not fit.

    Args: `texts` are pairs (file name, YAML text), the first one is the base. An override is
    `key=value`, its key must exist already, so that a slip of the pen is found; `+key=value` adds.
    `variables` are those of the environment that parameters may name.
    """
    tree: dict[Any, Any] = {}
    layers: list[_Layer] = []
    for file, text in texts:
        content = dict(load_mapping(text, file, as_written=True))
        for key in _replaced(content.pop(REPLACE, None), file):
            names = _names(key, f"{file}: {REPLACE}")
            tree = _with(tree, _path_of(tree, key) or names, {})
        layers.append(_Layer(file, content))
        tree = _merge(tree, content, tree)
    findings: list[Finding] = []
    for override in overrides:
        try:
            content = _override(tree, override)
        except FindingsError as error:
            findings += error.findings
            continue
        layers.append(_Layer(_COMMAND_LINE, content))
        tree = _merge(tree, content, tree)
    if findings:
        raise FindingsError(findings)
    return Parameters(tree, layers, variables)


def _replaced(keys: Any, file: str) -> list[str]:
    if keys is None or isinstance(keys, str):
        return [keys] if keys else []
    if isinstance(keys, list) and all(isinstance(key, str) for key in keys):
        return keys
    raise FindingsError([Finding(f"{file}: {REPLACE}", "a list of keys is expected")])


def _names(key: str, place: str) -> tuple[str, ...]:
    """Returns the names in a key such as `a.b[0]`; one that is written in no such way is one name."""
    try:
        names = key_names(key)[1] if not key.startswith(".") else (key,)
    except ProblemError:
        names = (key,)
    if len(names) > WRITTEN.depth:
        raise FindingsError([Finding(place, f"a key of more than {WRITTEN.depth} names")])
    return names


def _with(tree: Mapping[Any, Any], keys: Sequence[Any], value: Any) -> dict[Any, Any]:
    """Returns a tree that has a value at a place; what is no mapping on the way becomes one."""
    first, *rest = keys
    below = tree.get(first)
    child = _with(below if isinstance(below, dict) else {}, rest, value) if rest else value
    return {**tree, first: child}


def _merge(base: Any, layer: Any, tree: Mapping[Any, Any]) -> Any:
    """Returns a layer on top of a base: mappings are merged, anything else is replaced. A mapping on top of
    a reference is merged with what that refers to.
    """
    if isinstance(layer, dict) and has_expression(base):
        base = Interpolation(tree, NO_VARIABLES, lambda _: "").target(base)
    if isinstance(base, list) and isinstance(layer, _Items):
        items = dict(enumerate(base))
        return [_merge(items.get(n), layer[n], tree) if n in layer else items[n] for n in {**items, **layer}]
    if not isinstance(base, dict) or not isinstance(layer, dict):
        return layer
    return {**base, **{key: _merge(base.get(key), value, tree) for key, value in layer.items()}}


class _Items(dict[Any, Any]):
    """Some items of a list, by their numbers."""


def _override(tree: Mapping[Any, Any], override: str) -> dict[Any, Any]:
    """Returns what an override sets. Raises FindingsError."""
    place = f"{_COMMAND_LINE}: {shortened(override)}"
    key, equals, text = override.removeprefix("+").partition("=")
    if not equals or not key:
        raise FindingsError([Finding(place, "an override is of the form key=value")])
    names = _names(key, place)
    path = _path_of(tree, key)
    if path is None and not override.startswith("+"):
        hint = f"{near_key(key, tree)} (+{shortened(key)}=… adds one)".strip()
        raise FindingsError([Finding(place, "no such parameter", hint)])
    value = read_argument(text, place)
    layer: dict[Any, Any] = _below(tree, path or _new_path(tree, names, place), value)
    return layer


def _path_of(tree: Any, key: str) -> Path | None:
    """Returns the place in a tree that a key such as `a.b[0]` calls, None where it has no such place.

    A key of a mapping may have dots and brackets itself: the shortest one that is there counts.
    """
    if not key:
        return ()
    for name, rest in _cuts(key):
        found = key_of(tree, name)
        if found is not None and (below := _path_of(tree[found], rest)) is not None:
            return (found, *below)
    return None


def _cuts(key: str) -> Iterator[tuple[str, str]]:
    """Gives what may be the first name of a key, and what comes after it."""
    if key.startswith("["):
        name, _, rest = key[1:].partition("]")
        yield name, rest.removeprefix(".")
    for end in _SEPARATOR.finditer(key):
        if end.start():
            yield key[: end.start()], key[end.start() :].removeprefix(".")


def _new_path(tree: Any, names: Sequence[str], place: str) -> Path:
    """Returns the keys by which a tree will have something; a list gets it as its next item."""
    path: list[Any] = []
    while names and (found := child_key(tree, names)):
        key, count = found
        path.append(key)
        tree, names = tree[key], names[count:]
    if isinstance(tree, list):
        if names[0] != str(len(tree)):
            problem = f"a list of {len(tree)}, counted from 0: it has no item {shortened(names[0])!r}"
            raise FindingsError([Finding(place, problem, f"its next one is {len(tree)}")])
        return (*path, len(tree), *names[1:])
    return (*path, *names)


def _below(tree: Any, path: Path, value: Any) -> Any:
    """Returns a layer that sets a value at a place of a tree."""
    if not path:
        return value
    first, *rest = path
    child = tree[first] if isinstance(tree, (dict, list)) and _has(tree, (first,)) else None
    layer = _below(child, tuple(rest), value)
    return _Items({first: layer}) if isinstance(tree, list) else {first: layer}


def _has(tree: Any, path: Sequence[Any]) -> bool:
    for part in path:
        if isinstance(tree, list) and isinstance(part, int):
            return part < len(tree)  # a list is set as a whole
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def flat(content: Any, prefix: str = "") -> dict[str, str]:
    """Returns `{"model.max_depth": "8", …}`: leaves as texts, lists as YAML on one line."""
    if isinstance(content, dict) and content:
        items = [flat(v, f"{prefix}.{k}" if prefix else str(k)) for k, v in content.items()]
        return {key: value for item in items for key, value in item.items()}
    return {prefix: _on_one_line(content)} if prefix else {}


def _on_one_line(content: Any) -> str:
    if isinstance(content, (dict, list)):
        return canonical_yaml(content, flow=True).strip()
    return _scalar_on_one_line(content)


@functools.lru_cache(maxsize=10_000, typed=True)
def _scalar_on_one_line(content: Any) -> str:
    return canonical_yaml(content, flow=True).strip()


class _Dumper(yaml.SafeDumper):
    """Writes what occurs twice twice; a sealed text as it is shown."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 takes for something else: that has to hold for YAML 1.2, too.
    style = "'" if core(text) != STRING and "\n" not in text else None
    return dumper.represent_scalar(STRING, text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Sealed, lambda dumper, text: _text(dumper, str(text)))


def canonical_yaml(content: Any, *, flow: bool = False) -> str:
    """Returns the one YAML text of a value: sorted keys, no line breaks within values."""
    text = yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=True,
        allow_unicode=True,
        width=float("inf"),
        default_flow_style=flow,
    )
    return str(text).removesuffix("...\n")
