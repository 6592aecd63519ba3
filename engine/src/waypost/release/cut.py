"""Cutting a release: all work is done in a clone, and fetched into the user's repository at the end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from packaging.version import Version

from waypost.errors import Finding, FindingsError, WaypostError
from waypost.interfaces.changelog import rotated, unreleased
from waypost.interfaces.interface import Change
from waypost.interfaces.record import FOLDER, record_text
from waypost.interfaces.semver import BUMPS, Bump, bumped, demanded, together
from waypost.release.build import check_build
from waypost.release.bumpversion import SETTINGS
from waypost.release.kinds import read_product
from waypost.release.package import Package
from waypost.release.product import CHANGELOG, Product
from waypost.sources import git, objects, remotes
from waypost.sources.files import read_text
from waypost.sources.waiting import Notify
from waypost.system.process import ProcessError, output_of
from waypost.system.scratch import scratch

_NOTHING_RELEASED = "nothing was released"
# The repository's own settings decide on authors and signatures, too.
_SETTINGS = ("user.", "gpg.", "commit.gpgsign", "tag.gpgsign", "tag.forcesignannotated")


@dataclass(frozen=True)
class NextVersion:
    """The next version, and why: `changes` are those since the `base` release, by what changed."""

    base: str
    version: str
    bump: Bump
    demanded: Bump
    changes: Mapping[str, tuple[Change, ...]]


@dataclass(frozen=True)
class Released:
    """A release that was cut; `tag` is empty for a guest, which is tagged when it leaves. `notes` are the
    text below [Unreleased], `files` the paths that the release's commit changes.
    """

    version: str
    commit: str
    tag: str
    record: str
    pushed: bool
    notes: str = ""
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rehearsed(NextVersion):
    """A rehearsed release: the next version with its reasons, `notes` and `files` as in Released."""

    notes: str = ""
    files: tuple[str, ...] = ()


def next_version(product: Product, asked: Bump | Literal["auto"]) -> NextVersion:
    """Returns the next version. Raises FindingsError for a smaller bump than the changes require.

    A first release is 1.0.0, unless the current version is higher or a bump is requested.
    """
    base = next(iter(product.records.values()), None)
    if base is None:
        first = max(product.version, Version("1.0.0")) if asked in ("auto", "major") else None
        version = first or bumped(product.version, "minor" if asked == "minor" else "patch")
        return NextVersion("", str(version), "major", "patch", {})
    changes = together(product.changes_since(base), product.noted_since(Version(base.version)))
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
    return NextVersion(base.version, str(bumped(Version(base.version), bump)), bump, least, changes)


@dataclass(frozen=True)
class PreparedRelease:
    """A release that exists only in a clone of its repository. `base` is the commit before it."""

    clone: Path
    base: str
    commit: str
    tag: str
    record: str
    notes: str
    files: tuple[str, ...]


def cut(
    product: Product,
    following: NextVersion,
    branch: str,
    notify: Notify,
    *,
    push: bool,
    offline: bool,
    rehearsal: bool = False,
) -> Released:
    """Cuts the release. If anything fails, and after a rehearsal, the repository is unchanged.

    Raises WaypostError with the message of git, bump2version, the package's build or the remote.
    """
    with scratch() as temp, whole_or_nothing():
        made = make(product, following, temp, notify, offline=offline, signs=not rehearsal)
        commit, tag = made.commit, made.tag
        refs = [f"{commit}:refs/heads/{branch}", *([f"refs/tags/{tag}"] if tag else [])]
        if push and not rehearsal:
            notify("pushing")
            remotes.push(made.clone, git.origin_of(product.top), refs)
        if not rehearsal:
            _arrive(product.top, made.clone, commit, tag)
    return Released(following.version, commit, tag, made.record, push, made.notes, made.files)


@contextlib.contextmanager
def whole_or_nothing() -> Iterator[None]:
    """Converts git's errors into one that says that nothing was released."""
    try:
        yield
    except ProcessError as error:
        message = f"{_NOTHING_RELEASED}: {' '.join(error.stderr.split()) or error}"
        raise WaypostError(message, hint="the repository is as it was") from error


