"""Which runs of a tracking server are still needed, and by what. A run is kept or deleted with its steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

RUNNING = ("RUNNING", "SCHEDULED")
TAKEN_OVER = "a kept run reused a result"
_DAY = 86400.0


@dataclass(frozen=True)
class ServerRun:
    """A run made by Waypost: `kind` is pipeline, step or sweep, `parent` the run above it, `ended` when it
    ended or, if it has not, began (seconds since 1970), `needs` the runs whose results it reused or received.
    """

    run_id: str
    experiment: str
    kind: str
    status: str
    ended: float
    parent: str = ""
    pipeline: str = ""
    release: str = ""
    lock: str = ""
    is_marked: bool = False
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Family:
    """A run with all runs below it; they are kept or deleted together."""

    top: ServerRun
    members: tuple[ServerRun, ...]

    @property
    def ended(self) -> float:
        """When the last of them ended."""
        return max(run.ended for run in self.members)


def families(runs: Iterable[ServerRun]) -> list[Family]:
    """Returns runs grouped by their top run, newest first; a step without its pipeline run is on its own."""
    known = {run.run_id: run for run in runs}
    below: dict[str, list[ServerRun]] = {}
    for run in known.values():
        top, seen = run, {run.run_id}
        while top.parent in known and top.parent not in seen:
            top = known[top.parent]
            seen.add(top.run_id)
        below.setdefault(top.run_id, []).append(run)
    found = [Family(known[top], tuple(members)) for top, members in below.items()]
    return sorted(found, key=lambda family: (-family.ended, family.top.run_id))


def reasons(
    found: Sequence[Family], wanted: Mapping[str, str], *, lock: str, now: float, days: float
) -> dict[str, str]:
    """Returns why runs are kept, by the id of a family's top run; nothing known needs the others.

    Args: `wanted` says what needs a run, by id; `lock` is the digest of a pipeline's lock, empty without one;
    `days` is how long every run is kept.
    """
    wanted = {**_newest(found, lock), **wanted}
    kept: dict[str, str] = {}
    for family in found:
        for why in _reasons(family, wanted, now - days * _DAY):
            kept.setdefault(family.top.run_id, why)
    owner = {run.run_id: family for family in found for run in family.members}
    waiting = [family for family in found if family.top.run_id in kept]
    while waiting:
        family = waiting.pop()
        for need in sorted({need for run in family.members for need in run.needs} & owner.keys()):
            other = owner[need]
            if other.top.run_id not in kept:
                kept[other.top.run_id] = TAKEN_OVER
                waiting.append(other)
    return kept


def _reasons(family: Family, wanted: Mapping[str, str], since: float) -> Iterator[str]:
    """Yields why a family is kept for its own sake."""
    for run in family.members:
        if run.status in RUNNING:
            yield "running"
        if run.is_marked:
            yield "marked to be kept"
        if run.kind == "pipeline" and run.status == "FINISHED" and run.release:
            yield "run of a release"
        if run.run_id in wanted:
            yield wanted[run.run_id]
    if family.ended >= since:
        yield "young"


def _newest(found: Iterable[Family], lock: str) -> dict[str, str]:
    """Returns the newest finished run of each pipeline, and the newest with a lock."""
    kept: dict[str, str] = {}
    met: set[tuple[str, ...]] = set()
    runs = [run for family in found for run in family.members if run.kind == "pipeline"]
    for run in sorted(runs, key=lambda run: -run.ended):
        if run.status == "FINISHED":
            marks: dict[tuple[str, ...], str] = {(run.experiment, run.pipeline): "newest of its pipeline"}
            if lock and run.lock == lock:
                marks[(lock,)] = "newest with this lock"
            for mark in marks.keys() - met:
                kept.setdefault(run.run_id, marks[mark])
            met |= marks.keys()
    return kept
