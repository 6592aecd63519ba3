"""A pipeline's parameters: params.yaml, files merged on top, `key=value` overrides last."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from waypost.contracts.expressions import has_expression
from waypost.contracts.interpolation import Interpolation, Path, near_key
from waypost.contracts.limits import WRITTEN, shortened
from waypost.contracts.parsing import load_mapping
from waypost.contracts.sealed import NO_VARIABLES, Sealed, Variables
from waypost.contracts.yaml_text import read_yaml
from waypost.errors import Finding, FindingsError

REPLACE = "$replace"
"""In a parameter file: keys (dotted) whose content is taken over whole instead of merged."""
_COMMAND_LINE = "command line"


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
        """Returns a value with its references filled in. Raises FindingsError that names `place`, or the
        parameter that is wrong itself.
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
        content = dict(load_mapping(text, file))
        for key in _replaced(content.pop(REPLACE, None), file):
            tree = _with(tree, _names(key, f"{file}: {REPLACE}"), {})
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


def _names(key: str, place: str) -> list[str]:
    names = key.split(".")
    if len(names) > WRITTEN.depth:
        raise FindingsError([Finding(place, f"a key of more than {WRITTEN.depth} names")])
    return names


def _with(tree: Mapping[Any, Any], keys: Sequence[str], value: Any) -> dict[Any, Any]:
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
    if not isinstance(base, dict) or not isinstance(layer, dict):
        return layer
    return {**base, **{key: _merge(base.get(key), value, tree) for key, value in layer.items()}}


def _override(tree: Mapping[Any, Any], override: str) -> dict[Any, Any]:
    """Returns what an override sets. Raises FindingsError."""
    place = f"{_COMMAND_LINE}: {shortened(override)}"
    key, equals, text = override.removeprefix("+").partition("=")
    if not equals or not key:
        raise FindingsError([Finding(place, "an override is of the form key=value")])
    names = _names(key, place)
    value = read_yaml(text, place, is_argument=True)
    if not override.startswith("+") and not _has(tree, names):
        hint = f"{near_key(key, tree)} (+{shortened(key)}=… adds one)".strip()
        raise FindingsError([Finding(place, "no such parameter", hint)])
    return _with({}, names, value)


def _has(tree: Any, path: Sequence[Any]) -> bool:
    for part in path:
        if isinstance(tree, list) and isinstance(part, int):
            return True  # a list is set as a whole
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


_Dumper.add_representer(Sealed, lambda dumper, text: dumper.represent_str(str(text)))


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
