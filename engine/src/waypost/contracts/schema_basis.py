"""What the schema of a params.yaml was made from: it is a file, and components change after it was written.

The schema carries digests of what the contracts and the pipeline said when it was made. A check compares
these, not the schemas: an engine that writes its schemas in another way makes no older one stale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from waypost.contracts.component import EntryPoint
from waypost.contracts.parameter_uses import uses_of
from waypost.contracts.pipeline import Pipeline
from waypost.texts.digests import digest_of

LINE = "# yaml-language-server: $schema="
"""The first line of a file that names its schema, followed by a path or URL."""
COMMENT = "$comment"
_FORM = re.compile(r"waypost 1: contracts ([0-9a-f]{16})(?:, schemas ([0-9a-f]{16}))?")
_DIGITS = 16
Schemas = Mapping[tuple[str, str], Mapping[str, Any]]


def basis(pipeline: Pipeline, entry_points: Mapping[str, EntryPoint], schemas: Schemas | None) -> str:
    """Returns the digests as one line. Its number grows with what the digests cover.

    Args: as for `parameters_schema`; `schemas` are None if the components' own schemas were not read.
    """
    used = [
        [
            use.step,
            use.parameter,
            list(use.within),
            list(use.key),
            _facts(entry_points[use.step], use.parameter),
        ]
        for use in uses_of(pipeline, entry_points)
    ]
    text = f"waypost 1: contracts {digest_of(sorted(used, key=str))[:_DIGITS]}"
    if schemas is None:
        return text
    named = sorted([step, parameter, digest_of(schema)] for (step, parameter), schema in schemas.items())
    return f"{text}, schemas {digest_of(named)[:_DIGITS]}"


def _facts(entry_point: EntryPoint, name: str) -> list[Any]:
    """Returns what a value of a parameter has to fit; a new description makes no schema wrong."""
    parameter = entry_point.parameters[name]
    return [
        parameter.type,
        parameter.default,
        list(parameter.choices),
        parameter.minimum,
        parameter.maximum,
    ]


def is_stale(schema: Any, now: str) -> bool:
    """Returns whether a schema was made from something else than what the basis `now` says; False for one
    without a basis: older engines, and people, write such.
    """
    there = _FORM.fullmatch(str(schema.get(COMMENT, ""))) if isinstance(schema, dict) else None
    current = _FORM.fullmatch(now)
    if there is None or current is None:
        return False
    return there[1] != current[1] or bool(there[2] and there[2] != current[2])


def schema_named_in(text: str) -> str:
    """Returns the path of the schema that the first line of a file names, empty if it names none or a URL."""
    first = text.split("\n", 1)[0]
    path = first.removeprefix(LINE).strip() if first.startswith(LINE) else ""
    return "" if "://" in path else path
