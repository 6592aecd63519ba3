"""Names that servers accept: in MLflow's searches and parameters, as W&B's projects and artifacts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from waypost.texts.digests import digest_of

_LONGEST = 250  # characters of a name that MLflow keeps
_ODD = re.compile(r"[^/\w.\- :]")
_UNQUOTABLE = re.compile(r"['\"\\]")
_LONGEST_PROJECT = 128
_NOT_IN_PROJECTS = re.compile(r"[/\\#?%:\s]+")
_NOT_IN_ARTIFACTS = re.compile(r"[^\w.-]", re.ASCII)


def tag_is(tag: str, value: str) -> str:
    """Returns the search condition for runs with a tag.

    MLflow's query language cannot quote both kinds of quotes, or a backslash, in a value: each becomes a
    wildcard for one character, so the result may include runs with other values. `has_tag` tells them apart.
    """
    if _UNQUOTABLE.search(value):
        return f"tags.`{tag}` LIKE '{_UNQUOTABLE.sub('_', value)}'"
    return f"tags.`{tag}` = '{value}'"


def parameters(found: Mapping[str, str]) -> dict[str, str]:
    """Returns parameters under names that MLflow accepts: others have invalid characters replaced by `_`, are
    truncated, and end in a digest that keeps them unique.
    """
    return {_parameter(name): value for name, value in found.items()}


def _parameter(name: str) -> str:
    allowed = _ODD.sub("_", name)
    normal = posixpath.normpath(allowed)
    is_path = allowed == normal and normal != "." and not normal.startswith(("..", "/"))
    if allowed == name and is_path and len(name) <= _LONGEST:
        return name
    start = allowed if is_path else allowed.replace("/", "_").lstrip(".")
    end = f"-{digest_of(name)[:8]}"
    return start[: _LONGEST - len(end)].rstrip("/") + end


def project(name: str) -> str:
    """Returns the name of a pipeline's W&B project: `grades-2026` for `grades/2026`."""
    return _NOT_IN_PROJECTS.sub("-", name).strip("-")[:_LONGEST_PROJECT] or "waypost"


def artifact(name: str) -> str:
    """Returns the name of a W&B artifact: letters, digits, `-`, `_` and `.`."""
    return _NOT_IN_ARTIFACTS.sub("_", name)[:_LONGEST_PROJECT]
