"""Cutting a release: everything happens in a clone, and arrives in the user's repository at the end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from packaging.version import Version

from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.errors import Finding, FindingsError, RemoteError, WaypostError
from waypost.interfaces.changelog import rotated, unreleased
from waypost.interfaces.interface import Change
from waypost.interfaces.record import FOLDER, record_text
from waypost.interfaces.semver import BUMPS, Bump, bumped, demanded, together
from waypost.pins.verify import verify
from waypost.pins.workspace import open_workspace
from waypost.release.build import check_build
from waypost.release.kinds import Package, PipelineRepository, read_subject
from waypost.release.product import CHANGELOG, SETTINGS, Subject
from waypost.sources import git, objects, remotes
from waypost.sources.files import read_text
from waypost.sources.mirror import Say
from waypost.system.process import ProcessError, output_of
from waypost.system.scratch import scratch

_NOTHING_RELEASED = "nothing was released"
# What decides how a user's commits and tags look lies in the repository's own settings, too.
_SETTINGS = ("user.", "gpg.", "commit.gpgsign", "tag.gpgsign", "tag.forcesignannotated")


@dataclass(frozen=True)
class Step:
    """The next version, and why: `changes` are those since the `base` release, by what changed."""

    base: str
    version: str
    bump: Bump
    demanded: Bump
    changes: Mapping[str, tuple[Change, ...]]


@dataclass(frozen=True)
class Released:
    """What was cut; the tag is empty for a guest, whose tags are made when it leaves."""

    version: str
    commit: str
    tag: str
    record: str
    pushed: bool


def next_step(subject: Subject, asked: Bump | Literal["auto"]) -> Step:
    """Returns the next version. Raises FindingsError for a bump that is less than the changes demand.

    A first release is 1.0.0, unless the version at hand says more or a bump is asked for.
    """
    base = next(iter(subject.records.values()), None)
    if base is None:
        first = max(subject.version, Version("1.0.0")) if asked in ("auto", "major") else None
        version = first or bumped(subject.version, "minor" if asked == "minor" else "patch")
        return Step("", str(version), "major", "patch", {})
    changes = together(subject.changes_since(base), subject.noted_since(Version(base.version)))
    least = demanded(change for group in changes.values() for change in group)
    bump: Bump = least if asked == "auto" else asked
    if BUMPS.index(bump) < BUMPS.index(least):
        kind = "breaking" if least == "major" else None
        findings = [
            Finding(name, str(change), f"this demands a {least} release")
            for name, group in changes.items()
            for change in group
            if kind is None or change.kind == kind
        ]
        raise FindingsError(findings, consequence=_NOTHING_RELEASED)
    return Step(base.version, str(bumped(Version(base.version), bump)), bump, least, changes)


def findings_before(subject: Subject, version: str, branch: str, say: Say, *, offline: bool) -> list[Finding]:
    """Returns everything that stands in the way of a release."""
    found = [*_tree_obstacles(subject, branch, offline=offline), *_content_obstacles(subject)]
    if not subject.is_guest:
        found += _tag_obstacles(subject, subject.tag(version), offline=offline)
    if (subject.folder / FOLDER / f"{version}.json").exists():
        found.append(Finding(f"{FOLDER}/{version}.json", "this version was released already"))
    found += subject.findings(subject.version)
    if isinstance(subject, PipelineRepository):
        found += _pin_obstacles(subject, say, offline=offline)
    return found


def _tree_obstacles(subject: Subject, branch: str, *, offline: bool) -> list[Finding]:
    found = []
    if changed := git.git(subject.top, "status", "--porcelain").splitlines():
        names = ", ".join(line[3:] for line in changed[:5])
        found.append(Finding("work tree", f"not committed: {names}", "commit or stash it"))
    here = git.object_at(subject.top, "HEAD") and git.branch_of(subject.top)
    if here != branch:
        hint = f"git switch {branch}, or --branch {here}" if here else f"git switch {branch}"
        found.append(
            Finding("branch", f"{here or 'no branch'} is checked out, releases come from {branch}", hint)
        )
    if offline or not git.has_origin(subject.top):
        return found
    try:
        there = remotes.branches_of(git.origin_of(subject.top)).get(branch)
    except RemoteError as error:
        return [*found, Finding("origin", str(error), "--offline does not ask it")]
    if there and not git.is_ancestor(subject.top, there, "HEAD"):
        found.append(
            Finding("branch", f"{branch} is behind its origin, at {there[:12]}", "git pull --rebase")
        )
    return found


def _content_obstacles(subject: Subject) -> list[Finding]:
    file = subject.folder / CHANGELOG
    if not file.is_file():
        return [Finding(CHANGELOG, "there is none", "https://keepachangelog.com")]
    if not unreleased(read_text(file)):
        return [Finding(CHANGELOG, "there is nothing under [Unreleased]", "say what changed for users")]
    return []


def _tag_obstacles(subject: Subject, tag: str, *, offline: bool) -> list[Finding]:
    if git.object_at(subject.top, f"refs/tags/{tag}"):
        return [Finding(tag, "the tag already exists", "released versions do not change: cut the next one")]
    if not offline and git.has_origin(subject.top):
        try:
            if tag in remotes.tags_of(git.origin_of(subject.top)):
                return [Finding(tag, "the tag already exists, on origin", "git fetch --tags")]
        except RemoteError:
            pass  # told as an obstacle of the work tree already
    return []


def _pin_obstacles(subject: PipelineRepository, say: Say, *, offline: bool) -> list[Finding]:
    workspace = open_workspace(subject.place, say, offline=offline)
    found = list(verify(workspace).findings)
    for name, source in workspace.pipeline.components.items():
        local = workspace.local(name)
        if source.git is None and local is not None and not local.is_relative_to(subject.top):
            problem = f"the folder {source.path} is outside of this repository: its content is not released"
            found.append(
                Finding(f"{PIPELINE_FILE}: components.{name}", problem, "give it `git` and `version`")
            )
    return found


@dataclass(frozen=True)
class Made:
    """A release in a clone of its repository: nothing else has it yet. `base` is the commit before it."""

    clone: Path
    base: str
    commit: str
    tag: str
    record: str


def cut(
    subject: Subject, step: Step, branch: str, say: Say, *, push: bool, offline: bool, rehearsal: bool = False
) -> Released:
    """Cuts the release. Whatever fails, the repository is as it was; after a rehearsal in any case.

    Raises WaypostError with what git, bump2version, the package's build or the remote said.
    """
    with scratch() as temp, _whole_or_nothing():
        made = make(subject, step, temp, say, offline=offline, signs=not rehearsal)
        commit, tag = made.commit, made.tag
        refs = [f"{commit}:refs/heads/{branch}", *([f"refs/tags/{tag}"] if tag else [])]
        if push and not rehearsal:
            say("pushing")
            remotes.push(made.clone, git.origin_of(subject.top), refs)
        if not rehearsal:
            _arrive(subject.top, made.clone, commit, tag)
    return Released(step.version, commit, tag, made.record, push)


@contextlib.contextmanager
def _whole_or_nothing() -> Iterator[None]:
    """Makes an error for the reader of what git says."""
    try:
        yield
    except ProcessError as error:
        message = f"{_NOTHING_RELEASED}: {' '.join(error.stderr.split())}"
        raise WaypostError(message, hint="the repository is as it was") from error


def make(
    subject: Subject, step: Step, temp: Path, say: Say, *, offline: bool, signs: bool, trailer: str = ""
) -> Made:
    """Makes commit and tag of a release in a clone below `temp`, with the user's hooks; a guest has no tag.

    Args: `trailer` ends the message of the commit. Raises ProcessError, WaypostError with what bump2version
    or the package's build said.
    """
    clone = temp / "clone"
    git.git(subject.top, "clone", "--quiet", "--shared", "--no-tags", str(subject.top), str(clone))
    take_settings(subject.top, clone, signs=signs)
    base = git.object_at(clone, "HEAD") or ""
    record, notes = _write(read_subject(clone / subject.prefix), step, say)
    title = subject.title(step.version)
    git.commit_all(clone, f"{title}\n\n{trailer}".rstrip())
    tag = "" if subject.is_guest else subject.tag(step.version)
    if tag:
        git.git(clone, "tag", "--annotate", "--message", tag_message(title, notes), tag)
    commit = git.object_at(clone, "HEAD") or ""
    if isinstance(subject, Package):
        check_build(clone, subject, step.version, temp, say, offline=offline)
    return Made(clone, base, commit, tag, record)


def _write(clone: Subject, step: Step, say: Say) -> tuple[str, str]:
    """Writes numbers, changelog and record into the clone; returns the record's path and the notes."""
    say(f"{clone.version} → {step.version}")
    _raise_numbers(clone, step.version)
    file = clone.folder / CHANGELOG
    text = read_text(file)
    notes, day = unreleased(text), datetime.now(UTC).date().isoformat()
    file.write_text(rotated(text, step.version, day), encoding="utf-8")
    after = read_subject(clone.folder)
    if findings := after.findings(Version(step.version)):
        raise FindingsError(findings, consequence=_NOTHING_RELEASED)
    git.git(clone.top, "add", "--all")
    tree = git.staged(clone.top, clone.prefix)
    trees = {name: e.oid for name, e in objects.entries(clone.top, tree).items() if name != FOLDER}
    record = after.record(Version(step.version), day, notes, trees)
    path = clone.folder / FOLDER / f"{step.version}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(record_text(record), encoding="utf-8")
    return path.relative_to(clone.top).as_posix(), notes


