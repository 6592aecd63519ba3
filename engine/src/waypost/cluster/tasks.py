"""Tasks for workers: the name of a function and JSON for it.

The function that finds it there is sent as it is written, by value: Dask's scheduler unpacks every task, and
needs no Waypost for that. Arguments and keys appear in logs and on dashboards, so there is no secret in them.
An error of ours comes back as JSON, too; anything else that a function raises is a bug, and raised here.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from waypost.errors import WaypostError

Document = Mapping[str, Any] | str
"""What JSON can say."""


@dataclass(frozen=True)
class Target:
    """A function of a document, by the names of its module and of itself; it gives a document."""

    module: str
    name: str


def call_of(target: Target, document: Document) -> Callable[[], str]:
    """Returns what a worker is to call. Its name is not importable, so that it travels by value."""
    module, name, text = target.module, target.name, json.dumps(document)

    def call() -> str:
        import importlib

        execute = importlib.import_module("waypost.cluster.tasks").execute
        return str(execute(module, name, text))

    return call


def execute(module: str, name: str, text: str) -> str:
    """Returns what a function makes of a document; runs on the worker."""
    function = getattr(importlib.import_module(module), name)
    try:
        return json.dumps({"done": function(json.loads(text))})
    except WaypostError as error:
        failed = {"message": str(error), "hint": error.hint, "exit_code": error.exit_code}
        return json.dumps({"failed": failed | {"kind": type(error).__name__}})


class FailedError(WaypostError):
    """A task failed by an error of ours; `kind` is its class there."""

    def __init__(self, message: str, *, hint: str, exit_code: int, kind: str) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.kind = kind


def result_of(text: str) -> Any:
    """Returns what a worker's function gave. Raises FailedError where it raised an error of ours."""
    said = json.loads(text)
    if "failed" in said:
        failed = said["failed"]
        message = failed.pop("message")
        raise FailedError(message, **failed)
    return said["done"]
