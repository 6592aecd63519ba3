"""Releases of pipelines, fetched by tag and verified before anything runs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import Version

from waypost.contracts.bundle import INSIDE, Bundle
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.target import Target
from waypost.contracts.versions import Release as Tag
from waypost.contracts.versions import Requirement, newest, parse_requirement
from waypost.errors import Finding, IntegrityError, RemoteError, UsageError, redacted
from waypost.interfaces.attested import Attested, Tagged, contradictions
from waypost.interfaces.record import FOLDER, Record, parse_record
from waypost.pins.attestation import findings_of, known_here
from waypost.pins.signing import signature_findings
from waypost.pins.workspace import FetchedRelease
from waypost.sources import git, objects, remotes
from waypost.sources.files import read_text
from waypost.sources.mirror import Mirror
from waypost.sources.store import Store
from waypost.system.versions import made_with


@dataclass(frozen=True)
class Seen:
    """What a target names now: the repository at that commit, below `root`, the product's folder `inside` it,
    and what is known of it besides.

    `findings` say why it is not taken for the release that it says to be; `is_commit` whether the target
    names no release, but a commit.
    """

    tagged: Tagged
    attested: Attested
    root: Path
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    is_commit: bool
    inside: str = ""

    @property
    def record(self) -> Record | None:
        return self.attested.record or self.tagged.record


def see_release(
    store: Store,
    target: Target,
    *,
    offline: bool = False,
    memory: Mirror | None = None,
    must_be_signed: bool = False,
) -> Seen:
    """Returns what a target names, and where tag, records, what this machine knows and content contradict
    each other; nothing is remembered.

    Args: `memory` is the mirror with what this machine knows, where `store` is a new one; a release that
    `must_be_signed` needs a policy that says by whom. Raises UsageError where there is no such version,
    RemoteError.
    """
    try:
        requirement = parse_requirement(target.version)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if requirement.branch:
        hint = "a branch moves; ask for a version, or for a full commit"
        raise UsageError(f"{target}: {requirement.branch!r} is not a version", hint=hint)
    mirror = store.mirror(target.url, target.folder)
    tag, version, commit, warnings = _chosen(mirror, target, requirement, offline=offline)
    root, inside = unpacked(store, mirror, commit), mirror.product()[0]
    tagged = Tagged(version, tag, commit, _entries(mirror, commit), _own_record(root / inside, version))
    attested, findings = findings_of(mirror, tagged, memory or mirror, offline=offline)
    if tag:
        findings += signature_findings(mirror, tag, commit, offline=offline, is_asked=must_be_signed)
    is_commit = bool(requirement.commit)
    return Seen(tagged, attested, root, tuple(findings), tuple(warnings), is_commit, inside)


def _entries(mirror: Mirror, commit: str) -> dict[str, str]:
    """Returns git's ids of what lies at the top of the product at a commit, by name."""
    tree = mirror.tree_of(commit)
    return {name: e.oid for name, e in objects.entries(mirror.folder, tree).items()} if tree else {}


def fetch_release(
    store: Store, target: Target, *, offline: bool = False, memory: Mirror | None = None
) -> FetchedRelease:
    """Returns a release, from the cache if possible.

    Args: `memory` is the mirror with what this machine knows, where `store` is a new one.
    Raises UsageError where there is no such version or pipeline, IntegrityError where tag, records, what this
    machine knows and content contradict each other, RemoteError.
    """
    seen = see_release(store, target, offline=offline, memory=memory)
    if seen.findings and not seen.is_commit:
        raise IntegrityError(seen.findings, consequence="nothing was run")
    if seen.findings:  # whoever names a commit gets it, but not as the release that it says to be
        commit, version = seen.tagged.commit, seen.tagged.version
        word = f"commit {commit[:12]} is not taken for release {version}: {seen.findings[0].problem}"
        tagged = replace(seen.tagged, tag="", version="")
        seen = replace(seen, tagged=tagged, attested=Attested(), warnings=(*seen.warnings, word))
    elif seen.tagged.tag and not offline:
        store.mirror(target.url, target.folder).first_seen(seen.tagged.tag, seen.tagged.commit)
    return release_of(seen, target)


def release_of(seen: Seen, target: Target) -> FetchedRelease:
    """Converts a verified target to a pipeline's release. Raises UsageError if there is no pipeline."""
    tagged, record = seen.tagged, seen.record
    folder = _pipeline_folder(target, seen.root, record)
    warnings = (*seen.warnings, *(_differing_versions(record) if record else ()))
    named = (target.url, tagged.version, tagged.tag, tagged.commit, seen.root, folder)
    return FetchedRelease(*named, record, warnings, seen.attested.record is not None, seen.inside)


def candidate(store: Store, target: Target, tag: str, commit: str, clone: Path) -> FetchedRelease:
    """Returns a release before its publication, with a commit from a local clone.

    Args: `target` names the folder of the product, and the version.
    Raises IntegrityError if the commit does not match its own record.
    """
    mirror, version, inside = store.mirror(target.url), target.version, target.folder
    mirror.take(commit, clone)
    root = unpacked(store, mirror, commit)
    tree = git.folder_at(mirror.folder, commit, inside) or ""
    actual = {name: entry.oid for name, entry in objects.entries(mirror.folder, tree).items()}
    record = _own_record(root / inside, version)
    if findings := contradictions(Tagged(version, tag, commit, actual, record), Attested()):
        raise IntegrityError(findings, consequence="nothing was released")
    folder = _pipeline_folder(target, root, record)
    return FetchedRelease(target.url, version, tag, commit, root, folder, record, inside=inside)