def _raise_numbers(clone: Subject, version: str) -> None:
    """Has bump2version write a version wherever setup.cfg tells it to."""
    # It knows patch, minor and major, but takes the number from us; the part is only a word here.
    bump = [sys.executable, "-m", "bumpversion", "--allow-dirty", "--no-commit", "--no-tag"]
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        output_of([*bump, "--new-version", version, "patch"], cwd=clone.folder, env=env)
    except ProcessError as error:
        # It ends with a stack trace of its own, whose last line says what is wrong.
        cause = (error.stderr.strip().splitlines() or ["no word"])[-1]
        raise WaypostError(f"{_NOTHING_RELEASED}: bump2version: {cause}", hint=f"see {SETTINGS}") from error
    left = read_subject(clone.folder).version
    if left != Version(version):
        raise WaypostError(f"{_NOTHING_RELEASED}: bump2version left {left} in {SETTINGS}")


def tag_message(title: str, notes: str) -> str:
    """Returns the message of a release's tag: git takes lines that start with # for comments."""
    lines = (line.lstrip("# ") if line.startswith("#") else line for line in notes.splitlines())
    return "\n".join([title, "", *lines])


def take_settings(top: Path, clone: Path, *, signs: bool) -> None:
    """Gives the clone what decides about authors and signatures, and the user's hooks."""
    for key, value in git.local_settings(top).items():
        if key.startswith(_SETTINGS):
            git.git(clone, "config", key, value)
    git.git(clone, "config", "core.hooksPath", git.hooks_of(top))
    if not signs:
        for name in ("commit.gpgSign", "tag.gpgSign", "tag.forceSignAnnotated"):
            git.git(clone, "config", name, "false")


def _arrive(top: Path, clone: Path, commit: str, tag: str) -> None:
    """Moves the user's branch to the release; either the branch and the tag are there, or neither."""
    wanted = f"refs/tags/{tag}:refs/tags/{tag}" if tag else commit
    git.git(top, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(clone), wanted)
    before = git.object_at(top, "ORIG_HEAD")
    try:
        git.git(top, "merge", "--quiet", "--ff-only", commit)
    except ProcessError:
        # git notes where it was, even where it went nowhere.
        git.git(top, "update-ref", *(["ORIG_HEAD", before] if before else ["-d", "ORIG_HEAD"]))
        if tag:
            git.git(top, "tag", "--delete", tag)
        raise
