"""A pipeline's parameters: params.yaml, files merged on top, `key=value` overrides last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import yaml

from waypost.contracts.parsing import load_mapping
from waypost.errors import Finding, FindingsError, did_you_mean

if TYPE_CHECKING:
    from omegaconf import DictConfig

# OmegaConf is imported where parameters are read: verbs that read none are the quicker for it.
REPLACE = "$replace"
"""In a parameter file: keys (dotted) whose content is taken over whole instead of merged."""


def merged(texts: Sequence[tuple[str, str]], overrides: Iterable[str]) -> DictConfig:
    """Returns the parameters. Raises FindingsError that lists every override which does not fit.

    Args: `texts` are pairs (file name, YAML text), the first one is the base. An override is
    `key=value`, its key must exist already, so that a slip of the pen is found; `+key=value` adds.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    config: Any = OmegaConf.create({})
    for file, text in texts:
        layer = load_mapping(text, file)
        for key in layer.pop(REPLACE, ()):
            OmegaConf.update(config, key, {}, merge=False)
        try:
            config = OmegaConf.unsafe_merge(config, OmegaConf.create(layer))
        except OmegaConfBaseException as error:
            raise FindingsError([Finding(file, _reason(error))]) from error
    if findings := [f for override in overrides if (f := _override(config, override))]:
        raise FindingsError(findings)
    return cast("DictConfig", config)


def resolved(config: DictConfig, value: Any) -> Any:
    """Returns a value with its `${key}` parts filled in. Raises ValueError that names the key."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        holder = OmegaConf.create({"value": value})
        # So that `${data.url}` is looked up in the parameters; there is no public way to say it.
        holder._set_parent(config)  # noqa: SLF001
        return OmegaConf.to_container(holder, resolve=True)["value"]  # type: ignore[index,call-overload]
    except OmegaConfBaseException as error:
        raise ValueError(_reason(error)) from error


def plain(config: DictConfig) -> dict[str, Any]:
    """Returns all parameters, resolved, as plain mappings and lists. Raises FindingsError."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        content = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))
    except OmegaConfBaseException as error:
        raise FindingsError([Finding("params.yaml", _reason(error))]) from error
    return {str(key): value for key, value in content.items()}


def flat(content: Any, prefix: str = "") -> dict[str, str]:
    """Returns `{"model.max_depth": "8", …}`: leaves as texts, lists as YAML on one line."""
    if isinstance(content, dict) and content:
        items = [flat(v, f"{prefix}.{k}" if prefix else str(k)) for k, v in content.items()]
        return {key: value for item in items for key, value in item.items()}
    return {prefix: canonical_yaml(content, flow=True).strip()} if prefix else {}


def canonical_yaml(content: Any, *, flow: bool = False) -> str:
    """Returns the one YAML text of a value: sorted keys, no line breaks within values."""
    text = yaml.safe_dump(
        content, sort_keys=True, allow_unicode=True, width=float("inf"), default_flow_style=flow
    )
    return text.removesuffix("...\n")


def _override(config: Any, override: str) -> Finding | None:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    place = f"command line: {override}"
    key, equals, _ = override.removeprefix("+").partition("=")
    if not equals or not key:
        return Finding(place, "an override is of the form key=value")
    try:
        layer = OmegaConf.from_dotlist([override.removeprefix("+")])
        if not override.startswith("+") and not _exists(config, key):
            known = flat(OmegaConf.to_container(config, resolve=False))
            hint = did_you_mean(key, known)
            return Finding(place, "no such parameter", f"{hint} (+{key}=… adds one)".strip())
        config.merge_with(layer)
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        return Finding(place, _reason(error))
    return None


def _exists(config: Any, key: str) -> bool:
    from omegaconf import OmegaConf

    node: Any = OmegaConf.to_container(config, resolve=False)
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def _reason(error: Exception) -> str:
    # OmegaConf adds lines about its own node types, which say nothing to the reader.
    return str(error).strip().splitlines()[0]
