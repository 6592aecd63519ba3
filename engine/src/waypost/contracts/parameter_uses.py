"""Where the steps of a pipeline use single parameters of its params.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from waypost.contracts.component import EntryPoint
from waypost.contracts.pipeline import Pipeline

_WHOLE = re.compile(r"^\$\{\s*([^${}:\s]+)\s*\}$")


class Use(NamedTuple):
    """A `parameter` of a step has the value of a `key` of params.yaml, `within` are the names in its value
    that lead there (none: the whole value).
    """

    step: str
    parameter: str
    within: tuple[str, ...]
    key: tuple[str, ...]


def uses_of(pipeline: Pipeline, entry_points: Mapping[str, EntryPoint]) -> Iterator[Use]:
    """Yields the uses of parameters as values. Args: as for `parameters_schema`."""
    for name, step in pipeline.steps.items():
        for parameter, value in step.arguments.items():
            if name in entry_points and parameter in entry_points[name].parameters:
                for within, key in _references(value):
                    yield Use(name, parameter, within, key)


def _references(value: Any) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            for names, reference in _references(child):
                yield (str(key), *names), reference
    elif isinstance(value, str) and (hit := _WHOLE.match(value)):
        key = tuple(hit[1].split("."))
        if all(key) and key[0] != "steps" and not any("[" in part for part in key):
            yield (), key