def make(
    product: Product,
    following: NextVersion,
    temp: Path,
    notify: Notify,
    *,
    offline: bool,
    signs: bool,
    commit: Callable[[Path, str], None] = git.commit_all,
) -> PreparedRelease:
    """Makes commit and tag of a release in a clone below `temp`, with the user's hooks; a guest has no tag.

    Args: `commit` commits everything in a folder with a message. Raises ProcessError, WaypostError with the
    message of bump2version or the package's build.
    """
    clone = clone_of(product.top, temp, signs=signs)
    base = git.object_at(clone, "HEAD") or ""
    record, notes = _write(read_product(clone / product.prefix), following, notify)
    title = product.title(following.version)
    commit(clone, title)
    tag = "" if product.is_guest else product.tag(following.version)
    if tag:
        git.git(clone, "tag", "--annotate", "--message", tag_message(title, notes), tag)
    head = git.object_at(clone, "HEAD") or ""
    if isinstance(product, Package):
        check_build(clone, product, following.version, temp, notify, offline=offline)
    files = git.git(clone, "diff", "--name-only", "-z", base, head).split("\0")[:-1]
    return PreparedRelease(clone, base, head, tag, record, notes, tuple(files))


def _write(clone: Product, following: NextVersion, notify: Notify) -> tuple[str, str]:
    """Writes numbers, changelog and record into the clone; returns the record's path and the notes."""
    notify(f"{clone.version} → {following.version}")
    _raise_numbers(clone, following.version)
    file = clone.folder / CHANGELOG
    text = read_text(file)
    notes, day = unreleased(text), datetime.now(UTC).date().isoformat()
    _rewrite(file, rotated(text, following.version, day))
    after = read_product(clone.folder)
    if findings := after.findings(Version(following.version)):
        raise FindingsError(findings, consequence=_NOTHING_RELEASED)
    git.git(clone.top, "add", "--all")
    tree = git.staged(clone.top, clone.prefix)
    trees = {name: e.oid for name, e in objects.entries(clone.top, tree).items() if name != FOLDER}
    record = after.record(Version(following.version), day, notes, trees)
    path = clone.folder / FOLDER / f"{following.version}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(record_text(record), encoding="utf-8")
    git.add(clone.top, path)  # a `.gitignore` may have `*.json`
    return path.relative_to(clone.top).as_posix(), notes


def _rewrite(file: Path, text: str) -> None:
    """Rewrites a text file and keeps its line endings."""
    ends = "\r\n" if b"\r\n" in file.read_bytes() else "\n"
    file.write_text(text, encoding="utf-8", newline=ends)


def _raise_numbers(clone: Product, version: str) -> None:
    """Runs bump2version, which writes the version to the places that setup.cfg lists."""
    # bump2version requires a part, but the number is given: the part has no effect.
    bump = [sys.executable, "-m", "bumpversion", "--allow-dirty", "--no-commit", "--no-tag"]
    env = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        output_of([*bump, "--new-version", version, "patch"], cwd=clone.folder, env=env)
    except ProcessError as error:
        # Its output is a stack trace; the last line has the cause.
        cause = (error.stderr.strip().splitlines() or ["no word"])[-1]
        raise WaypostError(f"{_NOTHING_RELEASED}: bump2version: {cause}", hint=f"see {SETTINGS}") from error
    left = read_product(clone.folder).version
    if left != Version(version):
        raise WaypostError(f"{_NOTHING_RELEASED}: bump2version left {left} in {SETTINGS}")


def tag_message(title: str, notes: str) -> str:
    """Returns the message of a release's tag: git takes lines that start with # for comments."""
    lines = (line.lstrip("# ") if line.startswith("#") else line for line in notes.splitlines())
    return "\n".join([title, "", *lines])


def clone_of(top: Path, temp: Path, *, signs: bool = True) -> Path:
    """Returns a clone of a repository below `temp`, with its settings for authors and signatures."""
    clone = temp / "clone"
    git.git(top, "clone", "--quiet", "--shared", "--no-tags", str(top), str(clone))
    take_settings(top, clone, signs=signs)
    return clone


def take_settings(top: Path, clone: Path, *, signs: bool) -> None:
    """Copies the settings for authors and signatures to the clone, and the user's hooks."""
    for key, value in git.local_settings(top).items():
        if key.startswith(_SETTINGS):
            git.git(clone, "config", key, value)
    git.git(clone, "config", "core.hooksPath", git.hooks_of(top))
    if not signs:
        for name in ("commit.gpgSign", "tag.gpgSign", "tag.forceSignAnnotated"):
            git.git(clone, "config", name, "false")


def _arrive(top: Path, clone: Path, commit: str, tag: str) -> None:
    """Moves the user's branch to the release: branch and tag, or neither."""
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
