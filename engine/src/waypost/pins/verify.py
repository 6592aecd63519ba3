"""Verification that remotes, cache and local folders still match the lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from waypost.contracts.lock import FILE, Pin, staleness
from waypost.contracts.planning import source_findings
from waypost.contracts.signers import UNSIGNED, WRONG
from waypost.contracts.versions import newest, parse_requirement, releases_of
from waypost.errors import Finding, FindingsError, IntegrityError, RemoteError
from waypost.interfaces.attested import DIFFERS, MOVED
from waypost.pins.attestation import CHANGED, UNRECORDED, lost_records
from waypost.pins.last_look import note_look
from waypost.pins.reachability import UNREACHED, distinct, pins_by_source, reach_findings
from waypost.pins.verdict import UNREACHABLE, Verdict
from waypost.pins.verify_here import look_here
from waypost.pins.vouching import library_findings
from waypost.pins.workspace import Workspace, read_lock
from waypost.sources import git
from waypost.sources.mirror import Mirror
from waypost.sources.objects import REFUSED
from waypost.sources.refusals import BadObjectError

_OF_REMOTES = {
    *(MOVED, "tag-deleted", "commit-gone", UNREACHED, "yanked"),
    *(CHANGED, DIFFERS, UNRECORDED, UNSIGNED, WRONG),
}


def verify(workspace: Workspace, *, here: bool = True) -> Verdict:
    """Checks everything and lists every finding, each with a category; remotes unless the workspace is
    offline, what is `here` (lock, cache, local folders) only where asked for. Raises FindingsError where a
    step's source is none of the pipeline's.
    """
    verdict = Verdict()
    try:
        verdict.lock = read_lock(workspace)
    except IntegrityError as error:
        verdict.findings += error.findings
        return verdict
    if verdict.lock is None:
        if workspace.wanted:
            hint = f"resolve the versions: {workspace.lock_command}"
            verdict.findings.append(Finding(FILE, "there is no lock", hint, "lock-stale"))
        return verdict
    if here:
        if unknown := source_findings(workspace.pipeline):
            raise FindingsError(unknown, consequence="")
        verdict.findings += staleness(workspace.pipeline, verdict.lock, workspace.lock_command)
    sources = pins_by_source(workspace, verdict.lock)
    for source, pins in sources.items():
        if not workspace.offline:
            _ask_remote(workspace, source, pins, verdict)
        if here:
            look_here(workspace, source, pins, verdict)
    if sources and sources.keys() == set(verdict.asked):
        note_look(workspace.folder, (f for f in verdict.findings if f.category in _OF_REMOTES))
    return verdict


def verify_locked(workspace: Workspace) -> Verdict:
    """Checks everything that a release of a pipeline holds. A folder with a source's next version is no part
    of it, and no finding: what is locked runs, until that is released.
    """
    verdict = verify(workspace)
    ahead = {str(source.path) for source in workspace.pipeline.components.values() if source.git}
    verdict.findings = [f for f in verdict.findings if f.category != "tree-differs" or f.place not in ahead]
    return verdict


def _ask_remote(workspace: Workspace, source: str, pins: Mapping[str, Pin], verdict: Verdict) -> None:
    mirror = workspace.mirror(source)
    try:
        tags = mirror.tags()
        for pin in distinct(pins.values()):
            verdict.findings += _tag_findings(workspace, source, pin, tags, mirror)
        verdict.findings += _default_branch_findings(workspace, source, pins, tags, mirror)
    except RemoteError as error:
        category = REFUSED if isinstance(error, BadObjectError) else UNREACHABLE
        verdict.findings.append(Finding(source, str(error), error.hint, category))
        return
    except FindingsError as error:  # a record, or who may sign, that cannot be read
        verdict.findings += error.findings
    verdict.asked.append(source)


def _tag_findings(
    workspace: Workspace, source: str, pin: Pin, tags: Mapping[str, str], mirror: Mirror
) -> list[Finding]:
    found = []
    place = f"{source} {pin.tag or pin.commit[:12]}"
    if pin.tag and tags.get(pin.tag) != pin.commit:
        since = git.day_of_line(workspace.folder / FILE, pin.commit)
        locked = f"the lock has commit {pin.commit[:12]} of {pin.released}{since and ', since '}{since}"
        if now := tags.get(pin.tag):
            problem = f"the tag was moved: {locked}; on the remote it is commit {now[:12]} now"
            hint = f"find out why; the locked content keeps running; to take it: waypost update {source}"
            found.append(Finding(place, problem, hint, "tag-moved"))
        else:
            problem = f"the tag was deleted: {locked}; the remote has none any more"
            found.append(Finding(place, problem, "the locked content keeps running", "tag-deleted"))
    if not pin.tag or found:
        found += reach_findings(mirror, source, pin, tags)
    return found


def _default_branch_findings(
    workspace: Workspace, source: str, pins: Mapping[str, Pin], tags: Mapping[str, str], mirror: Mirror
) -> list[Finding]:
    """Returns what the default branch says of releases that are pinned. Raises RemoteError."""
    mirror.fetch_head()
    yanked = mirror.yanked()
    found = []
    for version in sorted({pin.version for pin in pins.values()} & set(yanked)):
        asked = {pin.requirement for pin in pins.values() if pin.version == version}
        hint = _way_out(workspace, source, asked, tags, yanked)
        problem = f"this release was yanked: {yanked[version]}"
        found.append(Finding(f"{source} {version}", problem, hint, "yanked"))
    lost = lost_records(mirror, mirror.known, {pin.version for pin in pins.values()})
    found += [replace(finding, place=f"{source} {finding.place}") for finding in lost]
    for pin in distinct(pins.values()):
        if pin.tag and tags.get(pin.tag) == pin.commit:
            found += library_findings(workspace, source, pin.tag, pin.version, pin.commit)
    return list(dict.fromkeys(found))


def _way_out(
    workspace: Workspace,
    source: str,
    requirements: Collection[str],
    tags: Mapping[str, str],
    yanked: Collection[str],
) -> str:
    """Returns what leads away from a yanked release: an update, where another release fits, too."""
    releases = releases_of(tags, workspace.mirror(source).product()[1])
    if all(newest(releases, parse_requirement(asked), yanked) for asked in requirements):
        return f"move away: waypost update {source}"
    asked = ", ".join(sorted(requirements))
    return f"no other release fits {asked}: ask for another in pipeline.yaml, then: {workspace.lock_command}"
