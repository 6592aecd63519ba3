"""What every verb starts from: a pipeline's folder, its lock, its cache, its remotes."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waypost.contracts.component import Component
from waypost.contracts.lock import FILE, Lock, Wanted, parse_lock, staleness, wanted
from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.pipeline import Pipeline, hold_findings
from waypost.contracts.planning import source_findings
from waypost.contracts.provenance import Provenance
from waypost.contracts.signers import Policy
from waypost.contracts.trees import shown
from waypost.contracts.urls import full_url
from waypost.errors import Finding, FindingsError, IntegrityError, WaypostError, redacted
from waypost.interfaces.record import Record
from waypost.sources import git
from waypost.sources.files import read_pipeline, read_text
from waypost.sources.mirror import Mirror
from waypost.sources.settings import read_keys
from waypost.sources.store import Store
from waypost.sources.waiting import Notify
from waypost.system.places import home


@dataclass(frozen=True)
class Kept:
    """What an earlier run kept of itself, from which it is made again: the texts of its pipeline.yaml and its
    lock, empty where it had none, the diff of what was not committed.
    """

    run_id: str
    facts: Provenance
    pipeline: str
    lock: str
    diff: bytes


@dataclass(frozen=True)
class FetchedRelease:
    """A repository at a tag: `folder` is the pipeline's, `record` what the release says of itself, `inside`
    the folder of the product in the repository, empty for its top.

    It `is_attested` where the default branch has that record, too.
    """

    url: str
    version: str
    tag: str
    commit: str
    root: Path
    folder: Path
    record: Record | None
    warnings: tuple[str, ...] = ()
    is_attested: bool = False
    inside: str = ""

    @property
    def tags(self) -> dict[str, str]:
        """What the run's tags say of it."""
        url = f"{redacted(self.url)}{self.inside and '#'}{self.inside}"
        found = {"waypost.release.url": url, "waypost.commit": self.commit}
        if self.version:
            found["waypost.release"] = self.version
        return found


@dataclass
class Workspace:
    """A pipeline's folder with its file, its cache, and what remotes its components come from.

    Where it is that of an earlier run, what that `kept` counts instead of files, and of its pins.
    """

    folder: Path
    pipeline: Pipeline
    store: Store
    notify: Notify
    offline: bool = False
    on_warning: Notify | None = None
    release: FetchedRelease | None = None
    kept: Kept | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> dict[str, Wanted]:
        return wanted(self.pipeline)

    @property
    def lock_command(self) -> str:
        """Returns the command that resolves the pipeline's versions again."""
        if self.release:
            return f"waypost lock, in the repository of {redacted(self.release.url)}"
        with contextlib.suppress(ValueError):
            here = str(self.folder.relative_to(Path.cwd()))
            return "waypost lock" if here == "." else f"waypost lock {here}"
        return f"waypost lock {self.folder}"

    def mirror(self, source: str) -> Mirror:
        """Returns the mirror of a git source."""
        written = self.pipeline.components[source].git or ""
        base = ""
        if written.startswith("."):
            base = self._base()
        inside = self.pipeline.components[source].folder or ""
        mirror = self.store.mirror(full_url(written, base), inside)
        mirror.remedy = self._remedy(source, mirror.url)
        return mirror

    def signers(self, source: str) -> Policy | None:
        """Returns whose signatures pipeline.yaml asks for from a source. Raises FindingsError."""
        name = self.pipeline.signers_of(source)
        return read_keys(self.folder, name, f"{PIPELINE_FILE}: signers") if name else None

    def _base(self) -> str:
        """Returns what relative URLs are relative to."""
        if self.release:
            return self.release.url
        if self.kept:
            return self.kept.facts.place.url or self.kept.facts.place.top
        return git.origin_of(self.folder)

    def _remedy(self, source: str, url: str) -> str:
        """Returns the command that makes a repository which is not there yet, from the local folder."""
        place, local = Path(url.removeprefix("file://")), self.local(source)
        if not place.is_absolute() or place.exists() or local is None or not local.is_dir():
            return ""
        paths = [shlex.quote(min(str(path), os.path.relpath(path), key=len)) for path in (place, local)]
        return f"make it: waypost components export {paths[0]} --library {paths[1]}"

    def local(self, source: str) -> Path | None:
        """Returns a source's local folder, None where it has none. Raises FindingsError for a release whose
        folder lies outside of it.
        """
        path = self.pipeline.components[source].path
        if path is None:
            return None
        if self.kept and source in self.kept.facts.outside:
            return Path(self.kept.facts.outside[source])
        folder = Path(os.path.realpath(self.folder / path))  # which ends where links go in a circle
        if self.release and not folder.is_relative_to(self.release.root.resolve()):
            if self.pipeline.components[source].git:
                return None  # a folder beside its author's work tree: what is locked runs
            problem = f"the folder {shown(path)} is outside of the release: its content was not released"
            raise FindingsError([Finding(f"{PIPELINE_FILE}: components.{source}.path", problem)])
        return folder

    def warn_deprecated(self, components: Mapping[str, Component]) -> None:
        """Warns of components (by `uses`) that nobody should start to use, of each once."""
        for uses, component in sorted(components.items()):
            message = f"{uses} is {component.deprecated}"
            if component.deprecated and message not in self.warnings:
                self.warn(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)
        (self.on_warning or self.notify)(message)


def open_workspace(
    folder: Path, notify: Notify, *, offline: bool = False, on_warning: Notify | None = None
) -> Workspace:
    """Returns the workspace of a pipeline's folder. Raises UsageError, FindingsError."""
    folder = folder.resolve()
    pipeline = read_pipeline(folder)
    if findings := hold_findings(pipeline):
        raise FindingsError(findings, consequence="")
    return Workspace(folder, pipeline, Store(home(), notify), notify, offline, on_warning)


def workspace_of_release(
    release: FetchedRelease,
    store: Store,
    notify: Notify,
    *,
    offline: bool = False,
    on_warning: Notify | None = None,
) -> Workspace:
    """Returns the workspace of a release that was fetched. Raises FindingsError."""
    pipeline = read_pipeline(release.folder)
    workspace = Workspace(release.folder, pipeline, store, notify, offline, on_warning, release)
    for warning in release.warnings:
        workspace.warn(warning)
    return workspace


def read_lock(workspace: Workspace) -> Lock | None:
    """Returns the pipeline's lock, None where it has none. Raises IntegrityError."""
    if workspace.kept:
        text = workspace.kept.lock
        return parse_lock(text, workspace.lock_command) if text else None
    file = workspace.folder / FILE
    return parse_lock(read_text(file), workspace.lock_command) if file.is_file() else None


def fresh_lock(workspace: Workspace) -> Lock | None:
    """Returns the lock that answers the pipeline.yaml of now, None where nothing has to be locked.

    Raises IntegrityError that names the mending command.
    """
    lock = read_lock(workspace)
    if lock is None:
        if not workspace.wanted:
            return None
        hint = f"resolve the versions once: {workspace.lock_command}"
        raise IntegrityError([Finding(FILE, "there is no lock", hint, "lock-stale")])
    if unknown := source_findings(workspace.pipeline):
        raise FindingsError(unknown, consequence="")
    if stale := staleness(workspace.pipeline, lock, workspace.lock_command):
        raise IntegrityError(stale)
    return lock


def required_lock(workspace: Workspace, lock: Lock | None) -> Lock:
    """Returns the lock. Raises WaypostError where the pipeline has none."""
    if lock is None:
        raise WaypostError(f"there is no {FILE}", hint=f"make it: {workspace.lock_command}")
    return lock
