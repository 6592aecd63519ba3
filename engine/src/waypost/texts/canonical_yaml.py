"""Canonical YAML: one text for each value."""

from __future__ import annotations

import functools
from typing import Any

import yaml

from waypost.texts.scalars import STRING, core
from waypost.texts.sealed import Sealed


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
    """Writes no aliases, and sealed texts with the names of their variables."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML quotes texts that YAML 1.1 would read as another type; YAML 1.2 needs it for some more.
    style = "'" if core(text) != STRING and "\n" not in text else None
    return dumper.represent_scalar(STRING, text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(Sealed, lambda dumper, text: _text(dumper, str(text)))


def canonical_yaml(content: Any, *, flow: bool = False) -> str:
    """Returns the canonical YAML of a value: sorted keys, no line breaks within values."""
    text = yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=True,
        allow_unicode=True,
        width=float("inf"),
        default_flow_style=flow,
    )
    return str(text).removesuffix("...\n")
