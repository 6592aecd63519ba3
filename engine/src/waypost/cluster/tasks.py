"""Tasks for workers: the name of a function and JSON for it.

What Dask is given to call is an expression, that is a text: its scheduler unpacks every task, and needs no
Waypost for that, and a worker with another Python says so, where byte code of ours could crash it. Workers
join at any time, so each task brings the versions that it is for. Arguments and keys appear in logs and on
dashboards, so there is no secret in them. An error of ours comes back as JSON, too; anything else that a
function raises is a bug, and raised here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from distributed import get_worker
from distributed.versions import get_versions

from waypost.cluster.versions import OF_WORKERS, Versions, unlike
from waypost.errors import WaypostError

Document = Mapping[str, Any] | str
"""What JSON can say."""
_EXPRESSION = "__import__('importlib').import_module('waypost.cluster.tasks').execute(*given)"


@dataclass(frozen=True)
class Target:
    """A function of a document, by the names of its module and of itself; it gives a document."""

    module: str
    name: str


def call_of(target: Target, document: Document) -> Callable[[], str]:
    """Returns what a worker is to call."""
    given = (target.module, target.name, json.dumps(document), installed())
    return functools.partial(eval, _EXPRESSION, {"given": given})


def execute(module: str, name: str, text: str, versions: Versions) -> str:
    """Returns what a function makes of a document, where this worker has the client's versions."""
    try:
        _check(versions)
        function = getattr(importlib.import_module(module), name)
        return json.dumps({"done": function(json.loads(text))})
    except WaypostError as error:
        failed = {"message": str(error), "hint": error.hint, "exit_code": error.exit_code}
        return json.dumps({"failed": failed | {"kind": type(error).__name__}})


def installed(packages: Iterable[str] = OF_WORKERS) -> Versions:
    """Returns what is installed here, as workers and schedulers tell theirs."""
    wanted = list(packages)
    found = get_versions(wanted)["packages"]
    return {package: found[package] for package in wanted}


def _check(versions: Versions) -> None:
    """Raises WaypostError if this worker has not the client's versions."""
    if problem := unlike(versions, installed(versions)):
        raise WaypostError(f"{_here()}: {problem}", hint="install the client's there, or end this worker")


def _here() -> str:
    with contextlib.suppress(ValueError):  # it is asked beside its tasks
        return f"worker {get_worker().name}"
    return "a worker"


class FailedError(WaypostError):
    """A task failed by an error of ours; `kind` is its class there."""

    def __init__(self, message: str, *, hint: str, exit_code: int, kind: str) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code
        self.kind = kind


def result_of(text: str) -> Any:
    """Returns what a worker's function gave. Raises FailedError if it raised an error of ours."""
    said = json.loads(text)
    if "failed" in said:
        failed = said["failed"]
        message = failed.pop("message")
        raise FailedError(message, **failed)
    return said["done"]
