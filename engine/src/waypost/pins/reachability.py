"""Has the remote the commits of a lock, or only a fork of it? Asked where this machine does not know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from waypost.contracts.lock import Lock, Pin
from waypost.errors import Finding, IntegrityError, RemoteError
from waypost.pins.workspace import Workspace
from waypost.sources import remotes
from waypost.sources.mirror import Mirror

UNREACHED = "commit-unreached"


def pins_by_source(workspace: Workspace, lock: Lock) -> dict[str, dict[str, Pin]]:
    """Returns the pins of each repository that pipeline.yaml still names."""
    sources: dict[str, dict[str, Pin]] = {}
    for uses, pin in lock.components.items():
        source = uses.partition("/")[0]
        if source in workspace.pipeline.components and workspace.pipeline.components[source].git:
            sources.setdefault(source, {})[uses] = pin
    return sources


def refuse_unreached(workspace: Workspace, lock: Lock | None) -> None:
    """Raises IntegrityError where no branch and no tag of a remote has a locked commit; says what could not
    be asked. A machine asks once for each commit, and not at all offline.
    """
    findings, unasked = _unreached(workspace, lock) if lock else ([], [])
    if findings:
        raise IntegrityError(findings)
    for why in unasked:
        workspace.notify(f"not checked whether a branch or a tag has the locked commits: {why}")


def _unreached(workspace: Workspace, lock: Lock) -> tuple[list[Finding], list[str]]:
    """Returns the commits of a lock that no branch and no tag has, and what could not be asked."""
    found: list[Finding] = []
    unasked: list[str] = []
    for source, pins in pins_by_source(workspace, lock).items():
        mirror = workspace.mirror(source)
        new = [pin for pin in distinct(pins.values()) if pin.commit not in mirror.known.reached]
        if new and workspace.offline:
            unasked.append(f"{source}: this is offline")
        elif new:
            try:
                tags = mirror.tags()
                for pin in new:
                    found += reach_findings(mirror, source, pin, tags)
            except RemoteError as error:
                unasked.append(str(error))
    return found, unasked


def distinct(pins: Iterable[Pin]) -> list[Pin]:
    """Returns one pin of each tag and commit."""
    return list({(pin.tag, pin.commit): pin for pin in pins}.values())


def reach_findings(mirror: Mirror, source: str, pin: Pin, tags: Mapping[str, str]) -> list[Finding]:
    """Returns that no branch and no tag of the remote has a pin's commit; else it is known from now on.

    Raises RemoteError.
    """
    if tags.get(pin.tag) == pin.commit or remotes.is_reached(mirror.url, pin.commit):
        mirror.note_reached(pin.commit)
        return []
    place = f"{source} {pin.tag or pin.commit[:12]}"
    if remotes.has_commit(mirror.url, pin.commit):
        problem = (
            f"no branch and no tag of the remote has commit {pin.commit}: it is a fork's, or of a branch that"
            " is gone"
        )
        return [Finding(place, problem, "find out whose it is, and lock a release", UNREACHED)]
    problem = f"commit {pin.commit} is gone from the remote"
    return [Finding(place, problem, "keep the caches and bundles that have it", "commit-gone")]
