"""Tasks for workers: the name of a function, and JSON for it.

Dask is given an expression as text: its scheduler unpacks every task and needs no Waypost for that, and a
worker with another Python reports it, where our byte code could crash it. Workers join at any time, so each
task brings the versions that it needs. Arguments and keys appear in logs and on dashboards, so they hold no
secrets. A WaypostError also comes back as JSON, and so does an OSError, such as a full disk; any other
exception is a bug, and is raised here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from distributed import get_worker
from distributed.versions import get_versions

from waypost.cluster.versions import OF_WORKERS, Versions, unlike
from waypost.errors import WaypostError
from waypost.sources.refusals import of_system

Document = Mapping[str, Any] | str
"""A JSON document."""
OWN_VARIABLES: Mapping[str, str] = dict(os.environ)
"""The variables of this process before its first task: MLflow writes the store that it uses into them."""
_EXPRESSION = "__import__('importlib').import_module('waypost.cluster.tasks').execute(*given)"


@dataclass(frozen=True)
class Target:
    """A function, by module and name, that takes and returns a document."""

    module: str
    name: str


def call_of(target: Target, document: Document) -> Callable[[], str]:
    """Returns the call that a worker executes."""
    given = (target.module, target.name, json.dumps(document), installed())
    return functools.partial(eval, _EXPRESSION, {"given": given})


def execute(module: str, name: str, text: str, versions: Versions) -> str:
    """Returns a function's result for a document, as JSON, if this worker has the client's versions."""
    try:
        _check(versions)
        function = getattr(importlib.import_module(module), name)
        return json.dumps({"done": function(json.loads(text))})
    except WaypostError as error:
        return _failed(error)
    except OSError as error:
        return _failed(of_system(error))


def _failed(error: WaypostError) -> str:
    failed = {"message": str(error), "hint": error.hint, "exit_code": error.exit_code}
    return json.dumps({"failed": failed | {"kind": type(error).__name__}})


def installed(packages: Iterable[str] = OF_WORKERS) -> Versions:
    """Returns the installed versions in the form that workers and schedulers report."""
    wanted = list(packages)
    found = get_versions(wanted)["packages"]
    return {package: found[package] for package in wanted}


def _check(versions: Versions) -> None:
    """Raises WaypostError if this worker's versions differ from the client's."""
    if problem := unlike(versions, installed(versions)):
        raise WaypostError(f"{_here()}: {problem}", hint="install the client's version, or stop this worker")


def _here() -> str:
    with contextlib.suppress(ValueError):  # not called from a task
        return f"worker {get_worker().name}"
    return "a worker"


class FailedError(WaypostError):
    """A task failed with a WaypostError; `kind` is its class on the worker."""

    def __init__(self, message: str, *, hint: str, exit_code: int, kind: str) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.kind = kind


def result_of(text: str) -> Any:
    """Returns the result of a worker's function. Raises FailedError if it raised a WaypostError."""
    said = json.loads(text)
    if "failed" in said:
        failed = said["failed"]
        message = failed.pop("message")
        raise FailedError(message, **failed)
    return said["done"]
