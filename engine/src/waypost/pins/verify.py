"""Is everything still what the lock says? Tags and commits of remotes, cache, local folders."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from waypost.contracts.lock import FILE, Lock, Pin, folders_of, staleness
from waypost.contracts.pipeline import component_name
from waypost.contracts.planning import source_findings
from waypost.contracts.signers import UNSIGNED, WRONG
from waypost.contracts.versions import newest, parse_requirement, releases_of
from waypost.errors import Finding, FindingsError, IntegrityError, RemoteError
from waypost.interfaces.attested import DIFFERS, MOVED
from waypost.interfaces.interface import interface_digest
from waypost.pins.attestation import CHANGED, UNRECORDED, lost_records
from waypost.pins.commit_contents import Commit
from waypost.pins.last_look import note_look
from waypost.pins.reachability import UNREACHED, distinct, pins_by_source, reach_findings
from waypost.pins.vouching import library_findings
from waypost.pins.workspace import Workspace, read_lock
from waypost.sources import git
from waypost.sources.files import read_component, requirements_digest
from waypost.sources.mirror import Mirror
from waypost.sources.objects import REFUSED
from waypost.sources.refusals import BadObjectError
from waypost.sources.snapshots import trees_of
from waypost.sources.store import is_intact
from waypost.texts.scalars import yaml_1_1

UNREACHABLE = "unreachable"
_OF_REMOTES = {
    *(MOVED, "tag-deleted", "commit-gone", UNREACHED, "yanked"),
    *(CHANGED, DIFFERS, UNRECORDED, UNSIGNED, WRONG),
}


@dataclass
class Verdict:
    """What a check found; `asked` are the remotes that answered, `unchecked` what could not be looked at."""

    lock: Lock | None = None
    findings: list[Finding] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all is well, 4 something is not what the lock says, 3 something could not be looked at."""
        if any(finding.category != UNREACHABLE for finding in self.findings):
            return IntegrityError.exit_code
        return RemoteError.exit_code if self.findings or self.unchecked else 0


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
            _look_here(workspace, source, pins, verdict)
    if sources and sources.keys() == set(verdict.asked):
        note_look(workspace.folder, (f for f in verdict.findings if f.category in _OF_REMOTES))
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
    releases = releases_of(tags)
    if all(newest(releases, parse_requirement(asked), yanked) for asked in requirements):
        return f"move away: waypost update {source}"
    asked = ", ".join(sorted(requirements))
    return f"no other release fits {asked}: ask for another in pipeline.yaml, then: {workspace.lock_command}"


def _look_here(workspace: Workspace, source: str, pins: Mapping[str, Pin], verdict: Verdict) -> None:
    root = workspace.local(source)
    names = [name for uses, pin in pins.items() for name in folders_of(uses, pin)]
    local = trees_of(root, names) if root and root.is_dir() else {}
    path = workspace.pipeline.components[source].path
    locked = [folders_of(uses, pin) for uses, pin in pins.items()]
    differing = [n for n, tree in local.items() if all(parts.get(n, "") != tree for parts in locked)]
    if differing:
        problem = f"not what the lock has, which is what runs: {', '.join(sorted(differing))}"
        hint = "release it and update the lock, or run it with --dev"
        verdict.findings.append(Finding(str(path), problem, hint, "tree-differs"))
    mirror = workspace.mirror(source)
    commits: dict[str, Commit] = {}
    for pin in distinct(pins.values()):
        try:
            if _is_here(mirror, pin, can_ask=source in verdict.asked):
                commits[pin.commit] = Commit(mirror, pin.commit)
        except FindingsError as error:
            verdict.findings += error.findings
    for commit in commits.values():
        commit.look(names)
    for uses, pin in pins.items():
        verdict.findings += _pin_findings(workspace, commits.get(pin.commit), uses, pin, verdict, local)


def _is_here(mirror: Mirror, pin: Pin, *, can_ask: bool) -> bool:
    """Tells whether the mirror has a pin's commit; it is fetched where the remote can be asked."""
    if can_ask and not mirror.has(pin.commit):
        with contextlib.suppress(RemoteError):
            mirror.ensure(pin.commit, tag=pin.tag)
    return mirror.has(pin.commit)


def _pin_findings(
    workspace: Workspace,
    commit: Commit | None,
    uses: str,
    pin: Pin,
    verdict: Verdict,
    local: Mapping[str, str],
) -> list[Finding]:
    """Returns where the cache's content is not what the pin says, and the pin not what the content says.

    Args: `commit` is the pin's, where the mirror has it.
    """
    found = []
    parts = folders_of(uses, pin)
    place = workspace.store.place(parts)
    if place.is_dir() and not is_intact(place):
        problem = "the cache's copy was changed since it was unpacked"
        found.append(Finding(uses, problem, "the next run makes it again", "tree-differs"))
    elif place.is_dir():
        found += _digest_findings(uses, pin, place)
    if commit:
        found += [finding for name in parts for finding in commit.refused(name, uses)]
        for name, tree in parts.items():
            if (actual := commit.tree(name)) != tree:
                problem = f"the lock has tree {tree[:12]} for {name}, its commit {str(actual)[:12]}"
                found.append(Finding(uses, problem, workspace.lock_command, "tree-differs"))
    if not found and not place.is_dir():
        found += _fetched_findings(workspace, commit, uses, pin, verdict, local)
    return found


def _fetched_findings(
    workspace: Workspace,
    commit: Commit | None,
    uses: str,
    pin: Pin,
    verdict: Verdict,
    local: Mapping[str, str],
) -> list[Finding]:
    """Returns which digests of a component that the cache does not have are not those of its pin: a local
    folder may have the same content; else it is fetched, or noted as not looked at.
    """
    parts, source = folders_of(uses, pin), uses.partition("/")[0]
    root = workspace.local(source)
    if root and parts.items() <= local.items():
        return _digest_findings(uses, pin, root)
    if commit and source in verdict.asked:
        with contextlib.suppress(RemoteError):
            return _digest_findings(uses, pin, workspace.store.obtain(parts, workspace.mirror(source)))
    verdict.unchecked.append(uses)
    return []


def _digest_findings(uses: str, pin: Pin, root: Path) -> list[Finding]:
    """Returns which digests of a component in a folder are not those of its pin."""
    name = component_name(uses)
    contract = read_component(root, name, name)
    interface = f"sha256:{interface_digest(contract)}"
    if interface != pin.interface and pin.interface == _interface_of_1_0(root, name):
        interface = pin.interface
    found = []
    for what, locked, actual in (
        ("interface", pin.interface, interface),
        ("environment", pin.environment, requirements_digest(root / name, contract)),
    ):
        if locked != actual:
            problem = f"its {what} has digest {actual[7:19]}, the lock says {locked[7:19]}"
            found.append(Finding(uses, problem, "", f"{what}-differs"))
    return found


def _interface_of_1_0(root: Path, name: str) -> str:
    """Returns the digest that Waypost 1.0.0 locked, which took defaults such as NO for YAML 1.1's values."""
    return f"sha256:{interface_digest(read_component(root, name, name, yaml_1_1))}"
