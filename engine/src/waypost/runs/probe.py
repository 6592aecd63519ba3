"""A worker's report on its machine, before any work is sent to it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from waypost.errors import WaypostError, redacted
from waypost.runs.on_worker import own_store
from waypost.runs.spec import Document
from waypost.sources.memo import Memo
from waypost.system.places import home
from waypost.tracking.connection import client, tracking_errors
from waypost.tracking.local import is_local


def look_around(document: Document) -> Document:
    """Returns what prevents this worker from executing steps.

    Args: `document` has the client's `host`, its `store`, the id of its experiment with name and time of
    creation, the digests of the steps' input `files`, by path, and the names of the `variables` that they
    need. The result has the same names.
    """
    memo, store = Memo(home()), own_store(document["store"])
    is_elsewhere = socket.gethostname() != document["host"]
    return {
        "store": (
            f"{store} is a file of {document['host']}"
            if is_local(store) and is_elsewhere
            else _store_problem(store, document["experiment_id"], document["experiment"])
        ),
        "files": [path for path, digest in document["files"].items() if not _is_same(memo, path, digest)],
        "variables": [name for name in document["variables"] if name not in os.environ],
    }


def _store_problem(uri: str, experiment_id: str, experiment: list[Any]) -> str:
    """Returns why the runs of the client's tracking server cannot be read from here, empty if they can.

    Args: `experiment` is the name and time of creation of the client's.
    """
    try:
        with tracking_errors(uri):
            found = client(uri).get_experiment(experiment_id)
    except WaypostError as error:
        return f"{error}; {error.hint}" if error.hint else str(error)
    if [found.name, found.creation_time] == experiment:
        return ""
    which = "was created at another time" if found.name == experiment[0] else f"is {found.name!r} there"
    return f"{redacted(uri)} is a different tracking server: its experiment {experiment_id} {which}"


def _is_same(memo: Memo, path: str, digest: str) -> bool:
    try:
        return Path(path).exists() and memo.digest(Path(path)) == digest
    except OSError:
        return False
