"""A pipeline's parameters: params.yaml, files merged over it, `key=value` overrides last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waypost.contracts.interpolation import Interpolation, Path
from waypost.contracts.overrides import COMMAND_LINE, ListItems, has_place, names_of, override_layer, path_of
from waypost.errors import Finding, FindingsError
from waypost.texts.expressions import has_expression
from waypost.texts.parsing import load_mapping
from waypost.texts.sealed import NO_VARIABLES, Variables

REPLACE = "$replace"
"""In a parameter file: keys (dotted) whose content is replaced instead of merged."""


@dataclass(frozen=True)
class _Layer:
    """The content of a file or an override; `place` is its name in findings."""

    place: str
    content: Mapping[Any, Any]


class Parameters:
    """Merged parameters. `content` has them with references resolved, as plain mappings, lists and values;
    `findings` are the problems with them.
    """

    def __init__(self, tree: dict[Any, Any], layers: Sequence[_Layer], variables: Variables) -> None:
        self.variables = variables
        self._layers = layers
        self._interpolation = Interpolation(tree, variables, self._place)
        self.content = {str(key): value for key, value in self._interpolation.whole().items()}
        self.findings = tuple(self._interpolation.findings)

    def resolved(self, value: Any, place: str) -> Any:
        """Returns a value with its references resolved, a Written one if it is a single value with its own
        text. Raises FindingsError that names `place`, or the parameter with the problem.
        """
        before = len(self._interpolation.findings)
        found, is_whole = self._interpolation.value(value, place)
        if not is_whole:
            raise FindingsError(self._interpolation.findings[before:] or self.findings)
        return found

    def plain(self) -> dict[str, Any]:
        """Returns `content`. Raises FindingsError if anything is wrong with it."""
        if self.findings:
            raise FindingsError(self.findings)
        return self.content

    def _place(self, path: Path) -> str:
        """Returns the file or command line that set the value at a place, and its key."""
        setting = next((layer for layer in reversed(self._layers) if has_place(layer.content, path)), None)
        place = setting.place if setting else self._layers[0].place if self._layers else "parameters"
        return f"{place}: {'.'.join(map(str, path))}" if path else place


def merged(
    texts: Sequence[tuple[str, str]], overrides: Iterable[str], variables: Variables = NO_VARIABLES
) -> Parameters:
    """Returns the parameters. Raises FindingsError with every invalid override.

    Args: `texts` are pairs (file name, YAML text), the first one is the base. An override is `key=value`, and
    its key must exist, so that typos are found; `+key=value` adds one. `variables` are the environment
    variables that parameters may name.
    """
    tree: dict[Any, Any] = {}
    layers: list[_Layer] = []
    for file, text in texts:
        content = dict(load_mapping(text, file, as_written=True))
        for key in _replaced(content.pop(REPLACE, None), file):
            names = names_of(key, f"{file}: {REPLACE}")
            tree = _with(tree, path_of(tree, key) or names, {})
        layers.append(_Layer(file, content))
        tree = _merge(tree, content, tree)
    findings: list[Finding] = []
    for override in overrides:
        try:
            content = override_layer(tree, override)
        except FindingsError as error:
            findings += error.findings
            continue
        layers.append(_Layer(COMMAND_LINE, content))
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


def _with(tree: Mapping[Any, Any], keys: Sequence[Any], value: Any) -> dict[Any, Any]:
    """Returns a tree with a value at a place; any other value on the way becomes a mapping."""
    first, *rest = keys
    below = tree.get(first)
    child = _with(below if isinstance(below, dict) else {}, rest, value) if rest else value
    return {**tree, first: child}


def _merge(base: Any, layer: Any, tree: Mapping[Any, Any]) -> Any:
    """Returns a layer merged over a base: mappings are merged, anything else is replaced. A mapping over a
    reference is merged with the reference's target.
    """
    if isinstance(layer, dict) and has_expression(base):
        base = Interpolation(tree, NO_VARIABLES, lambda _: "").target(base)
    if isinstance(base, list) and isinstance(layer, ListItems):
        items = dict(enumerate(base))
        return [_merge(items.get(n), layer[n], tree) if n in layer else items[n] for n in {**items, **layer}]
    if not isinstance(base, dict) or not isinstance(layer, dict):
        return layer
    return {**base, **{key: _merge(base.get(key), value, tree) for key, value in layer.items()}}