def _pipeline_folder(target: Target, root: Path, record: Record | None) -> Path:
    """Returns the folder of the pipeline in a repository. Raises UsageError if there is none."""
    folder = root / target.folder
    if not target.folder or not (folder / PIPELINE_FILE).is_file():
        folder /= record.pipeline if record else "."
    if not (folder / PIPELINE_FILE).is_file():
        places = ", ".join(sorted(p.parent.name for p in root.glob(f"*/{PIPELINE_FILE}")))
        hint = f"name its folder: {redacted(target.url)}#{places}@{target.version}" if places else ""
        raise UsageError(f"{target}: no {PIPELINE_FILE} there", hint=hint)
    return folder


def unpacked(store: Store, mirror: Mirror, commit: str) -> Path:
    """Returns a folder with the repository at a commit of the mirror. Raises RemoteError."""
    tree = git.object_at(mirror.folder, f"{commit}^{{tree}}") or ""
    return store.obtain({INSIDE: tree}, mirror) / INSIDE


def _chosen(
    mirror: Mirror, target: Target, requirement: Requirement, *, offline: bool
) -> tuple[str, str, str, list[str]]:
    """Returns (tag, version, commit, warnings), and fetches the commit into the mirror."""
    if offline:
        return _seen_before(mirror, target, requirement)
    if requirement.commit:
        commit = remotes.commit_of(mirror.url, requirement.commit)
        if commit is None:
            raise UsageError(f"{target}: no branch and no tag of the repository holds that commit")
        tag = next((r.tag for r in mirror.releases() if r.commit == commit), "")
        mirror.ensure(commit, tag=tag, with_head=bool(tag))
        return tag, str(mirror.version_of(tag) or ""), commit, []
    fitting = [release for release in mirror.releases() if requirement.allows(release.version)]
    release = next(mirror.sound(fitting, with_head=True), None)
    if release is None:
        raise UsageError(f"{target}: no such release", hint=_how_to_get(mirror, requirement))
    yanked, warnings = mirror.yanked(), []
    if reason := yanked.get(str(release.version)):
        fallback = next(mirror.sound(r for r in fitting if str(r.version) not in yanked), None)
        if fallback:
            release = fallback
        else:
            warnings.append(f"release {release.version} was yanked: {reason}")
    warnings += _gone_tags(mirror, requirement, release)
    return release.tag, str(release.version), release.commit, warnings


def _gone_tags(mirror: Mirror, requirement: Requirement, chosen: Tag) -> list[str]:
    """Returns warnings about newer releases, seen before on this machine, without tags now."""
    there = {release.version for release in mirror.releases()}
    return [
        f"the tag {seen.tag}, which this machine saw at commit {seen.commit[:12]}, is gone from the remote"
        for seen in mirror.seen_releases()
        if requirement.allows(seen.version) and seen.version not in there and seen.version > chosen.version
    ]


def _how_to_get(mirror: Mirror, requirement: Requirement) -> str:
    """Returns the hint for a release without a tag: it was seen before on this machine, or has a record on
    the default branch.
    """
    if seen := newest(mirror.seen_releases(), requirement):
        return f"this machine saw the tag {seen.tag} at commit {seen.commit}: to run that: @{seen.commit}"
    recorded: list[str] = []
    with contextlib.suppress(RemoteError):
        mirror.fetch_head()
        recorded = [v for v in mirror.recorded() if requirement.allows(Version(v))]
    if recorded:
        where = redacted(mirror.url)
        command = f"waypost release tags --restore{'' if Path(mirror.url).is_dir() else ' --push'}"
        version = max(recorded, key=Version)
        return f"{version} has a record on the default branch, its tag is missing: {command}, in {where}"
    if others := mirror.other_products():
        return f"{others}: {redacted(mirror.url)}#FOLDER@VERSION"
    return f"there are: {', '.join(str(r.version) for r in mirror.releases()[:6]) or 'none'}"


def _seen_before(mirror: Mirror, target: Target, requirement: Requirement) -> tuple[str, str, str, list[str]]:
    """Returns the newest matching release in the cache, or the commit."""
    seen = mirror.seen_releases()
    if requirement.commit and mirror.has(requirement.commit):
        return "", "", requirement.commit, []
    release = newest(seen, requirement)
    if release is None or not mirror.has(release.commit):
        raise UsageError(f"{target}: not in the cache, and this is offline")
    return release.tag, str(release.version), release.commit, []


def verified_release(bundle: Bundle, root: Path, actual: Mapping[str, str], memory: Mirror) -> FetchedRelease:
    """Returns the release of a bundle.

    Args: `root` is where it was unpacked, `actual` are git's ids of what is at the top of its product,
    `memory` is the mirror of that with what this machine knows.
    Raises IntegrityError where the release's record does not list that,
    or where this machine knows something else.
    """
    own = _own_record(root / memory.inside, bundle.version)
    tagged = Tagged(bundle.version, bundle.tag, bundle.commit, actual, own)
    attested = known_here(memory, bundle.version)
    if findings := contradictions(tagged, attested):
        raise IntegrityError(findings, consequence="nothing was run")
    reason = memory.yanked().get(bundle.version)
    warnings = (f"release {bundle.version} was yanked: {reason}",) if reason else ()
    named = (bundle.url, bundle.version, bundle.tag, bundle.commit, root, root / bundle.folder)
    return FetchedRelease(*named, tagged.record, warnings, attested.record is not None, memory.inside)


def _own_record(root: Path, version: str) -> Record | None:
    """Returns the record in a release itself, None if it has none. Raises FindingsError."""
    file = root / FOLDER / f"{version}.json"
    if not version or not file.is_file():
        return None
    return parse_record(Record, read_text(file), file.name)


def _differing_versions(record: Record) -> list[str]:
    here = made_with()
    return [
        f"released with {name} {version}, here is {here.get(name)}: results may differ"
        for name, version in record.made_with.items()
        if here.get(name) != version
    ]
