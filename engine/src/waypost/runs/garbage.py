"""Garbage collection of a tracking server: our runs that no release, model, lock, index or recent run
needs.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost.contracts.lock import FILE, parse_lock
from waypost.contracts.retention import Family, families, reasons
from waypost.errors import UsageError, redacted
from waypost.runs.index import Index
from waypost.sources.files import read_text
from waypost.system.places import home
from waypost.tracking.collection import Collection
from waypost.tracking.connection import tracking_errors
from waypost.tracking.databases import file_of
from waypost.tracking.local import tracking_uri


@dataclass(frozen=True)
class Unneeded:
    """A run that nothing needs, with those below it: how it ended and when (seconds since 1970), the number
    of runs, the bytes of their artifacts.
    """

    run_id: str
    pipeline: str
    experiment: str
    kind: str
    status: str
    ended: float
    runs: int
    bytes: int


@dataclass(frozen=True)
class Collected:
    """The unneeded runs, largest first, and whether they were `deleted`; `kept` counts the others by
    reason.
    """

    tracking_uri: str
    unneeded: tuple[Unneeded, ...]
    kept: Mapping[str, int]
    deleted: bool

    @property
    def bytes(self) -> int:
        return sum(run.bytes for run in self.unneeded)

    @property
    def freeing(self) -> str:
        """MLflow's command that frees the bytes of deleted runs; until then they can be restored."""
        store = shlex.join(["--backend-store-uri", self.tracking_uri, "--tracking-uri", self.tracking_uri])
        is_served = self.tracking_uri.startswith(("http://", "https://"))
        return "mlflow gc, where the server runs, with its stores" if is_served else f"mlflow gc {store}"


def collect(folder: Path, days: float, *, delete: bool) -> Collected:
    """Returns the unneeded runs, and deletes them if asked for.

    Args: `folder` may be a pipeline's: its lock is then kept; runs younger than `days` are kept.
    Raises UsageError if there is no tracking store, WaypostError.
    """
    uri = tracking_uri()
    if (file := file_of(uri)) and not file.exists():
        raise UsageError(f"{file}: no tracking store here", hint="set MLFLOW_TRACKING_URI")
    lock_file = folder / FILE
    lock = parse_lock(read_text(lock_file), f"waypost lock {folder}").digest if lock_file.is_file() else ""
    with tracking_errors():
        server = Collection()
        going, kept = _sorted(server, lock, days)
        unneeded = {family.top.run_id: _unneeded(family, server) for family in going}
        if delete:  # runs that became needed while bytes were counted stay
            going, kept = _sorted(server, lock, days)
            going = [family for family in going if family.top.run_id in unneeded]
            for family in going:
                _delete(family, server)
    found = sorted((unneeded[f.top.run_id] for f in going), key=lambda run: (-run.bytes, run.run_id))
    return Collected(redacted(uri), tuple(found), kept, deleted=delete)


def _sorted(server: Collection, lock: str, days: float) -> tuple[list[Family], Mapping[str, int]]:
    """Returns the runs that nothing needs now, and the number of the others by reason."""
    found = families(server.runs())
    latest = Index(home(), server.uri).latest_runs()
    wanted = dict.fromkeys(latest, "next to be reused here") | server.registered()
    why = reasons(found, wanted, lock=lock, now=time.time(), days=days)
    return [family for family in found if family.top.run_id not in why], Counter(why.values())


def _delete(family: Family, server: Collection) -> None:
    """Deletes a run and all runs below it, itself first: after a kill here, steps without a run remain and
    are found next time.
    """
    for run in sorted(family.members, key=lambda run: run.run_id != family.top.run_id):
        server.delete(run.run_id)


def _unneeded(family: Family, server: Collection) -> Unneeded:
    top = family.top
    size = sum(server.bytes_of(run.run_id) for run in family.members)
    named = (top.pipeline, top.experiment, top.kind, top.status)
    return Unneeded(top.run_id, *named, family.ended, len(family.members), size)
