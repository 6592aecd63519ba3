"""Executing an earlier run again with its files, lock and parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from waypost import __version__
from waypost.contracts import provenance as contract
from waypost.contracts.bundle import INSIDE
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.provenance import Place, Provenance, named, parse_provenance
from waypost.contracts.target import Target
from waypost.errors import Finding, IntegrityError, RemoteError, UsageError, redacted
from waypost.pins.workspace import Kept, Workspace, workspace_of_release
from waypost.release.fetched import fetch_release, unpacked
from waypost.runs.prepare import Prepared
from waypost.sources import git
from waypost.sources.changes import apply
from waypost.sources.files import read_text
from waypost.sources.objects import Objects
from waypost.sources.store import Store
from waypost.sources.waiting import Notify
from waypost.system.process import ProcessError
from waypost.system.scratch import writable_copy
from waypost.tracking.connection import tracking_errors
from waypost.tracking.registry import Registry

GONE = "content-gone"
_RUN = re.compile(r"runs:/([^/\s]+)/?")


def run_named(text: str) -> str | None:
    """Returns the run that `runs:/ID` names, None for another text."""
    hit = _RUN.fullmatch(text)
    return hit[1] if hit else None


def run_id_in(text: str) -> str:
    """Returns the run that `runs:/ID` names. Raises UsageError for another text."""
    if found := run_named(text):
        return found
    raise UsageError(f"{text}: not of the form runs:/ID")


def kept_by(run_id: str) -> Kept:
    """Returns the files that a pipeline run logged about itself. Raises UsageError if there are none."""
    with tracking_errors():
        registry = Registry()
        tags = registry.tags_of_pipeline_run(run_id)
        folder = registry.file(run_id, contract.FOLDER)
    if folder is None or not (folder / contract.FILE).is_file():
        release = tags.get("waypost.release")
        again = f"waypost reproduce {tags.get('waypost.release.url', 'URL')}@{release}"
        hint = f"its release can be reproduced: {again}" if release else "run it again with this engine"
        engine = tags.get("waypost.version", "an unknown version")
        raise UsageError(f"run {run_id} kept no {contract.FILE}: its engine was {engine}", hint=hint)
    lock, diff = folder / LOCK_FILE, folder / contract.DIFF
    return Kept(
        run_id,
        parse_provenance(read_text(folder / contract.FILE)),
        read_text(folder / PIPELINE_FILE),
        read_text(lock) if lock.is_file() else "",
        diff.read_bytes() if diff.is_file() else b"",
    )


def workspace_of_run(
    kept: Kept, store: Store, into: Path, notify: Notify, warn: Notify, *, offline: bool = False
) -> Workspace:
    """Returns the workspace of an earlier run with its files as they were, in a copy.

    Raises UsageError if neither its commit nor its folder can be found, RemoteError, IntegrityError.
    """
    facts = kept.facts
    if facts.engine != __version__:
        warn(f"run {kept.run_id} is of Waypost {facts.engine}, here is {__version__}: results may differ")
    if not facts.place.top:
        place = facts.place
        release = fetch_release(store, Target(place.url, place.inside, place.commit), offline=offline)
        workspace = workspace_of_release(release, store, notify, offline=offline, on_warning=warn)
        workspace.pipeline, workspace.kept = parse_pipeline(kept.pipeline), kept
        return workspace
    if facts.place.commit:
        top = writable_copy(_at_commit(facts.place, store).parent, [INSIDE], into) / INSIDE
        _change(top, kept, warn)
        _bring_inputs(top, facts)
        folder = top / facts.place.inside
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = Path(facts.place.top)
        if not folder.is_dir():
            raise UsageError(f"run {kept.run_id}: its folder {folder} is gone, and was in no git repository")
    return Workspace(folder, parse_pipeline(kept.pipeline), store, notify, offline, warn, kept=kept)


def _at_commit(place: Place, store: Store) -> Path:
    """Returns the files at a commit: from the current repository, that of the run, or its origin."""
    here = git.top_of(Path.cwd())
    for top in filter(None, (here, Path(place.top))):
        tree = git.object_at(top, f"{place.commit}^{{tree}}") if top.is_dir() else None
        if tree and git.has_whole(top, [tree]):
            with Objects(top) as objects:
                return store.add({INSIDE: tree}, objects) / INSIDE
    if not place.url:
        problem = f"commit {place.commit} is gone from {place.top}, which has no origin"
        raise UsageError(problem, hint="run this in a clone that has the commit")
    mirror = store.mirror(place.url)
    try:
        mirror.ensure(place.commit)
    except RemoteError as error:
        problem = f"commit {place.commit} is neither in {place.top} nor in {redacted(place.url)}: {error}"
        raise RemoteError(problem, hint="run this in a clone that has the commit") from error
    return unpacked(store, mirror, place.commit)


def _change(top: Path, kept: Kept, warn: Notify) -> None:
    """Applies the uncommitted changes; warns if the run did not log all of them."""
    reasons = {
        "masked": "they held secrets, which are never kept",
        "too large": "they were too large to keep",
    }
    if reason := reasons.get(kept.facts.diff):
        warn(f"run {kept.run_id}: uncommitted changes are not whole, {reason}: {named(kept.facts.dirty)}")
    try:
        apply(top, kept.diff)
    except ProcessError as error:
        problem = f"its uncommitted changes cannot be made again: {error.stderr.strip()}"
        raise IntegrityError([Finding(f"run {kept.run_id}", problem, "", GONE)]) from error


def _bring_inputs(top: Path, facts: Provenance) -> None:
    """Links input files of steps that are not in git, if this machine has them."""
    folder, then = top / facts.place.inside, Path(facts.place.top) / facts.place.inside
    for name in facts.inputs:
        link, file = Path(folder / name), then / name
        inside = link.parent.resolve().is_relative_to(top.resolve())
        if inside and not link.exists() and file.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.resolve())


def require_content(prepared: Prepared, kept: Kept) -> None:
    """Raises IntegrityError that names each component with other content than in the run."""
    findings = list(_lost(prepared, kept.facts))
    if findings:
        raise IntegrityError(findings, consequence="nothing was run")


def _lost(prepared: Prepared, facts: Provenance) -> Iterator[Finding]:
    for uses, trees in facts.components.items():
        code = prepared.checkouts.get(uses)
        now = dict(code.trees) if code else {}
        for name in sorted({*trees, *now}):
            if trees.get(name) != now.get(name):
                then, here = trees.get(name, "nothing"), now.get(name, "nothing")
                where = code.folder.parent if code else "nowhere"
                problem = f"its content is gone: the run had tree {then} of {name}, {where} has {here}"
                yield Finding(uses, problem, "restore that content, or name another run", GONE)
